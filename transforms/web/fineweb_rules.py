"""FineWeb's own rules for web pages. They drop pages of lists, menus and repeated lines.

FineWeb (arXiv 2406.17557) found these four rules by comparing the statistics of good and bad dumps.
Lines and duplicates are defined as in its published pipeline (datatrove's
``FineWebQualityFilter``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import checked_by, drop, text_buffers
from transforms.kernels.characters import SPACE, character_at, character_classes, ends_with_any
from transforms.kernels.hashing import xxh64
from transforms.kernels.words import Words, count_words_apart
from transforms.segmentation import check_words, divided


class LineMeasures(NamedTuple):
    """Counts for each text. Lines of white space alone are not counted."""

    lines: npt.NDArray[np.int64]
    marked_lines: npt.NDArray[np.int64]  # lines that end in an end mark
    short_lines: npt.NDArray[np.int64]
    duplicate_chars: npt.NDArray[np.int64]  # characters in lines equal to an earlier one
    chars: npt.NDArray[np.int64]  # characters without newlines
    newlines: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]


def check_fineweb_rules(*, words: str = "white_space", **_: object) -> None:
    """Raise ValueError where ``words`` is unknown, or needs a library that is not installed."""
    check_words(words)


@checked_by(check_fineweb_rules)
def apply_fineweb_rules(
    batch: pa.RecordBatch,
    *,
    line_end_marks: list[str],
    min_marked_line_fraction: float | None,
    short_line_chars: int,
    max_short_line_fraction: float | None,
    max_duplicate_char_fraction: float | None,
    max_newlines_per_word: float | None,
    words: Words = "white_space",
) -> pa.RecordBatch:
    r"""Drop pages by FineWeb's rules, each page for the first rule that it breaks.

    Null switches a rule off. ``fineweb_no_line``: a page of white space.
    ``fineweb_few_end_marks``: at most ``min_marked_line_fraction`` of the lines end in one of
    ``line_end_marks``. ``fineweb_short_lines``: more than ``max_short_line_fraction`` of the lines
    have ``short_line_chars`` characters or fewer. ``fineweb_duplicate_lines``: more than
    ``max_duplicate_char_fraction`` of the characters stand in lines that repeat an earlier line of
    the page. ``fineweb_newlines``: more than ``max_newlines_per_word`` newlines a word. See
    :func:`measure_lines`.
    """
    counts = measure_lines(
        batch["text"],
        line_end_marks=line_end_marks,
        short_line_chars=short_line_chars,
        words=words,
    )
    lines = np.maximum(counts.lines, 1)
    batch = drop(batch, counts.lines == 0, "fineweb_no_line")
    if min_marked_line_fraction is not None:
        unmarked = counts.marked_lines / lines <= min_marked_line_fraction
        batch = drop(batch, unmarked, "fineweb_few_end_marks")
    if max_short_line_fraction is not None:
        short = counts.short_lines / lines > max_short_line_fraction
        batch = drop(batch, short, "fineweb_short_lines")
    if max_duplicate_char_fraction is not None:
        repeated = counts.duplicate_chars / np.maximum(counts.chars, 1)
        batch = drop(batch, repeated > max_duplicate_char_fraction, "fineweb_duplicate_lines")
    if max_newlines_per_word is not None:
        newlines = counts.newlines / np.maximum(counts.words, 1)
        batch = drop(batch, newlines > max_newlines_per_word, "fineweb_newlines")
    return batch


def measure_lines(
    texts: pa.StringArray, *, line_end_marks: list[str], short_line_chars: int,
    words: Words = "white_space",
) -> LineMeasures:  # fmt: skip
    r"""Count lines, characters and words of each text.

    Only ``\n`` divides lines. Lines are not stripped, and lines of white space alone do not count.
    Words are divided by white space, or punctuation makes words of its own, as ``words`` says
    (:mod:`transforms.kernels.words`). A line is a duplicate if it equals an earlier line of the
    text.
    """
    data, offsets = text_buffers(texts)
    marks = text_buffers(pa.array(line_end_marks, pa.string()))
    measured = LineMeasures(*_measure(character_classes(), *marks, short_line_chars, data, offsets))
    if words == "white_space":
        return measured
    return measured._replace(words=count_words_apart(divided(texts, words)))


@njit(cache=True, nogil=True)
def _measure(classes, marks, mark_offsets, short_chars, data, offsets):  # type: ignore[no-untyped-def]
    n_texts = offsets.size - 1
    lines, marked = np.zeros(n_texts, np.int64), np.zeros(n_texts, np.int64)
    short, duplicate = np.zeros(n_texts, np.int64), np.zeros(n_texts, np.int64)
    chars, words = np.zeros(n_texts, np.int64), np.zeros(n_texts, np.int64)
    newlines = np.zeros(n_texts, np.int64)
    for t in range(n_texts):
        for i in range(offsets[t], offsets[t + 1]):
            newlines[t] += data[i] == 10
    n_slots = 2
    while n_texts > 0 and n_slots <= 2 * newlines.max() + 2:
        n_slots *= 2
    keys = np.zeros(n_slots, np.uint64)
    texts = np.full(n_slots, -1, np.int64)  # which text a slot's key belongs to
    for t in range(n_texts):
        i = offsets[t]
        end = offsets[t + 1]
        while i < end:
            line_start = i
            line_chars = line_words = 0
            in_word = False
            while i < end and data[i] != 10:
                point, length = character_at(data, i)
                i += length
                line_chars += 1
                is_space = classes[point] & SPACE != 0
                line_words += not is_space and not in_word
                in_word = not is_space
            chars[t] += line_chars
            words[t] += line_words
            if line_words > 0:
                lines[t] += 1
                short[t] += line_chars <= short_chars
                marked[t] += ends_with_any(data, line_start, i, marks, mark_offsets)
                if _is_duplicate(keys, texts, t, xxh64(data, line_start, i)):
                    duplicate[t] += line_chars
            i += 1
    return lines, marked, short, duplicate, chars, newlines, words


@njit(cache=True, nogil=True)
def _is_duplicate(keys, texts, text, key):  # type: ignore[no-untyped-def]
    """Put a line's key into the hash table; tell whether the text had it already."""
    mask = np.uint64(keys.size - 1)
    slot = key & mask
    while texts[slot] == text:
        if keys[slot] == key:
            return True
        slot = (slot + np.uint64(1)) & mask
    texts[slot] = text
    keys[slot] = key
    return False
