"""Keys of lines and texts, compared with CCNet's SHA-1 keys and with the library xxhash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import web_path as plain
from tests.transforms.kernels.test_codepoints import WILD, by_ccnet_for_hash
from transforms.kernels.lines import document_keys, keep_lines, paragraph_keys

TEXTS = st.lists(st.lists(WILD, max_size=5).map("\n".join), max_size=5)


@settings(deadline=None)  # the kernel is compiled at its first call
@given(TEXTS)
def test_keys_are_xxh64_of_the_normal_form(texts: list[str]) -> None:
    keys, offsets = paragraph_keys(pa.array(texts, pa.string()))
    lines = [text.split("\n") for text in texts]
    assert np.diff(offsets).tolist() == [len(x) for x in lines]
    assert keys.tolist() == [
        xxhash.xxh64_intdigest(by_ccnet_for_hash(line).encode()) for x in lines for line in x
    ]


@settings(deadline=None)  # the kernel is compiled at its first call
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=120), max_size=5))
def test_document_keys_are_xxh64(texts: list[str]) -> None:
    keys = document_keys(pa.array(texts, pa.string()))
    assert keys.tolist() == [xxhash.xxh64_intdigest(text.encode()) for text in texts]


@settings(deadline=None)  # the kernel is compiled at its first call
@given(TEXTS, st.data())
def test_kept_lines_are_joined(texts: list[str], data: st.DataObject) -> None:
    column = pa.array(["before", *texts], pa.string())[1:]
    offsets = paragraph_keys(column).line_offsets
    n = int(offsets[-1])
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    expected = [
        "\n".join(line for line, kept in zip(text.split("\n"), mask[start:], strict=False) if kept)
        for text, start in zip(texts, offsets, strict=False)
    ]
    assert keep_lines(column, offsets, mask).to_pylist() == expected


def test_keep_lines_by_hand() -> None:
    texts = pa.array(["a\nb\n", "c\n\nd", "", "e"])
    offsets = paragraph_keys(texts).line_offsets
    assert offsets.tolist() == [0, 3, 6, 7, 8]
    mask = np.array([1, 0, 0, 0, 1, 0, 1, 0], np.bool_)
    assert keep_lines(texts, offsets, mask).to_pylist() == ["a", "", "", ""]


def test_equal_lines_by_hand() -> None:
    lines = [
        " Page 12: “Straße”\r",
        "page 99: straße",
        "Pagé 12: Straße",
        "ΟΔΟΣ",
        "οδος",
        "\xa0",
        "",
    ]
    keys = paragraph_keys(pa.array(["\n".join(lines)])).keys.tolist()
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4]
    assert keys[5] == keys[6]
    assert len(set(keys)) == 4


def test_another_inputs_mask_is_refused() -> None:
    texts = pa.array(["a\nb", "c"])
    for offsets, n in (([0, 1, 3], 3), ([0, 2, 3], 4), ([0, 2], 2), ([0, 3, 4], 4), ([0, 1, 2], 2)):
        with pytest.raises(ValueError, match="another input"):
            keep_lines(texts, np.array(offsets, np.int64), np.ones(n, np.bool_))


def test_no_texts_and_nulls() -> None:
    assert paragraph_keys(pa.array([], pa.string())).line_offsets.tolist() == [0]
    assert len(document_keys(pa.array([], pa.string()))) == 0
    assert paragraph_keys(pa.array([None, "a"])).line_offsets.tolist() == [0, 1, 2]


@pytest.mark.slow
def test_wet_lines_fall_into_the_classes_of_sha1(shared_data: Path) -> None:
    files = sorted((shared_data / "commoncrawl" / "wet").glob("*.wet.gz"))
    pages = ["\n".join(page.lines) for file in files for page in plain.read_pages(file, "wet")]
    lines = [line for page in pages for line in page.split("\n")]
    assert len(lines) > 400_000
    keys = paragraph_keys(pa.array(pages)).keys.tolist()
    pairs = set(zip(keys, map(plain.line_key, lines), strict=True))
    assert len(pairs) == len({key for key, _ in pairs}) == len({sha1 for _, sha1 in pairs})
