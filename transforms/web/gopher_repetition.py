"""Gopher's repetition rules, which drop pages that repeat too much of their text.

The rules are those of arXiv 2112.11446, appendix A.1.1 and table A1. The paper leaves some details
open. They are decided as in datatrove's published filter, unless this project has a convention of
its own:

- Only ``"\\n"`` separates *lines*. Lines are stripped, and lines of white space alone do not count.
  A *paragraph* is a run of lines between such blank lines. White space separates *words*, or
  punctuation makes words of its own, as the parameter ``words`` says
  (:mod:`transforms.kernels.words`). They are compared as they are written.
- A *duplicate* line or paragraph equals an earlier one of the document. The first one is not a
  duplicate. All fractions of characters are fractions of the whole text, white space included.
- The *top n-gram* is the most frequent n-gram, and the first of them if there are several. Its
  characters, with one space between words, count once for each occurrence. An n-gram that occurs
  once does not count.
- *Duplicate n-grams* are searched from the beginning of the text. If an n-gram occurred before, the
  characters of its words count, without the spaces between them, and the search continues after the
  n-gram. So no character counts twice. The n-grams that begin within such words are not remembered.

Lines and n-grams are compared by 64-bit hashes. A longer n-gram can be repeated only where the
shorter one at its beginning is, so each length looks only at the places that the previous one left.
Time and memory grow with the number of words. Memory is up to 70 bytes a word of the longest text.
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
from transforms.kernels.characters import character_at, decode, white_space
from transforms.kernels.codepoints import stripped
from transforms.kernels.hashing import BASE, load_u64, mix, xxh64
from transforms.kernels.lines import line_end
from transforms.kernels.words import Words, chunk_core, chunk_end, next_word, word_tables
from transforms.segmentation import SEGMENTERS, check_words, segmented


class UnitMeasures(NamedTuple):
    """Counts of the lines, or of the paragraphs, of each text."""

    all: npt.NDArray[np.int64]
    duplicates: npt.NDArray[np.int64]
    duplicate_chars: npt.NDArray[np.int64]


class RepetitionMeasures(NamedTuple):
    """Counts for each text. The n-grams are given by their number of words."""

    lines: UnitMeasures
    paragraphs: UnitMeasures
    top_n_gram_chars: dict[int, npt.NDArray[np.int64]]
    duplicate_n_gram_chars: dict[int, npt.NDArray[np.int64]]


def check_gopher_repetition(
    *, max_top_n_gram_char_fraction: Mapping[int, float],
    max_duplicate_n_gram_char_fraction: Mapping[int, float], words: str = "white_space", **_: object
) -> None:  # fmt: skip
    """Raise ValueError for n-grams of less than one word, or for ``words``."""
    check_words(words)
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
    words: Words = "white_space",
) -> pa.RecordBatch:
    """Drop documents by Gopher's repetition rules, each for the first rule that it breaks.

    ``gopher_duplicate_lines``, ``gopher_duplicate_paragraphs``: more than the given fraction of the
    lines or paragraphs are duplicates.
    ``gopher_duplicate_line_chars``, ``gopher_duplicate_paragraph_chars``: more than the given
    fraction of the text's characters stand in duplicate lines or paragraphs.
    ``gopher_top_2_gram`` and so on, for every number of words in ``max_top_n_gram_char_fraction``,
    ascending: more than that fraction of the characters belong to the most frequent n-gram.
    ``gopher_duplicate_5_grams`` and so on, for every number of words in
    ``max_duplicate_n_gram_char_fraction``, ascending: more than that fraction of the characters
    belong to duplicate n-grams.
    """
    tops = sorted(max_top_n_gram_char_fraction)
    duplicates = sorted(max_duplicate_n_gram_char_fraction)
    counts = measure_repetition(
        batch["text"], top_n_grams=tops, duplicate_n_grams=duplicates, words=words
    )
    chars = np.maximum(pc.utf8_length(batch["text"]).to_numpy().astype(np.int64), 1)
    limits_of_lines = max_duplicate_line_fraction, max_duplicate_line_char_fraction
    limits_of_paragraphs = max_duplicate_paragraph_fraction, max_duplicate_paragraph_char_fraction
    for name, units, (limit, char_limit) in (
        ("line", counts.lines, limits_of_lines),
        ("paragraph", counts.paragraphs, limits_of_paragraphs),
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
    texts: pa.StringArray, *, top_n_grams: list[int], duplicate_n_grams: list[int],
    words: Words = "white_space",
) -> RepetitionMeasures:  # fmt: skip
    """Count the repetitions in every text, as the module's description defines them.

    ``top_n_grams`` and ``duplicate_n_grams`` list the sizes, in words, of the n-grams to count.
    """
    sizes = sorted({*top_n_grams, *duplicate_n_grams})
    tables, of_n_grams = (white_space(), *word_tables(words)), np.array(sizes, np.int64)
    of_lines = of_n_grams[:0] if words in SEGMENTERS else of_n_grams  # lines need no segmenter
    rows, tops, duplicates = _measure(*tables, *text_buffers(texts), of_lines)
    if words in SEGMENTERS:
        _, tops, duplicates = _measure(*tables, *text_buffers(segmented(texts, words)), of_n_grams)
    return RepetitionMeasures(
        UnitMeasures(*rows[:, :3].T),
        UnitMeasures(*rows[:, 3:].T),
        {n: tops[:, sizes.index(n)] for n in top_n_grams},
        {n: duplicates[:, sizes.index(n)] for n in duplicate_n_grams},
    )


@njit(cache=True, nogil=True)
def _word_hash(data, start, end):  # type: ignore[no-untyped-def]
    """Hash a word. Most words are short, and take one load of eight bytes and no loop."""
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
    """Append the hashes of the words of ``data[start:end]`` to the first ``n_words`` of ``hashes``.

    ``ends[w]`` becomes the number of characters of all words before word ``w``. Returns the new
    number of words.
    """
    i = start
    word = start
    chars = ends[n_words]
    while i < end:
        byte = data[i]
        length = 1
        is_space = byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F
        # White space outside of ASCII begins with one of these bytes.
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
def _find_words_apart(  # type: ignore[no-untyped-def]
    spaces, marks, known_units, data, start, end, hashes, ends, n_words
):
    """Do as :func:`_find_words`, with punctuation as words of its own."""
    i = start
    chars = ends[n_words]
    while i < end:
        chunk = chunk_end(spaces, data, i, end)
        first, last, is_address = chunk_core(marks, known_units, data, i, chunk)
        while i < chunk:
            stop = next_word(marks, data, i, first, last, is_address, chunk)
            hashes[n_words] = _word_hash(data, i, stop)
            n_words += 1
            chars += _chars(data, i, stop)
            ends[n_words] = chars
            i = stop
        if i < end:
            i += character_at(data, i)[1]
    return n_words


@njit(cache=True, nogil=True)
def _chars(data, start, end):  # type: ignore[no-untyped-def]
    chars = 0
    for i in range(start, end):
        chars += data[i] & 0xC0 != 0x80
    return chars


@njit(cache=True, nogil=True)
def _find_first(hashes, n, table, first):  # type: ignore[no-untyped-def]
    """Set ``first[i]``, for each of ``n`` hashes, to the lowest index with an equal hash.

    ``table`` must have room for ``4 * n`` numbers, and for 16.
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
    """Return how many of ``n`` units equal an earlier one, and how many characters these have."""
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
    """Count the characters of the top n-gram and of duplicate n-grams, for each size in ``sizes``.

    The counts are written to ``tops`` and ``duplicates``. ``grams[i]`` is the hash of the n-gram
    that begins at word ``places[i]``. Only places whose shorter n-gram is repeated are looked at.
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
    """Return the number of characters in n-grams that equal an earlier one.

    The counts of the n-grams that were visited become negative.
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
    spaces, apart, marks, known_units, data, start, end,
    words, ends, lines, line_chars, paragraphs, paragraph_chars,
):  # fmt: skip
    """Hash the words, lines and paragraphs of ``data[start:end]``; return the number of each."""
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
        if apart:
            n_words = _find_words_apart(
                spaces, marks, known_units, data, first, last, words, ends, n_words
            )
        else:
            n_words = _find_words(spaces, data, first, last, words, ends, n_words)
        lines[n_lines] = xxh64(data, first, last)
        line_chars[n_lines] = _chars(data, first, last)
        if in_paragraph:
            paragraphs[n_paragraphs - 1] = mix(paragraphs[n_paragraphs - 1] * BASE + lines[n_lines])
            paragraph_chars[n_paragraphs - 1] += 1 + line_chars[n_lines]  # 1 for the newline
        else:
            paragraphs[n_paragraphs] = lines[n_lines]
            paragraph_chars[n_paragraphs] = line_chars[n_lines]
            n_paragraphs += 1
            in_paragraph = True
        n_lines += 1
    return n_words, n_lines, n_paragraphs


@njit(cache=True, nogil=True)
def _measure(spaces, apart, marks, known_units, data, offsets, sizes):  # type: ignore[no-untyped-def]
    """Return the counts of units, of top n-grams and of duplicate n-grams, one row a text."""
    n_texts = offsets.size - 1
    rows = np.zeros((n_texts, 6), np.int64)
    tops = np.zeros((n_texts, sizes.size), np.int64)
    duplicates = np.zeros((n_texts, sizes.size), np.int64)
    longest = 0
    for t in range(n_texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    # Every word, line and paragraph takes two bytes or more, with the separator; a byte where
    # punctuation is apart. The parts of these arrays that are never written to take no memory.
    most = longest if apart else (longest + 1) // 2
    words, ends = np.empty(most, np.uint64), np.empty(most + 1, np.int32)
    lines, line_chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    paragraphs, paragraph_chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    grams, places = np.empty(most, np.uint64), np.empty(most, np.int32)
    first, counts = np.empty(most, np.int32), np.empty(most, np.int32)
    table = np.empty(max(4 * most, 16), np.int32)
    for t in range(n_texts):
        n_words, n_lines, n_paragraphs = _find_units(
            spaces, apart, marks, known_units, data, offsets[t], offsets[t + 1],
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
