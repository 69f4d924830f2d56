"""Which whole lines a step took out of documents: their texts before and after are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers
from transforms.kernels.hashing import xxh64
from transforms.kernels.lines import line_end


class RemovedLines(NamedTuple):
    """The lines that stand in ``before`` and no more in ``after``.

    Blank lines count among those removed, and are not listed. A document of which more was changed
    than lines taken out has no removed line.
    """

    lines: npt.NDArray[np.int64]  # of each document before
    removed: npt.NDArray[np.int64]  # of those
    keys: npt.NDArray[np.uint64]  # XXH64 of each removed line, cut, without white space around it
    starts: npt.NDArray[np.int64]  # where that lies in the bytes of ``before``
    ends: npt.NDArray[np.int64]


def removed_lines(
    before: pa.StringArray, after: pa.StringArray, *, max_line_bytes: int
) -> RemovedLines:
    """Compare the texts of the same documents ahead of a step and after it.

    Lines are cut at the last character that ends within ``max_line_bytes``; those that are alike up
    to there are the same. A document that has become empty has lost all its lines.
    """
    return RemovedLines(*_compare(*text_buffers(before), *text_buffers(after), max_line_bytes))


@njit(cache=True, nogil=True)
def _compare(before, before_offsets, after, after_offsets, max_line_bytes):  # type: ignore[no-untyped-def]
    n_texts = before_offsets.size - 1
    n_lines = n_texts
    for i in range(before_offsets[0], before_offsets[-1]):
        n_lines += before[i] == 10
    lines = np.zeros(n_texts, np.int64)
    removed = np.zeros(n_texts, np.int64)
    keys = np.empty(n_lines, np.uint64)
    starts = np.empty(n_lines, np.int64)
    ends = np.empty(n_lines, np.int64)
    n = 0
    for t in range(n_texts):
        start, stop = before_offsets[t], before_offsets[t + 1]
        at, at_stop = after_offsets[t], after_offsets[t + 1]
        all_gone = at == at_stop and start < stop
        first = n
        while start <= stop:
            end = line_end(before, start, stop)
            lines[t] += 1
            if not all_gone and _is_line(before, start, end, after, at, at_stop):
                at += end - start + 1
            else:
                removed[t] += 1
                begin, to = _cut(before, *_stripped(before, start, end), max_line_bytes)
                if begin < to:
                    keys[n] = xxh64(before, begin, to)
                    starts[n] = begin
                    ends[n] = to
                    n += 1
            start = end + 1
        if not all_gone and at != at_stop + 1:
            n = first
            removed[t] = 0
    return lines, removed, keys[:n], starts[:n], ends[:n]


@njit(cache=True, nogil=True)
def _is_line(data, start, end, other, at, stop):  # type: ignore[no-untyped-def]
    """Tell whether the line that begins at ``other[at]`` is ``data[start:end]``."""
    length = end - start
    if at + length > stop or (at + length < stop and other[at + length] != 10):
        return False
    for i in range(length):  # noqa: SIM110  (numba compiles no generators)
        if data[start + i] != other[at + i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _stripped(data, start, end):  # type: ignore[no-untyped-def]
    """Leave out the ASCII white space and control characters around a line."""
    while start < end and data[start] <= 32:
        start += 1
    while end > start and data[end - 1] <= 32:
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _cut(data, start, end, max_bytes):  # type: ignore[no-untyped-def]
    """Cut a line ahead of the character that does not end within so many bytes."""
    if end - start > max_bytes:
        end = start + max_bytes
        while end > start and data[end] & 0xC0 == 0x80:
            end -= 1
    return start, end
