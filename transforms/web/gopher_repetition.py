"""Gopher's repetition rules: pages of which too much is said more than once.

The rules are those of arXiv 2112.11446, appendix A.1.1 and table A1. What the paper leaves open is
decided here as in datatrove's published filter where the project's own conventions do not differ:

- A *line* is what ``"\\n"`` alone separates, without the white space at its ends; lines of white
  space alone are none. A *paragraph* is a run of lines between such blank ones. A *word* is what
  white space separates, and is compared as it is written.
- A *duplicate* line or paragraph is one that stood before in the document: the first does not
  count. Its characters are held against those of the whole text, white space included, as are all
  the following.
- The *top n-gram* is the most frequent one, of several the first. Its characters, with one space
  between words, count as often as it stands. An n-gram that stands once repeats nothing.
- *Duplicate n-grams* are found from the beginning on: words that stand in an n-gram which stood
  before count, without the spaces between them, and the search goes on behind them. So no character
  counts twice. The n-grams that begin within such words are not remembered.

Lines and n-grams are compared by hashes of 64 bits. A longer n-gram can be repeated only where the
shorter one that it begins with is, so every length looks at those places alone that the one before
it left: time and memory grow with the number of words, up to 70 bytes a word of the longest
document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from transforms.documents import checked_by, drop, text_buffers
from transforms.kernels.characters import decode, white_space
from transforms.kernels.codepoints import stripped
from transforms.kernels.hashing import BASE, load_u64, mix, xxh64
from transforms.kernels.lines import line_end


class UnitMeasures(NamedTuple):
    """What is counted of the lines, or the paragraphs, of each text."""

    all: npt.NDArray[np.int64]
    duplicates: npt.NDArray[np.int64]
    duplicate_chars: npt.NDArray[np.int64]


class RepetitionMeasures(NamedTuple):
    """What is counted of each text."""

    lines: UnitMeasures
    paragraphs: UnitMeasures
    top_n_gram_chars: dict[int, npt.NDArray[np.int64]]  # by the number of words, n
    duplicate_n_gram_chars: dict[int, npt.NDArray[np.int64]]


def check_gopher_repetition(
    *,
    max_top_n_gram_char_fraction: Mapping[int, float],
    max_duplicate_n_gram_char_fraction: Mapping[int, float],
    **_: object,
) -> None:
    """Raise ValueError for n-grams of no words."""
    for n in [*max_top_n_gram_char_fraction, *max_duplicate_n_gram_char_fraction]:
        if n < 1:
            raise ValueError(f"an n-gram has at least 1 word, found a limit for {n}")


@checked_by(check_gopher_repetition)
def filter_gopher_repetition(
    batch: pa.RecordBatch,
    *,
    max_duplicate_line_fraction: float,
    max_duplicate_line_char_fraction: float,
    max_duplicate_paragraph_fraction: float,
    max_duplicate_paragraph_char_fraction: float,
    max_top_n_gram_char_fraction: Mapping[int, float],
    max_duplicate_n_gram_char_fraction: Mapping[int, float],
) -> pa.RecordBatch:
    """Drop documents that break one of Gopher's repetition rules, each for the first in this order.

    ``gopher_duplicate_lines``, ``gopher_duplicate_line_chars``, ``gopher_duplicate_paragraphs``,
    ``gopher_duplicate_paragraph_chars``: more than the given fraction of the lines or paragraphs
    are duplicates, or of the text's characters stand in them.
    ``gopher_top_2_gram`` and so on, for every number of words in ``max_top_n_gram_char_fraction``,
    ascending: the characters of the most frequent n-gram are more than that fraction.
    ``gopher_duplicate_5_grams`` and so on, for every number of words in
    ``max_duplicate_n_gram_char_fraction``, ascending: the characters in duplicate n-grams are.
    """
    tops = sorted(max_top_n_gram_char_fraction)
    duplicates = sorted(max_duplicate_n_gram_char_fraction)
    counts = measure_repetition(batch["text"], top_n_grams=tops, duplicate_n_grams=duplicates)
    chars = np.maximum(pc.utf8_length(batch["text"]).to_numpy().astype(np.int64), 1)
    for name, units, limit, char_limit in (
        ("line", counts.lines, max_duplicate_line_fraction, max_duplicate_line_char_fraction),
        (
            "paragraph",
            counts.paragraphs,
            max_duplicate_paragraph_fraction,
            max_duplicate_paragraph_char_fraction,
        ),
    ):
        fraction = units.duplicates / np.maximum(units.all, 1)
        batch = drop(batch, fraction > limit, f"gopher_duplicate_{name}s")
        fraction = units.duplicate_chars / chars
        batch = drop(batch, fraction > char_limit, f"gopher_duplicate_{name}_chars")
    for n in tops:
        fraction = counts.top_n_gram_chars[n] / chars
        batch = drop(batch, fraction > max_top_n_gram_char_fraction[n], f"gopher_top_{n}_gram")
    for n in duplicates:
        fraction = counts.duplicate_n_gram_chars[n] / chars
        limit = max_duplicate_n_gram_char_fraction[n]
        batch = drop(batch, fraction > limit, f"gopher_duplicate_{n}_grams")
    return batch


def measure_repetition(
    texts: pa.StringArray, *, top_n_grams: list[int], duplicate_n_grams: list[int]
) -> RepetitionMeasures:
    """Count what the rules ask for in every text (see the module's description).

    ``top_n_grams`` and ``duplicate_n_grams`` are the numbers of words that each kind is counted
    for.
    """
    data, offsets = text_buffers(texts)
    sizes = sorted({*top_n_grams, *duplicate_n_grams})
    rows, tops, duplicates = _measure(white_space(), data, offsets, np.array(sizes, np.int64))
    lines, paragraphs = rows[:, :3].T, rows[:, 3:].T
    return RepetitionMeasures(
        UnitMeasures(*lines),
        UnitMeasures(*paragraphs),
        {n: tops[:, sizes.index(n)] for n in top_n_grams},
        {n: duplicates[:, sizes.index(n)] for n in duplicate_n_grams},
    )


@njit(cache=True, nogil=True)
def _word_hash(data, start, end):  # type: ignore[no-untyped-def]
    """Hash a word. Words are short: most take one load of eight bytes and no loop."""
    state = np.uint64(end - start) * BASE
    i = start
    while i + 8 <= end:
        state = mix((state + load_u64(data, i)) * BASE)
        i += 8
    if i < end:
        tail = np.uint64(0)
        if i + 8 <= data.size:
            tail = load_u64(data, i) & ((np.uint64(1) << np.uint64(8 * (end - i))) - np.uint64(1))
        else:
            for k in range(end - i):
                tail |= np.uint64(data[i + k]) << np.uint64(8 * k)
        state = mix((state + tail) * BASE)
    return state


@njit(cache=True, nogil=True)
def _find_words(spaces, data, start, end, hashes, ends, n_words):  # type: ignore[no-untyped-def]
    """Hash the words of ``data[start:end]``, behind the ``n_words`` that are there.

    ``ends[w]`` becomes the characters of the words before word ``w``. Returns the number of words.
    """
    i = start
    word = start
    chars = ends[n_words]
    while i < end:
        byte = data[i]
        length = 1
        is_space = byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F
        # Of longer characters, white space begins with one of these bytes.
        if byte == 0xC2 or byte == 0xE1 or byte == 0xE2 or byte == 0xE3:
            point, length = decode(data, i)
            is_space = point < spaces.size and spaces[point]
        if is_space:
            if word < i:
                hashes[n_words] = _word_hash(data, word, i)
                n_words += 1
                ends[n_words] = chars
            word = i + length
        else:
            chars += byte & 0xC0 != 0x80
        i += length
    if word < end:
        hashes[n_words] = _word_hash(data, word, end)
        n_words += 1
        ends[n_words] = chars
    return n_words


@njit(cache=True, nogil=True)
def _chars(data, start, end):  # type: ignore[no-untyped-def]
    chars = 0
    for i in range(start, end):
        chars += data[i] & 0xC0 != 0x80
    return chars


@njit(cache=True, nogil=True)
def _find_first(hashes, n, table, first):  # type: ignore[no-untyped-def]
    """Set ``first[i]``, for ``i`` under ``n``, to the least ``j`` with the hash of ``i``.

    ``table`` has room for 16 numbers, and for ``4 * n``.
    """
    bits = 4
    while (1 << bits) < 2 * n:
        bits += 1
    mask = (1 << bits) - 1
    table[: mask + 1] = -1
    for i in range(n):
        slot = np.int64((hashes[i] * BASE) >> np.uint64(64 - bits))
        while table[slot] >= 0 and hashes[table[slot]] != hashes[i]:
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = i
        first[i] = table[slot]


@njit(cache=True, nogil=True)
def _count_duplicates(hashes, chars, n, table, first):  # type: ignore[no-untyped-def]
    """Return how many of ``n`` units stood before, and their characters."""
    _find_first(hashes, n, table, first)
    duplicates = duplicate_chars = 0
    for i in range(n):
        if first[i] < i:
            duplicates += 1
            duplicate_chars += chars[i]
    return duplicates, duplicate_chars


@njit(cache=True, nogil=True)
def _count_n_grams(  # type: ignore[no-untyped-def]
    words, ends, n_words, sizes, table, first, grams, places, counts, tops, duplicates
):
    """Set, for each number of words in ``sizes``, the characters of the top and the duplicate ones.

    ``grams[i]`` is the hash of the words from ``places[i]`` on, for the places that are left.
    """
    n_places = n_words
    grams[:n_words] = 0
    places[:n_words] = np.arange(n_words)
    before = 0
    for k in range(sizes.size):
        n = sizes[k]
        left = 0
        for i in range(n_places):
            place = places[i]
            if place + n <= n_words:
                gram = grams[i]
                for w in range(place + before, place + n):
                    gram = (gram + words[w]) * BASE
                    gram ^= gram >> np.uint64(32)
                grams[left] = gram
                places[left] = place
                left += 1
        n_places = left
        _find_first(grams, n_places, table, first)
        counts[:n_places] = 0
        top = 0
        for i in range(n_places):
            counts[first[i]] += 1
            more = counts[first[i]] - counts[top]
            if more > 0 or (more == 0 and first[i] < top):
                top = first[i]
        if n_places and counts[top] > 1:
            chars = ends[places[top] + n] - ends[places[top]] + n - 1
            tops[k] = chars * counts[top]
        duplicates[k] = _count_duplicate_grams(ends, n, n_places, places, first, counts)
        left = 0
        for i in range(n_places):
            if abs(counts[first[i]]) > 1:
                grams[left] = grams[i]
                places[left] = places[i]
                left += 1
        n_places = left
        before = n


@njit(cache=True, nogil=True)
def _count_duplicate_grams(ends, n, n_places, places, first, counts):  # type: ignore[no-untyped-def]
    """Return the characters of words in n-grams that stood before.

    The counts of the n-grams that were come upon are left negative.
    """
    chars = 0
    resume = 0
    for i in range(n_places):
        place = places[i]
        if place < resume:
            continue
        if counts[first[i]] < 0:
            chars += ends[place + n] - ends[place]
            resume = place + n
        else:
            counts[first[i]] = -counts[first[i]]
    return chars


@njit(cache=True, nogil=True)
def _find_units(  # type: ignore[no-untyped-def]
    spaces, data, start, end, words, ends, lines, line_chars, paragraphs, paragraph_chars
):
    """Hash the words, lines and paragraphs of ``data[start:end]``; return how many there are."""
    n_words = n_lines = n_paragraphs = 0
    ends[0] = 0
    in_paragraph = False
    line = start
    while line <= end:
        next_line = line_end(data, line, end) + 1
        first, last = stripped(spaces, data, line, next_line - 1)
        line = next_line
        if first == last:
            in_paragraph = False
            continue
        n_words = _find_words(spaces, data, first, last, words, ends, n_words)
        lines[n_lines] = xxh64(data, first, last)
        line_chars[n_lines] = _chars(data, first, last)
        if in_paragraph:
            paragraphs[n_paragraphs - 1] = mix(paragraphs[n_paragraphs - 1] * BASE + lines[n_lines])
            paragraph_chars[n_paragraphs - 1] += 1 + line_chars[n_lines]  # and the newline
        else:
            paragraphs[n_paragraphs] = lines[n_lines]
            paragraph_chars[n_paragraphs] = line_chars[n_lines]
            n_paragraphs += 1
            in_paragraph = True
        n_lines += 1
    return n_words, n_lines, n_paragraphs


@njit(cache=True, nogil=True)
def _measure(spaces, data, offsets, sizes):  # type: ignore[no-untyped-def]
    """Return what is counted of units, of top and of duplicate n-grams, one row a text."""
    n_texts = offsets.size - 1
    rows = np.zeros((n_texts, 6), np.int64)
    tops = np.zeros((n_texts, sizes.size), np.int64)
    duplicates = np.zeros((n_texts, sizes.size), np.int64)
    longest = 0
    for t in range(n_texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    # Every word, line and paragraph takes two bytes or more. What is not written takes no memory.
    most = (longest + 1) // 2
    words, ends = np.empty(most, np.uint64), np.empty(most + 1, np.int32)
    lines, line_chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    paragraphs, paragraph_chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    grams, places = np.empty(most, np.uint64), np.empty(most, np.int32)
    first, counts = np.empty(most, np.int32), np.empty(most, np.int32)
    table = np.empty(max(4 * most, 16), np.int32)
    for t in range(n_texts):
        n_words, n_lines, n_paragraphs = _find_units(
            spaces, data, offsets[t], offsets[t + 1],
            words, ends, lines, line_chars, paragraphs, paragraph_chars,
        )  # fmt: skip
        rows[t, 0] = n_lines
        rows[t, 1], rows[t, 2] = _count_duplicates(lines, line_chars, n_lines, table, first)
        rows[t, 3] = n_paragraphs
        rows[t, 4], rows[t, 5] = _count_duplicates(
            paragraphs, paragraph_chars, n_paragraphs, table, first
        )
        _count_n_grams(
            words, ends, n_words, sizes,
            table, first, grams, places, counts, tops[t], duplicates[t],
        )  # fmt: skip
    return rows, tops, duplicates
