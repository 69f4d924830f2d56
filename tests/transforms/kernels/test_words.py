"""Words with punctuation apart: what they are, and a comparison with a plain loop on real pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from tests.support.plain.web_path import read_pages
from tests.support.plain.words import plain_words
from tests.support.samples.real_web_text import wild_texts
from transforms.kernels.characters import white_space
from transforms.kernels.words import (
    chunk_core,
    chunk_end,
    count_words_apart,
    next_word,
    unit_codes,
    word_marks,
)

pytestmark = pytest.mark.slow


@njit(nogil=True)
def _bounds(spaces, marks, known_units, data, out):  # type: ignore[no-untyped-def]
    n = i = 0
    while i < data.size:
        chunk = chunk_end(spaces, data, i, data.size)
        first, last, is_address = chunk_core(marks, known_units, data, i, chunk)
        while i < chunk:
            stop = next_word(marks, data, i, first, last, is_address, chunk)
            out[n, 0], out[n, 1] = i, stop
            n += 1
            i = stop
        i = chunk
        while i < data.size and chunk_end(spaces, data, i, i + 1) == i:
            i += 1  # by bytes: those behind the first of a character are no white space
            while i < data.size and data[i] & 0xC0 == 0x80:
                i += 1
    return n


def split(text: str) -> list[str]:
    data = np.frombuffer(text.encode(), np.uint8)
    out = np.empty((len(data) + 1, 2), np.int64)
    n = _bounds(white_space(), word_marks(), unit_codes(), data, out)
    return [text.encode()[begin:end].decode() for begin, end in out[:n].tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # the words that spaCy 3.8 finds with spacy.blank("en")
        ("Don't go, (you said).", "Do|n't|go|,|(|you|said|)|."),
        ("to the U.S. for $5.30 or 20%", "to|the|U.S.|for|$|5.30|or|20|%"),
        ("a well-known either/or", "a|well|-|known|either|/|or"),
        ("http://example.com/c?d=1, www.a.com/b", "http://example.com/c?d=1|,|www.a.com/b"),
        ("10km at 2pm...", "10|km|at|2|pm|..."),
        ("The end.Then “John's dog”", "The|end|.|Then|“|John|'s|dog|”"),
        ("3-4 and 3x4, 10:30, we'll see", "3|-|4|and|3x4|,|10:30|,|we|'ll|see"),
        ("one--two … three…four", "one|--|two|…|three|…|four"),
        ("I ❤ ❤❤ it™", "I|❤|❤|❤|it|™"),
        ("a,b 1,000", "a|,|b|1,000"),
        ("...", "..."),
        ("", ""),
        (" \t\u3000\n", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    words = [word for word in expected.split("|") if word]
    assert split(text) == words == plain_words(text)
    assert count_words_apart(pa.array([text, "", text])).tolist() == [len(words), 0, len(words)]


@pytest.mark.slow
def test_words_of_real_pages_are_those_of_a_plain_loop(shared_data: Path) -> None:
    paths = sorted((shared_data / "commoncrawl" / "wet").rglob("*.wet.gz"))
    texts = ["\n".join(page.lines) for path in paths for page in read_pages(path, "wet")][::21]
    assert len(texts) > 100
    for text in texts:
        assert split(text) == plain_words(text)


@settings(deadline=None)
@given(wild_texts() | st.text("ab.'’sntmkreLd-–/:1 2%…❤$+", max_size=12))
def test_words_of_wild_texts(text: str) -> None:
    words = split(text)
    assert words == plain_words(text)
    assert "".join(words) == "".join(text.split())
