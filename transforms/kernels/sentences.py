"""A count of sentences by their end marks."""

from __future__ import annotations

from numba import njit

from transforms.kernels.characters import SPACE, character_at

_CLOSING = (0x22, 0x27, 0x29, 0x5D, 0xBB, 0x2019, 0x201D)
"""Closing quotation marks and brackets that may stand between an end mark and the space after it,
as code points."""


@njit(cache=True, nogil=True)
def count_sentences(classes, data, start, end, enough):  # type: ignore[no-untyped-def]
    """Count the sentences of ``data[start:end]``. Counting stops at ``enough``.

    A sentence ends at a run of ``.``, ``?`` and ``!``. Closing quotation marks and brackets may
    follow the run, and then white space or the end of the text must follow. Text after the last
    such end counts as one more sentence. A sentence has at least one character other than white
    space and end marks.
    """
    sentences = 0
    is_begun = False
    i = start
    while i < end and sentences < enough:
        point, length = character_at(data, i)
        i += length
        if point != 0x2E and point != 0x3F and point != 0x21:
            is_begun |= classes[point] & SPACE == 0
            continue
        while i < end:
            point, length = character_at(data, i)
            if point != 0x2E and point != 0x3F and point != 0x21 and point not in _CLOSING:
                break
            i += length
        if is_begun and (i == end or classes[point] & SPACE):
            sentences += 1
            is_begun = False
    return min(sentences + is_begun, enough)
