"""Classes of characters in the rules over text: letters, digits, white space, parts of words.

The classes are Python's own. So a kernel over UTF-8 bytes finds the same lines, words and digits as
a plain loop over ``str``.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

LETTER = 1
"""Flag of a letter, as in ``str.isalpha``."""
UPPER = 2
"""Flag of an upper-case letter, as in ``str.isupper``."""
OTHER_ALPHANUMERIC = 4
"""Flag of what is in ``str.isalnum`` and not a letter."""
SPACE = 8
"""Flag of white space, as in ``str.isspace``, ``str.split`` and ``str.strip``."""
LINE_BREAK = 16
"""Flag of a line break, as in ``str.splitlines``. Callers count ``\\r\\n`` as one break."""
DIGIT = 32
"""Flag of a decimal digit, as in ``str.isdecimal`` and ``\\d`` of a regular expression."""
WORD = 64
"""Flag of a part of a word: ``str.isalnum`` or the underscore, as in ``\\w``."""
PUNCTUATION = 128
"""Flag of punctuation and symbols: Unicode's categories P and S."""
UNPRINTED = 256
"""Flag of controls, formats and unassigned code points: category C."""

_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_LAST_SPACE = 0x3000
_PLANES_IN_USE = slice(0, 0x40000), slice(0xE0000, 0xF0000)
"""Planes that Unicode gives characters to; the others are unassigned or for private use."""


@cache
def character_classes() -> npt.NDArray[np.uint16]:
    """Return the class flags of every code point. The table is made once a process."""
    characters = _characters()
    letters, alphanumerics = np.strings.isalpha(characters), np.strings.isalnum(characters)
    categories = np.full(len(characters), "C")
    for planes in _PLANES_IN_USE:
        points = characters[planes].tobytes().decode("utf-32-le", "surrogatepass")
        categories[planes] = np.array(list(map(unicodedata.category, points))).view("U1")[::2]
    table = np.zeros(len(characters), np.uint16)
    for members, flag in (
        (letters, LETTER),
        (alphanumerics & ~letters, OTHER_ALPHANUMERIC),
        (alphanumerics, WORD),
        (np.strings.isupper(characters), UPPER),
        (np.strings.isspace(characters), SPACE),
        (np.strings.isdecimal(characters), DIGIT),
        ((categories == "P") | (categories == "S"), PUNCTUATION),
        (categories == "C", UNPRINTED),
    ):
        table[members] |= flag
    table[ord("_")] |= WORD
    table[list(map(ord, _LINE_BREAKS))] |= LINE_BREAK
    return table


@cache
def white_space() -> npt.NDArray[np.bool_]:
    """Return which code points ``str.split`` splits at, up to the last such one."""
    return np.strings.isspace(_characters()[: _LAST_SPACE + 1])


@cache
def lower_case() -> npt.NDArray[np.uint32]:
    """Return the lower case of every code point. The table is made once a process.

    Where the lower case has several code points, the table holds the first.
    """
    return np.strings.lower(_characters()).astype("U1").view(np.uint32)


def _characters() -> npt.NDArray[np.str_]:
    return np.arange(0x110000, dtype=np.uint32).view("U1")


@njit(cache=True, nogil=True, inline="always")
def decode(data, i):  # type: ignore[no-untyped-def]
    """Return the code point of the character of several bytes at ``i`` and its length in bytes."""
    lead = np.int64(data[i])
    second = np.int64(data[i + 1]) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | second, 2
    third = np.int64(data[i + 2]) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | second << 6 | third, 3
    return (lead & 0x07) << 18 | second << 12 | third << 6 | np.int64(data[i + 3]) & 0x3F, 4


@njit(cache=True, nogil=True, inline="always")
def character_at(data, i):  # type: ignore[no-untyped-def]
    """Return the code point of the UTF-8 character at byte ``i``, and its length in bytes."""
    if data[i] < 0x80:
        return np.int64(data[i]), 1
    return decode(data, i)


@njit(cache=True, nogil=True, inline="always")
def previous_character(data, i):  # type: ignore[no-untyped-def]
    """Return where the character before ``i`` begins."""
    i -= 1
    while data[i] & 0xC0 == 0x80:
        i -= 1
    return i


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
