"""Spans of texts that begin and end at content-defined cuts: their keys, and their removal.

Two copies of a passage have the same cuts wherever in their texts they stand, but for the first and
the last bytes of it. That is winnowing (Schleimer, Wilkerson and Aiken 2003): of every ``reach``
consecutive bytes the one is a cut whose hash is the least, where the hash is that of the eight
bytes from there on. Bytes that begin a line come ahead of all others, for passages mostly begin
there. A cut is never inside a UTF-8 character. A text begins and ends with a cut.

A *span* begins at a cut, and ends at the first cut that is ``min_bytes`` or more behind it. One
ends with the text, too, so that copies of a text have no rest. A text of fewer bytes has no span.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers, texts_from_buffers
from transforms.kernels.hashing import mix, xxh64

CUTS_PER_SPAN = 8
"""Least number of cuts in a span's ``min_bytes``, which says what two cuts are apart at most."""

HASHED_BYTES = 8
"""Bytes from a place on that say whether a text is cut there."""

_NO_CUT = np.uint64(0xFFFFFFFFFFFFFFFF)
_IN_LINE = np.uint64(1 << 63)

Places = npt.NDArray[np.int64]


class Spans(NamedTuple):
    """The spans of a column of texts, in order."""

    starts: Places  # in the bytes of the column
    ends: Places
    offsets: Places  # text t has the spans offsets[t]:offsets[t + 1]


class Remainder(NamedTuple):
    """What is left of texts, and how many bytes were taken out of each."""

    texts: pa.StringArray
    removed_bytes: Places
    text_bytes: Places  # as they were


def reach_of(min_bytes: int) -> int:
    """Return how many bytes two cuts are apart at most."""
    return min_bytes // CUTS_PER_SPAN


@njit(cache=True, nogil=True)
def _cuts_of(data, start, end, reach, recent, out):  # type: ignore[no-untyped-def]
    """Write the cuts of one text to ``out``; return how many there are."""
    out[0] = start
    n = 1
    word = np.uint64(0)
    for i in range(HASHED_BYTES):
        if start + i < end:
            word |= np.uint64(data[start + i]) << np.uint64(8 * i)
    best, best_at, slot = _NO_CUT, start, 0
    for at in range(start + 1, end):
        word >>= np.uint64(8)
        if at + HASHED_BYTES <= end:
            word |= np.uint64(data[at + HASHED_BYTES - 1]) << np.uint64(56)
        value = _NO_CUT
        if data[at] & 0xC0 != 0x80:
            value = mix(word) >> np.uint64(1)
            if data[at - 1] != 10:
                value |= _IN_LINE
        slot = slot + 1 if slot + 1 < reach else 0
        recent[slot] = value
        if value < best:
            best, best_at = value, at
        elif best_at <= at - reach:  # out of the window: the last of the least ones follows
            best = _NO_CUT
            for back in range(reach):
                value = recent[slot - back if back <= slot else slot - back + reach]
                if value < best:
                    best, best_at = value, at - back
        if at - start >= reach and best_at > out[n - 1]:
            out[n] = best_at
            n += 1
    out[n] = end
    return n + 1


@njit(cache=True, nogil=True)
def _spans(data, offsets, min_bytes, reach):  # type: ignore[no-untyped-def]
    n_texts = offsets.size - 1
    longest = 0
    for t in range(n_texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    recent = np.empty(reach, np.uint64)
    cuts = np.empty(longest + 2, np.int64)
    room = (offsets[-1] - offsets[0]) // 16 + 16
    starts, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    span_offsets = np.zeros(n_texts + 1, np.int64)
    n = 0
    for t in range(n_texts):
        start, end = offsets[t], offsets[t + 1]
        if end - start >= min_bytes:
            n_cuts = _cuts_of(data, start, end, reach, recent, cuts)
            if n + n_cuts + 1 > starts.size:
                more = np.empty(n + n_cuts + 1, np.int64)
                starts = np.concatenate((starts, more))
                ends = np.concatenate((ends, more))
            last = 0
            for first in range(n_cuts):
                if end - cuts[first] < min_bytes:
                    break
                while cuts[last] - cuts[first] < min_bytes:
                    last += 1
                starts[n], ends[n] = cuts[first], cuts[last]
                n += 1
            if ends[n - 1] < end:
                starts[n], ends[n] = starts[n - 1], end
                n += 1
        span_offsets[t + 1] = n
    return starts[:n].copy(), ends[:n].copy(), span_offsets


def spans(texts: pa.StringArray, min_bytes: int) -> Spans:
    """Return the spans of every text."""
    return Spans(*_spans(*text_buffers(texts), min_bytes, reach_of(min_bytes)))


@njit(cache=True, nogil=True)
def _keys(data, starts, ends):  # type: ignore[no-untyped-def]
    keys = np.empty(starts.size, np.uint64)
    for i in range(starts.size):
        keys[i] = xxh64(data, starts[i], ends[i])
    return keys


def span_keys(texts: pa.StringArray, found: Spans) -> npt.NDArray[np.uint64]:
    """Return the XXH64 of the bytes of each span that was found in some texts."""
    data, _ = text_buffers(texts)
    return _keys(data, found.starts, found.ends)


@njit(cache=True, nogil=True)
def _copy_rest(data, offsets, starts, ends, span_offsets, kept, out):  # type: ignore[no-untyped-def]
    out_offsets = np.zeros(offsets.size, np.int64)
    at = 0
    for t in range(offsets.size - 1):
        begin = offsets[t]  # of what is yet to be copied
        for i in range(span_offsets[t], span_offsets[t + 1]):
            if not kept[i]:
                for k in range(begin, starts[i]):  # none where the span before reaches this one
                    out[at] = data[k]
                    at += 1
                begin = ends[i]
        for k in range(begin, offsets[t + 1]):
            out[at] = data[k]
            at += 1
        out_offsets[t + 1] = at
    return out_offsets


def without_spans(texts: pa.StringArray, found: Spans, kept: npt.NDArray[np.bool_]) -> Remainder:
    """Return the texts without the spans whose ``kept`` is false.

    Raises ValueError if there are not as many spans, as when decisions are applied to another
    input than the one they were made on.
    """
    if len(kept) != len(found.starts):
        raise ValueError(
            f"the mask of {len(kept)} spans does not fit {len(found.starts)} of the texts;"
            " was it made for another input?"
        )
    data, offsets = text_buffers(texts)
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    out_offsets = _copy_rest(data, offsets, *found, kept, out)
    before = np.diff(offsets)
    rest = texts_from_buffers(out[: out_offsets[-1]], out_offsets)
    return Remainder(rest, before - np.diff(out_offsets), before)
