"""Classes of code points that filters count by: white space, line break, digit, part of a word.

The classes are Python's own. So a kernel over UTF-8 bytes finds the same lines, words and digits as
a plain loop over ``str``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.kernels.codepoints import decode

SPACE = 1
"""Flag of white space, as in ``str.isspace``, ``str.split`` and ``str.strip``."""
LINE_BREAK = 2
"""Flag of a line break, as in ``str.splitlines``. Callers count ``\\r\\n`` as one break."""
DIGIT = 4
"""Flag of a decimal digit, as in ``str.isdecimal`` and ``\\d`` of a regular expression."""
WORD = 8
"""Flag of a part of a word: ``str.isalnum`` or the underscore, as in ``\\w``."""

_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@cache
def character_classes() -> npt.NDArray[np.uint8]:
    """Return the class flags of every code point. The table is made once a process."""
    characters = np.arange(0x110000, dtype=np.uint32).view("U1")
    table = np.strings.isspace(characters) * np.uint8(SPACE)
    table += np.strings.isdecimal(characters) * np.uint8(DIGIT)
    table += np.strings.isalnum(characters) * np.uint8(WORD)
    table[ord("_")] |= WORD
    table[list(map(ord, _LINE_BREAKS))] |= LINE_BREAK
    return table


@njit(cache=True, nogil=True, inline="always")
def character_at(data, i):  # type: ignore[no-untyped-def]
    """Return the code point of the UTF-8 character at byte ``i``, and its length in bytes."""
    if data[i] < 0x80:
        return np.int64(data[i]), 1
    return decode(data, i)


@njit(cache=True, nogil=True)
def count_words(classes, data, start, end):  # type: ignore[no-untyped-def]
    """Count the words of ``data[start:end]``: runs of characters other than white space."""
    words = 0
    in_word = False
    i = start
    while i < end:
        point, length = character_at(data, i)
        is_space = classes[point] & SPACE != 0
        words += not is_space and not in_word
        in_word = not is_space
        i += length
    return words


@njit(cache=True, nogil=True)
def has_at(data, i, text, start, end):  # type: ignore[no-untyped-def]
    """Tell whether ``data`` holds the bytes ``text[start:end]`` at ``i``.

    ``data`` must have at least ``end - start`` bytes from ``i`` on.
    """
    k = start
    while k < end and data[i + k - start] == text[k]:
        k += 1
    return k == end


@njit(cache=True, nogil=True)
def ends_with_any(data, start, end, endings, offsets):  # type: ignore[no-untyped-def]
    """Tell whether ``data[start:end]`` ends in one of several strings.

    ``endings`` and ``offsets`` are the buffers of a column with these strings.
    """
    for i in range(offsets.size - 1):
        first = end - (offsets[i + 1] - offsets[i])
        if first >= start and has_at(data, first, endings, offsets[i], offsets[i + 1]):
            return True
    return False
