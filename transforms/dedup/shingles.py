"""Shingles: the runs of consecutive words that a text is made of, as 64-bit hashes.

Words are runs of letters, digits and marks; everything else separates them. They are compared in
lower case and without accents, so that editions in different encodings are equal where they differ
in apostrophes, dashes or accents alone. In scripts without spaces every character is a word.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers
from transforms.kernels.hashing import BASE, mix

Hashes = npt.NDArray[np.uint64]

WORDS_FORM = "lower case, without accents"
"""How words are compared, as the card of an index says it."""

ALONE = np.uint32(1 << 31)
"""Flag of a code point that is a word by itself, in the table for :func:`word_hashes`."""

SEVERAL = np.uint32(1 << 30)
"""Flag of a code point that is compared as several, in that table; the rest is a row's number."""

NO_ROWS = np.zeros((0, 1), np.uint32)
"""The rows of several code points for a table without the flag."""

PASSED_OVER = np.uint32(1)
"""Mark of a code point that is left out of words, in that table."""


class Shingles(NamedTuple):
    """The shingles of a column of texts."""

    hashes: Hashes  # of a text: distinct and ascending
    offsets: npt.NDArray[np.int64]  # text t has hashes[offsets[t]:offsets[t + 1]]


def distinct_shingles(
    texts: pa.StringArray, *, shingle_words: int, are_segmented: bool = False
) -> Shingles:
    """Return the distinct shingles of ``shingle_words`` words of every text. Nulls are empty.

    A text of fewer words than that is one shingle, one without words none. Of texts that
    ``are_segmented`` spaces separate words in any script.
    """
    data, offsets = text_buffers(texts)
    folds = _folds_of_words() if are_segmented else _folds()
    words, word_offsets = word_hashes(folds, NO_ROWS, data, offsets)
    hashes, bounds = _shingle_hashes(words, word_offsets, shingle_words)
    for start, end in pairwise(bounds.tolist()):
        hashes[start:end].sort()
    return Shingles(*_distinct(hashes, bounds))


def with_shingles_of(found: Shingles, mine: npt.NDArray[np.bool_], others: Shingles) -> Shingles:
    """Return shingles of texts where those marked in ``mine`` have the next of ``others`` each."""
    sizes = np.diff(found.offsets)
    sizes[mine] = np.diff(others.offsets)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    hashes = np.empty(offsets[-1], np.uint64)
    is_mine = np.repeat(mine, sizes)
    hashes[is_mine] = others.hashes
    hashes[~is_mine] = found.hashes[np.repeat(~mine, np.diff(found.offsets))]
    return Shingles(hashes, offsets)


@cache
def _folds() -> npt.NDArray[np.uint32]:
    """Return the table for :func:`word_hashes`, made once a process.

    Combining accents are passed over; letters, digits and other marks are compared in lower case
    and without accents; in scripts without spaces every character is a word.
    """
    folds = np.zeros(0x110000, np.uint32)
    for point in range(0x110000):
        c = chr(point)
        if 0x300 <= point < 0x370:
            folds[point] = PASSED_OVER
        elif c.isalnum() or unicodedata.category(c)[0] == "M":
            folds[point] = _folded(c)
            if is_word_alone(point):
                folds[point] |= ALONE
    return folds


@cache
def _folds_of_words() -> npt.NDArray[np.uint32]:
    """Return the same table where no character is a word by itself."""
    return _folds() & ~ALONE


def _folded(c: str) -> int:
    lower = c.casefold() if len(c.casefold()) == 1 else c.lower()
    bare = [m for m in unicodedata.normalize("NFD", lower) if not 0x300 <= ord(m) < 0x370]
    return ord(bare[0] if len(bare) == 1 else lower[0])


def is_word_alone(point: int) -> bool:
    """Tell whether a code point is of a script without spaces, where every character is a word."""
    return (
        0x0E00 <= point < 0x0F00  # Thai, Lao
        or 0x1000 <= point < 0x10A0  # Myanmar
        or 0x1780 <= point < 0x1800  # Khmer
        or 0x3040 <= point < 0x3100  # Hiragana, Katakana
        or 0x3400 <= point < 0xA000  # Chinese characters
        or 0xF900 <= point < 0xFB00
        or 0x20000 <= point < 0x32400
    )


@njit(cache=True, nogil=True)
def word_hashes(folds, several, data, offsets):  # type: ignore[no-untyped-def]
    """Return the hashes of the words of all texts, and where the words of each text begin and end.

    ``folds`` says of every code point what it is to a word: 0 where it separates words,
    ``PASSED_OVER`` where it is left out, else the code point that it is compared as, with ``ALONE``
    added where it is a word by itself, or ``SEVERAL`` and the number of a row of ``several``, which
    has the code points and then zeros.
    """
    n_texts = offsets.size - 1
    bound = 0
    for t in range(n_texts):
        bound += (offsets[t + 1] - offsets[t] + 1) // 2
    words = np.empty(bound, np.uint64)
    word_offsets = np.zeros(n_texts + 1, np.int64)
    at = 0
    for t in range(n_texts):
        i = offsets[t]
        state = np.uint64(0)
        in_word = False
        while i < offsets[t + 1]:
            point = np.int64(data[i])
            i += 1
            if point >= 0x80:
                n_more = 1 if point < 0xE0 else (2 if point < 0xF0 else 3)
                point &= 0x3F >> n_more
                for k in range(n_more):
                    point = point << 6 | (np.int64(data[i + k]) & 0x3F)
                i += n_more
            fold = folds[point]
            if fold == PASSED_OVER:
                continue
            if in_word and (fold == 0 or fold & ALONE):
                words[at] = mix(state)
                at += 1
                state = np.uint64(0)
                in_word = False
            if fold >= SEVERAL:
                if fold & ALONE:
                    words[at] = mix(np.uint64(fold) * BASE)
                    at += 1
                    continue
                for part in several[fold & ~SEVERAL]:
                    if part:
                        state = (state ^ np.uint64(part)) * BASE
                        state ^= state >> np.uint64(32)
                in_word = True
            elif fold:
                state = (state ^ np.uint64(fold)) * BASE
                state ^= state >> np.uint64(32)
                in_word = True
        if in_word:
            words[at] = mix(state)
            at += 1
        word_offsets[t + 1] = at
    return words[:at], word_offsets


@njit(cache=True, nogil=True)
def _shingle_hashes(words, word_offsets, shingle_words):  # type: ignore[no-untyped-def]
    n_texts = word_offsets.size - 1
    offsets = np.zeros(n_texts + 1, np.int64)
    for t in range(n_texts):
        n = word_offsets[t + 1] - word_offsets[t]
        offsets[t + 1] = offsets[t] + (max(n - shingle_words + 1, 1) if n else 0)
    hashes = np.empty(offsets[-1], np.uint64)
    for t in range(n_texts):
        first = word_offsets[t]
        length = min(shingle_words, word_offsets[t + 1] - first)
        for i in range(offsets[t + 1] - offsets[t]):
            value = np.uint64(length)
            for k in range(length):
                value = value * BASE + words[first + i + k]
            hashes[offsets[t] + i] = mix(value)
    return hashes, offsets


@njit(cache=True, nogil=True)
def _distinct(hashes, bounds):  # type: ignore[no-untyped-def]
    """Drop repeats from the ascending hashes of each document, in place."""
    offsets = np.zeros(bounds.size, np.int64)
    at = 0
    for t in range(bounds.size - 1):
        for i in range(bounds[t], bounds[t + 1]):
            if i == bounds[t] or hashes[i] != hashes[at - 1]:
                hashes[at] = hashes[i]
                at += 1
        offsets[t + 1] = at
    return hashes[:at].copy(), offsets
