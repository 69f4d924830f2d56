"""Keys of lines, and removal of lines from texts. CCNet calls the lines of a text paragraphs.

Only ``"\\n"`` separates lines: a text with ``k`` newlines has ``k + 1`` lines, and the empty text
has one. A line's key is the XXH64 of its hash-normalised form (``transforms.kernels.codepoints``).
CCNet's key is 8 bytes of SHA-1; the same lines are equal under both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers, texts_from_buffers
from transforms.kernels.codepoints import hash_normaliser, normalise_into, normalise_line_plain
from transforms.kernels.hashing import load_u64, xxh64

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)


class ParagraphKeys(NamedTuple):
    """The keys of the lines of a column of texts."""

    keys: npt.NDArray[np.uint64]  # one a line
    line_offsets: npt.NDArray[np.int64]  # text t has the lines line_offsets[t]:line_offsets[t + 1]


@njit(cache=True, nogil=True)
def line_end(data, start, end):  # type: ignore[no-untyped-def]
    """Return where the line that begins at ``start`` ends: at a newline or at ``end``."""
    i = start
    while i + 8 <= end:
        word = load_u64(data, i) ^ _NEWLINES
        if (word - _ONES) & ~word & _HIGH_BITS:
            break
        i += 8
    while i < end and data[i] != 10:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _line_offsets(data, offsets):  # type: ignore[no-untyped-def]
    line_offsets = np.zeros(offsets.size, np.int64)
    for t in range(offsets.size - 1):
        newlines = 0
        for i in range(offsets[t], offsets[t + 1]):
            newlines += data[i] == 10
        line_offsets[t + 1] = line_offsets[t] + newlines + 1
    return line_offsets


@njit(cache=True, nogil=True)
def _line_keys(table, data, offsets, line_offsets, scratch):  # type: ignore[no-untyped-def]
    keys = np.zeros(line_offsets[-1], np.uint64)
    special = np.zeros(line_offsets[-1], np.bool_)
    for t in range(offsets.size - 1):
        start = offsets[t]
        for line in range(line_offsets[t], line_offsets[t + 1]):
            end = line_end(data, start, offsets[t + 1])
            length = normalise_into(table, data, start, end, scratch, 0)
            if length < 0:
                special[line] = True
            else:
                keys[line] = xxh64(scratch, 0, length)
            start = end + 1
    return keys, special


def paragraph_keys(texts: pa.StringArray) -> ParagraphKeys:
    """Return the key of every line of every text, and the lines of each text.

    Nulls read as empty texts.
    """
    table = hash_normaliser()
    data, offsets = text_buffers(texts)
    line_offsets = _line_offsets(data, offsets)
    longest = int(np.diff(offsets).max(initial=0))
    scratch = np.empty(longest * table.growth + 8, np.uint8)
    keys, special = _line_keys(table, data, offsets, line_offsets, scratch)
    special_lines = np.flatnonzero(special)
    of_text = np.searchsorted(line_offsets, special_lines, "right") - 1
    for t in np.unique(of_text).tolist():
        lines = texts[t].as_py().split("\n")
        for line in special_lines[of_text == t].tolist():
            form = normalise_line_plain(lines[line - line_offsets[t]]).encode()
            keys[line] = xxh64(np.frombuffer(form, np.uint8), 0, len(form))
    return ParagraphKeys(keys, line_offsets)


@njit(cache=True, nogil=True)
def _copy_kept_lines(data, offsets, line_offsets, keep_mask, out):  # type: ignore[no-untyped-def]
    """Copy the kept lines to ``out``; return the offsets of the texts there.

    No offset is returned where ``line_offsets`` does not fit the texts.
    """
    out_offsets = np.zeros(offsets.size, np.int64)
    at = 0
    for t in range(offsets.size - 1):
        start = offsets[t]
        kept = 0
        for line in range(line_offsets[t], line_offsets[t + 1]):
            if start > offsets[t + 1]:
                return out_offsets[:0]
            end = line_end(data, start, offsets[t + 1])
            if keep_mask[line]:
                if kept:
                    out[at] = 10
                    at += 1
                for i in range(end - start):
                    out[at + i] = data[start + i]
                at += end - start
                kept += 1
            start = end + 1
        if start != offsets[t + 1] + 1:
            return out_offsets[:0]
        out_offsets[t + 1] = at
    return out_offsets


def keep_lines(
    texts: pa.StringArray,
    line_offsets: npt.NDArray[np.int64],
    keep_mask: npt.NDArray[np.bool_],
) -> pa.StringArray:
    """Return the texts without the lines whose ``keep_mask`` is false.

    ``line_offsets`` comes from :func:`paragraph_keys`. Kept lines are joined by newlines, and a
    text without one becomes empty. Raises ValueError if the lines do not fit the texts, as when
    decisions are applied to another input than the one they were made on.
    """
    data, offsets = text_buffers(texts)
    if len(line_offsets) == len(offsets) and line_offsets[-1] == len(keep_mask):
        out = np.empty(offsets[-1] - offsets[0], np.uint8)
        out_offsets = _copy_kept_lines(data, offsets, line_offsets, keep_mask, out)
        if len(out_offsets):
            return texts_from_buffers(out[: out_offsets[-1]], out_offsets)
    raise ValueError(
        f"keep_lines: the mask of {len(keep_mask)} lines does not fit the {len(texts)} texts;"
        " was it made for another input?"
    )


@njit(cache=True, nogil=True)
def _text_keys(data, offsets):  # type: ignore[no-untyped-def]
    keys = np.empty(offsets.size - 1, np.uint64)
    for t in range(offsets.size - 1):
        keys[t] = xxh64(data, offsets[t], offsets[t + 1])
    return keys


def document_keys(texts: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Return the XXH64 of the bytes of each text, by which exact duplicates are found.

    Random orders and held-out sets go by this hash of the documents' ids.
    """
    return _text_keys(*text_buffers(texts))
