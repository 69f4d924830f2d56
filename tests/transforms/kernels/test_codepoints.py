"""The normalisers, compared with CCNet's code on strings with regular expressions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import web_path as plain
from transforms.documents import text_buffers, texts_from_buffers
from transforms.kernels.codepoints import (
    PUNCTUATION,
    _normalise_texts,
    hash_normaliser,
    normalise_document_plain,
    normalise_for_lm,
    normalise_line_plain,
)

EVERY_CHARACTER = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

# Characters that are treated differently, mixed more often than by chance.
WILD = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("ΣσςİıÀ́̇०٣１２0AZaz ,.…—。．\n\r\t\0\x1c\x1f\x7f\x85\xa0\u2028\u3000"),
        st.sampled_from("\ua9c0\u1b44\u302e\u0345\U0001d165\U0001d15e\uac01\uac00\u1e9e\ufb01ǅ"),
    ),
    max_size=80,
)


def by_ccnet_for_hash(line: str) -> str:
    """Return the form that CCNet's ``normalize_for_dedup`` makes of a line."""
    line = line.strip()
    return plain._DROPPED_RE.sub("", plain._DIGIT_RE.sub("0", line.lower()))


def by_kernel_for_hash(lines: list[str]) -> list[str | None]:
    """Return the kernel's forms of lines, None for a line that needs plain Python."""
    table = hash_normaliser()
    data, offsets = text_buffers(pa.array(lines, pa.string()))
    out = np.zeros(int(offsets[-1]) * table.growth + 8, np.uint8)
    ends, special = _normalise_texts(table, data, offsets, out)
    made = texts_from_buffers(out[: ends[-1]], ends).to_pylist()
    return [None if is_special else m for m, is_special in zip(made, special, strict=True)]


@pytest.fixture(scope="module")
def wet_texts(shared_data: Path) -> list[str]:
    files = sorted((shared_data / "commoncrawl" / "wet").glob("*.wet.gz"))
    assert files
    return ["\n".join(page.lines) for file in files for page in plain.read_pages(file, "wet")]


def test_punctuation_is_that_of_ccnet() -> None:
    assert PUNCTUATION == plain.PUNCTUATION


@pytest.mark.slow
def test_every_code_point_is_hashed_as_ccnet_has_it() -> None:
    """Code points stand in the middle of a line, at its edges, and among words of eight bytes."""
    for around in ("{}", "a{}A", "Abcdefg{}hijklmn09", " {} "):
        lines = [around.format(c) for c in EVERY_CHARACTER]
        made = by_kernel_for_hash(lines)
        expected = map(by_ccnet_for_hash, lines)
        different = [c for c, m, e in zip(EVERY_CHARACTER, made, expected, strict=True) if m != e]
        assert different == ["Σ"]


@pytest.mark.slow
def test_every_code_point_is_scored_as_ccnet_has_it() -> None:
    for around in ("{}", "a{}A", "\u0301{}\u0327"):
        texts = [around.format(c) for c in EVERY_CHARACTER]
        made = normalise_for_lm(pa.array(texts)).to_pylist()
        wrong = [t for t, m in zip(texts, made, strict=True) if plain.normalise_for_lm(t) != m]
        assert not wrong


@settings(deadline=None)  # the kernel is compiled at its first call
@given(WILD)
def test_any_line_is_hashed_as_ccnet_has_it(line: str) -> None:
    expected = None if "Σ" in line.strip() else by_ccnet_for_hash(line)
    assert by_kernel_for_hash([line]) == [expected]
    assert normalise_line_plain(line) == by_ccnet_for_hash(line)


@settings(deadline=None)  # the kernel is compiled at its first call
@given(st.lists(WILD, max_size=4))
def test_any_document_is_scored_as_ccnet_has_it(texts: list[str]) -> None:
    expected = [plain.normalise_for_lm(text) for text in texts]
    assert normalise_for_lm(pa.array(texts, pa.string())).to_pylist() == expected
    assert [normalise_document_plain(text) for text in texts] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Ça coûte 1 234 €… ", "ca coute 0 000 €..."),
        ("ΟΔΟΣ ΣΑΣ", "οδος σας"),
        ("İstanbul\nTWO", "istanbultwo"),
        ("Yes — no.\x00\x1f", "yes  -  no."),
        ("१२ ١٢ １２", "00 00 00"),
        ("각", "\u1100\u1161\u11a8"),
        ("a\u302e\ua9c0", "a\ua9c0\u302e"),  # marks that are kept change places
        ("", ""),
        (" \u3000\x85", ""),
    ],
)
def test_documents_by_hand(text: str, expected: str) -> None:
    assert normalise_for_lm(pa.array([text])).to_pylist() == [expected]


def test_slices_and_nulls() -> None:
    texts = pa.array(["A", None, "Σ", "É"])
    assert normalise_for_lm(texts[1:]).to_pylist() == ["", "σ", "e"]


@pytest.mark.slow
def test_wet_documents(wet_texts: list[str]) -> None:
    made = normalise_for_lm(pa.array(wet_texts)).to_pylist()
    wrong = [t[:80] for t, m in zip(wet_texts, made, strict=True) if plain.normalise_for_lm(t) != m]
    assert not wrong
