"""Gopher's quality rules: pages that do not look like prose, by counts of words, lines and symbols.

The rules are those of arXiv 2112.11446, appendix A.1.1 (page numbers of its versions differ). What
the paper leaves open is decided here as in datatrove's published filter where the project's own
conventions do not differ:

- A *word* is what white space separates (``str.split``), punctuation and all, and its length is
  counted in characters.
- A *line* is what ``"\\n"`` alone separates; lines of white space alone are none.
- The symbols are ``#``, and the ellipsis: ``…``, or three full stops of a run of them. Each of the
  two has the limit by itself.
- A bullet is one of :data:`BULLETS`, behind white space or not.
- A stop word is recognised in any case and with punctuation at its edges ("That," is *that*), and
  counts once however often it stands: the rule asks for so many *different* ones.
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

BULLETS = "•‣▶►◀◦■□▪▫●○–-*"
"""What marks an item of a list: RedPajama's marks, the hyphen of datatrove, and the asterisk."""

_FULL_STOP, _NUMBER_SIGN, _ELLIPSIS = ord("."), ord("#"), ord("…")


class QualityMeasures(NamedTuple):
    """What is counted of each text."""

    words: npt.NDArray[np.int64]
    word_chars: npt.NDArray[np.int64]  # of all words together
    number_signs: npt.NDArray[np.int64]
    ellipses: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    bullet_lines: npt.NDArray[np.int64]  # that begin with a bullet
    ellipsis_lines: npt.NDArray[np.int64]  # that end with an ellipsis
    alphabetic_words: npt.NDArray[np.int64]  # that hold a letter
    stop_words: npt.NDArray[np.int64]  # different ones, counted up to the number asked for


def check_gopher_quality(*, min_stop_words: int, stop_words: list[str], **_: object) -> None:
    """Raise ValueError for a number of stop words that no document has."""
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
) -> pa.RecordBatch:
    """Drop documents that break one of Gopher's quality rules, each for the first in this order.

    ``gopher_words``: fewer than ``min_words`` or more than ``max_words``.
    ``gopher_mean_word_length``: under ``min_mean_word_chars`` or over ``max_mean_word_chars``.
    ``gopher_symbols``: over ``max_symbols_per_word`` number signs, or ellipses, a word.
    ``gopher_bullets``: over ``max_bullet_line_fraction`` of the lines begin with a bullet.
    ``gopher_ellipsis_lines``: over ``max_ellipsis_line_fraction`` of them end with an ellipsis.
    ``gopher_alphabetic_words``: under ``min_alphabetic_word_fraction`` of the words hold a letter.
    ``gopher_stop_words``: fewer than ``min_stop_words`` different ones of ``stop_words``; 0 for
    languages whose stop words are not given.
    """
    counts = measure_quality(batch["text"], stop_words=stop_words, min_stop_words=min_stop_words)
    words, lines = np.maximum(counts.words, 1), np.maximum(counts.lines, 1)
    mean_chars = counts.word_chars / words
    symbols = np.maximum(counts.number_signs, counts.ellipses) / words
    broken = {
        "gopher_words": (counts.words < min_words) | (counts.words > max_words),
        "gopher_mean_word_length": (mean_chars < min_mean_word_chars)
        | (mean_chars > max_mean_word_chars),
        "gopher_symbols": symbols > max_symbols_per_word,
        "gopher_bullets": counts.bullet_lines / lines > max_bullet_line_fraction,
        "gopher_ellipsis_lines": counts.ellipsis_lines / lines > max_ellipsis_line_fraction,
        "gopher_alphabetic_words": counts.alphabetic_words / words < min_alphabetic_word_fraction,
        "gopher_stop_words": counts.stop_words < min_stop_words,
    }
    for reason, mask in broken.items():
        batch = drop(batch, mask, reason)
    return batch


def measure_quality(
    texts: pa.StringArray, *, stop_words: list[str], min_stop_words: int
) -> QualityMeasures:
    """Count what the rules ask for in every text (see the module's description)."""
    data, offsets = text_buffers(texts)
    hashes, longest = _stop_word_hashes(tuple(stop_words))
    tables = character_classes(), white_space(), lower_case(), _bullets()
    return QualityMeasures(*_measure(*tables, hashes, longest, min_stop_words, data, offsets).T)


@cache
def _bullets() -> npt.NDArray[np.uint32]:
    return np.array([ord(mark) for mark in BULLETS], np.uint32)


@cache
def _stop_word_hashes(stop_words: tuple[str, ...]) -> tuple[npt.NDArray[np.uint64], int]:
    """Return the hashes of the stop words, and a length in bytes that none is longer than."""
    encoded = [np.frombuffer(word.encode(), np.uint8) for word in stop_words]
    hashes = {_folded_hash(lower_case(), word, 0, len(word)) for word in encoded}
    # A capital and its small letter may differ in length, by less than a character of 4 bytes.
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
    a, b, c = data[end - 3], data[end - 2], data[end - 1]
    return (a == b == c == _FULL_STOP) or (a == 0xE2 and b == 0x80 and c == 0xA6)


@njit(cache=True, nogil=True)
def _measure(  # type: ignore[no-untyped-def]
    classes, spaces, lower, bullets, stop_hashes, longest_stop, min_stop_words, data, offsets
):
    """Return the columns of :class:`QualityMeasures`, one row a text."""
    n_texts = offsets.size - 1
    rows = np.zeros((n_texts, 9), np.int64)
    seen = np.zeros(stop_hashes.size, np.bool_)
    for t in range(n_texts):
        words = word_chars = number_signs = ellipses = lines = bullet_lines = ellipsis_lines = 0
        alphabetic_words = stop_words = 0
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
            while i < end:
                # A word; behind it comes white space or the line's end.
                chars = full_stops = 0
                has_letter = False
                core_start = core_end = i  # without the punctuation at its edges
                while i < end:
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
                word_chars += chars
                alphabetic_words += has_letter
                if stop_words < min_stop_words and 0 < core_end - core_start <= longest_stop:
                    value = _folded_hash(lower, data, core_start, core_end)
                    for k in range(stop_hashes.size):
                        if stop_hashes[k] == value and not seen[k]:
                            seen[k] = True
                            stop_words += 1
                while i < end:
                    point, length = character_at(data, i)
                    if not classes[point] & SPACE:
                        break
                    i += length
        rows[t] = (
            words,
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
