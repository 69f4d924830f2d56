"""The lines that a step removed from documents, found by comparing their texts before and after."""

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
    """The lines of ``before`` that are missing from ``after``.

    ``lines`` and ``removed`` have a number for each document. The other columns list the removed
    lines that are not blank. A document that was changed in another way than by removing lines has
    no removed line.
    """

    lines: npt.NDArray[np.int64]  # lines of each document before the step
    removed: npt.NDArray[np.int64]  # how many of these were removed, blank ones included
    keys: npt.NDArray[np.uint64]  # XXH64 of each removed line, stripped and cut
    starts: npt.NDArray[np.int64]  # first byte of each stripped and cut line in ``before``
    ends: npt.NDArray[np.int64]  # end of its bytes there


def removed_lines(
    before: pa.StringArray, after: pa.StringArray, *, max_line_bytes: int
) -> RemovedLines:
    """Compare the texts of the same documents before a step and after it.

    Removed lines are cut to whole characters within ``max_line_bytes``. So lines that are equal up
    to there have the same key. A document that became empty has lost all its lines.
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
    n_listed = 0
    for t in range(n_texts):
        start, stop = before_offsets[t], before_offsets[t + 1]
        at, at_stop = after_offsets[t], after_offsets[t + 1]
        all_gone = at == at_stop and start < stop
        first = n_listed
        while start <= stop:
            end = line_end(before, start, stop)
            lines[t] += 1
            if not all_gone and _is_line(before, start, end, after, at, at_stop):
                at += end - start + 1
            else:
                removed[t] += 1
                begin, to = _cut(before, *_stripped(before, start, end), max_line_bytes)
                if begin < to:
                    keys[n_listed] = xxh64(before, begin, to)
                    starts[n_listed] = begin
                    ends[n_listed] = to
                    n_listed += 1
            start = end + 1
        if not all_gone and at != at_stop + 1:
            n_listed = first
            removed[t] = 0
    return lines, removed, keys[:n_listed], starts[:n_listed], ends[:n_listed]


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
    """Return the edges of a line without the ASCII white space and controls around it."""
    while start < end and data[start] <= 32:
        start += 1
    while end > start and data[end - 1] <= 32:
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _cut(data, start, end, max_bytes):  # type: ignore[no-untyped-def]
    """Return the edges of a line cut to the whole characters within ``max_bytes``."""
    if end - start > max_bytes:
        end = start + max_bytes
        while end > start and data[end] & 0xC0 == 0x80:
            end -= 1
    return start, end
