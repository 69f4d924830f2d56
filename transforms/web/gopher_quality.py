"""Gopher's quality rules, which drop pages that do not look like prose.

The rules go by counts of words, lines and symbols (arXiv 2112.11446, appendix A.1.1). The paper
leaves some details open. They are decided as in datatrove's published filter, unless this project
has a convention of its own:

- White space separates *words* (``str.split``), and a word includes its punctuation; or punctuation
  makes words of its own, as the parameter ``words`` says (:mod:`transforms.kernels.words`), also in
  languages without white space between words (:mod:`transforms.segmentation`). Then
  words of punctuation alone are left out of the number of words and of the mean length, and
  included where a fraction of the words is asked for. Lengths are counted in characters.
- Only ``"\\n"`` separates *lines*. Lines of white space alone do not count.
- *Symbols* are ``#`` and the ellipsis. An ellipsis is ``…``, or three full stops in a row. The
  limit holds for each of the two separately.
- A *bullet* is one of :data:`BULLETS`. White space may stand before it.
- A *stop word* is recognised in any case and with punctuation at its edges ("That," is *that*). It
  counts once, however often it occurs: the rule asks for a number of different stop words.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import checked_by, drop, text_buffers
from transforms.kernels.characters import (
    LETTER,
    PUNCTUATION,
    SPACE,
    character_at,
    character_classes,
    lower_case,
    white_space,
)
from transforms.kernels.codepoints import stripped
from transforms.kernels.hashing import BASE, mix
from transforms.kernels.lines import line_end
from transforms.kernels.words import Words, chunk_core, chunk_end, next_word, word_tables
from transforms.segmentation import check_words, divided

BULLETS = "•‣▶►◀◦■□▪▫●○–-*"
"""Characters that mark an item of a list: RedPajama's, datatrove's hyphen, and the asterisk."""

_FULL_STOP, _NUMBER_SIGN, _ELLIPSIS = ord("."), ord("#"), ord("…")


class QualityMeasures(NamedTuple):
    """Counts for each text."""

    words: npt.NDArray[np.int64]
    counted_words: npt.NDArray[np.int64]  # without those of punctuation alone, where it is apart
    word_chars: npt.NDArray[np.int64]  # characters of all counted words together
    number_signs: npt.NDArray[np.int64]
    ellipses: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    bullet_lines: npt.NDArray[np.int64]  # lines that begin with a bullet
    ellipsis_lines: npt.NDArray[np.int64]  # lines that end with an ellipsis
    alphabetic_words: npt.NDArray[np.int64]  # words that hold a letter
    stop_words: npt.NDArray[np.int64]  # different stop words, counted up to min_stop_words


def check_gopher_quality(
    *, min_stop_words: int, stop_words: list[str], words: str = "white_space", **_: object
) -> None:
    """Raise ValueError where more stop words are asked for than the list has, or for ``words``."""
    check_words(words)
    if min_stop_words > len(set(stop_words)):
        raise ValueError(
            f"min_stop_words: {min_stop_words} is more than there are stop_words, "
            f"{len(set(stop_words))}"
        )


@checked_by(check_gopher_quality)
def filter_gopher_quality(
    batch: pa.RecordBatch,
    *,
    min_words: int,
    max_words: int,
    min_mean_word_chars: float,
    max_mean_word_chars: float,
    max_symbols_per_word: float,
    max_bullet_line_fraction: float,
    max_ellipsis_line_fraction: float,
    min_alphabetic_word_fraction: float,
    min_stop_words: int,
    stop_words: list[str],
    words: Words = "white_space",
) -> pa.RecordBatch:
    """Drop documents by Gopher's quality rules, each for the first rule that it breaks.

    ``gopher_words``: fewer than ``min_words`` or more than ``max_words`` words.
    ``gopher_mean_word_length``: a mean word length, in characters, under ``min_mean_word_chars`` or
    over ``max_mean_word_chars``.
    ``gopher_symbols``: over ``max_symbols_per_word`` number signs, or ellipses, a word.
    ``gopher_bullets``: over ``max_bullet_line_fraction`` of the lines begin with a bullet.
    ``gopher_ellipsis_lines``: over ``max_ellipsis_line_fraction`` of the lines end with an
    ellipsis.
    ``gopher_alphabetic_words``: under ``min_alphabetic_word_fraction`` of the words hold a letter.
    ``gopher_stop_words``: fewer than ``min_stop_words`` different words of ``stop_words``. Use 0
    for languages whose stop words are not listed.
    """
    counts = measure_quality(
        batch["text"], stop_words=stop_words, min_stop_words=min_stop_words, words=words
    )
    n_words, lines = np.maximum(counts.words, 1), np.maximum(counts.lines, 1)
    mean_chars = counts.word_chars / np.maximum(counts.counted_words, 1)
    symbols = np.maximum(counts.number_signs, counts.ellipses) / n_words
    broken = {
        "gopher_words": (counts.counted_words < min_words) | (counts.counted_words > max_words),
        "gopher_mean_word_length": (mean_chars < min_mean_word_chars)
        | (mean_chars > max_mean_word_chars),
        "gopher_symbols": symbols > max_symbols_per_word,
        "gopher_bullets": counts.bullet_lines / lines > max_bullet_line_fraction,
        "gopher_ellipsis_lines": counts.ellipsis_lines / lines > max_ellipsis_line_fraction,
        "gopher_alphabetic_words": counts.alphabetic_words / n_words < min_alphabetic_word_fraction,
        "gopher_stop_words": counts.stop_words < min_stop_words,
    }
    for reason, mask in broken.items():
        batch = drop(batch, mask, reason)
    return batch


def measure_quality(
    texts: pa.StringArray, *, stop_words: list[str], min_stop_words: int,
    words: Words = "white_space",
) -> QualityMeasures:  # fmt: skip
    """Count words, lines and symbols of every text, as the module's description defines them."""
    data, offsets = text_buffers(divided(texts, words))
    hashes, longest = _stop_word_hashes(tuple(stop_words))
    tables = character_classes(), white_space(), lower_case(), _bullets()
    rows = _measure(*tables, *word_tables(words), hashes, longest, min_stop_words, data, offsets)
    return QualityMeasures(*rows.T)


@cache
def _bullets() -> npt.NDArray[np.uint32]:
    return np.array([ord(mark) for mark in BULLETS], np.uint32)


@cache
def _stop_word_hashes(stop_words: tuple[str, ...]) -> tuple[npt.NDArray[np.uint64], int]:
    """Return the hashes of the stop words, and an upper bound of their lengths in bytes."""
    encoded = [np.frombuffer(word.encode(), np.uint8) for word in stop_words]
    hashes = {_folded_hash(lower_case(), word, 0, len(word)) for word in encoded}
    # The two cases of a letter may have different numbers of bytes, but none has more than 4.
    longest = max((4 * len(word) for word in stop_words), default=0)
    return np.array(sorted(hashes), np.uint64), longest


@njit(cache=True, nogil=True)
def _folded_hash(lower, data, start, end):  # type: ignore[no-untyped-def]
    """Hash the lower case of the UTF-8 text ``data[start:end]``."""
    state = np.uint64(0)
    i = start
    while i < end:
        point, length = character_at(data, i)
        state = (state ^ np.uint64(lower[point])) * BASE
        state ^= state >> np.uint64(32)
        i += length
    return mix(state)


@njit(cache=True, nogil=True)
def _ends_with_ellipsis(data, start, end):  # type: ignore[no-untyped-def]
    if end - start < 3:
        return False
    first, second, third = data[end - 3], data[end - 2], data[end - 1]
    if first == second == third == _FULL_STOP:
        return True
    return first == 0xE2 and second == 0x80 and third == 0xA6


@njit(cache=True, nogil=True)
def _measure(  # type: ignore[no-untyped-def]
    classes, spaces, lower, bullets, apart, marks, known_units,
    stop_hashes, longest_stop, min_stop_words, data, offsets,
):  # fmt: skip
    """Return the columns of :class:`QualityMeasures`, one row a text."""
    n_texts = offsets.size - 1
    rows = np.zeros((n_texts, 10), np.int64)
    seen = np.zeros(stop_hashes.size, np.bool_)
    for t in range(n_texts):
        words = counted_words = word_chars = number_signs = ellipses = 0
        lines = bullet_lines = ellipsis_lines = alphabetic_words = stop_words = 0
        seen[:] = False
        line = offsets[t]
        while line <= offsets[t + 1]:
            next_line = line_end(data, line, offsets[t + 1]) + 1
            i, end = stripped(spaces, data, line, next_line - 1)
            line = next_line
            if i == end:
                continue
            lines += 1
            ellipsis_lines += _ends_with_ellipsis(data, i, end)
            first, _ = character_at(data, i)
            for mark in bullets:
                bullet_lines += mark == first
            chunk = core = i  # ends of the chunk, where punctuation is apart, and of its core
            before = i
            is_address = False
            while i < end:
                stop = end  # a word ends at white space, and there at the latest
                if apart:
                    if i == chunk:
                        chunk = chunk_end(spaces, data, i, end)
                        before, core, is_address = chunk_core(marks, known_units, data, i, chunk)
                    stop = next_word(marks, data, i, before, core, is_address, chunk)
                chars = full_stops = 0
                has_letter = False
                core_start = core_end = i  # the word without the punctuation at its edges
                while i < stop:
                    point, length = character_at(data, i)
                    kind = classes[point]
                    if kind & SPACE:
                        break
                    i += length
                    chars += 1
                    if not kind & PUNCTUATION:
                        if core_end == core_start:
                            core_start = i - length
                        core_end = i
                        has_letter |= kind & LETTER != 0
                        full_stops = 0
                    elif point == _FULL_STOP:
                        full_stops += 1
                        ellipses += full_stops % 3 == 0
                    else:
                        full_stops = 0
                        number_signs += point == _NUMBER_SIGN
                        ellipses += point == _ELLIPSIS
                words += 1
                if core_end > core_start or not apart:
                    counted_words += 1
                    word_chars += chars
                alphabetic_words += has_letter
                if stop_words < min_stop_words and 0 < core_end - core_start <= longest_stop:
                    value = _folded_hash(lower, data, core_start, core_end)
                    for k in range(stop_hashes.size):
                        if stop_hashes[k] == value and not seen[k]:
                            seen[k] = True
                            stop_words += 1
                if apart and i < chunk:
                    continue
                while i < end:
                    point, length = character_at(data, i)
                    if not classes[point] & SPACE:
                        break
                    i += length
                chunk = i
        rows[t] = (
            words,
            counted_words,
            word_chars,
            number_signs,
            ellipses,
            lines,
            bullet_lines,
            ellipsis_lines,
            alphabetic_words,
            stop_words,
        )
    return rows
