"""Cutting of texts into words by automata.

Texts stand one behind another, and so do words: where words end is enough to know. A pattern is
applied within each part that an earlier one has left, as ``tokenizers`` applies several.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.byte_level.automaton import DEAD, MATCH, START, Automaton
from tokenizer.byte_level.code_points import PAGE_BITS

NEXT_STATE = MATCH - 1
"""The bits of a step that hold the next state."""

IN_PAGE = (1 << PAGE_BITS) - 1
"""The bits of a code point that are its place in its page."""


def cut_words(
    automata: Sequence[Automaton], data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut texts into words. Text ``i`` is ``data[offsets[i]:offsets[i + 1]]``, valid UTF-8.

    Returns the bounds of all words in ``data``, and how many words end up to each text's end: the
    words of text ``i`` are those from ``ends[i]`` up to ``ends[i + 1]``. What a pattern does not
    match is a word of its own, up to the next match.
    """
    bounds, ends = offsets, np.arange(len(offsets), dtype=np.int64)
    for automaton in automata:
        room = int(offsets[-1] - offsets[0]) + 1
        found, counts = np.empty(room, np.int64), np.zeros(len(bounds), np.int64)
        n_words = _cut(*automaton, data, bounds, found, counts)
        bounds, ends = found[: n_words + 1], counts[ends]
    return bounds, ends


@njit(cache=True, nogil=True, forceinline=True)
def read_code_point(data, at, end):  # type: ignore[no-untyped-def]
    """Return the code point at a byte of UTF-8 beyond ASCII, and its number of bytes."""
    lead = np.int64(data[at])
    if lead < 0xE0 and at + 1 < end:
        return ((lead & 0x1F) << 6) | (data[at + 1] & 0x3F), 2
    if lead < 0xF0 and at + 2 < end:
        return ((lead & 0x0F) << 12) | ((data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F), 3
    if at + 3 < end:
        high = ((lead & 0x07) << 18) | ((data[at + 1] & 0x3F) << 12)
        return high | ((data[at + 2] & 0x3F) << 6) | (data[at + 3] & 0x3F), 4
    return np.int64(0), 1


@njit(cache=True, nogil=True)
def _cut(  # type: ignore[no-untyped-def]
    ascii_steps, steps, n_classes, pages, classes, data, bounds, found, counts
):
    """Write the bounds of words to ``found``, and the words up to each bound to ``counts``."""
    n_words = 0
    found[0] = bounds[0]
    for part in range(bounds.size - 1):
        word, end = bounds[part], bounds[part + 1]
        start = word
        while start < end:
            at, last, state = start, np.int64(-1), np.int64(START)
            while True:
                length = 1
                if at == end:
                    step = np.int64(steps[state * n_classes + n_classes - 1])
                elif data[at] < 0x80:
                    step = np.int64(ascii_steps[(state << 7) | data[at]])
                else:
                    number, length = read_code_point(data, at, end)
                    page = np.int64(pages[number >> PAGE_BITS])
                    kind = np.int64(classes[(page << PAGE_BITS) | (number & IN_PAGE)])
                    step = np.int64(steps[state * n_classes + kind])
                if step & MATCH:
                    last = at
                state = step & NEXT_STATE
                if state == DEAD:
                    break
                at += length
            if last < 0:
                start += 1 if data[start] < 0x80 else read_code_point(data, start, end)[1]
                continue
            if word < start:  # what was passed over
                n_words += 1
                found[n_words] = start
            n_words += 1
            found[n_words] = last
            word = start = last
        if word < end:
            n_words += 1
            found[n_words] = end
        counts[part + 1] = n_words
    return n_words
