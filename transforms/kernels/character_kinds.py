"""Kinds of characters (letters, capitals, punctuation, ...), as tables over code points.

Kernels that decode UTF-8 look characters up in these tables.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

LETTER, UPPER, OTHER_ALPHANUMERIC, SPACE, PUNCTUATION, UNPRINTED = 1, 2, 4, 8, 16, 32
"""Flags of a character. The first four follow Python: ``str.isalpha``, ``isupper``, ``isalnum``
without letters, ``isspace``. PUNCTUATION is Unicode's punctuation and symbols (categories P and S).
UNPRINTED is its controls, formats and unassigned code points (category C)."""

_POINTS = 0x110000


@cache
def character_kinds() -> npt.NDArray[np.uint8]:
    """Return the flags of every code point. The table is made once a process."""
    characters = np.arange(_POINTS, dtype=np.uint32).view("U1")
    letters, alphanumerics = np.strings.isalpha(characters), np.strings.isalnum(characters)
    table = letters * LETTER + (alphanumerics & ~letters) * OTHER_ALPHANUMERIC
    table += np.strings.isupper(characters) * UPPER + np.strings.isspace(characters) * SPACE
    kinds = np.array([unicodedata.category(chr(point))[0] for point in range(_POINTS)])
    table += ((kinds == "P") | (kinds == "S")) * PUNCTUATION + (kinds == "C") * UNPRINTED
    return table.astype(np.uint8)


@cache
def white_space() -> npt.NDArray[np.bool_]:
    """Return a table of the code points that ``str.split`` splits at, up to the last such one."""
    is_space = character_kinds() & SPACE != 0
    return is_space[: np.flatnonzero(is_space)[-1] + 1].copy()


@cache
def lower_case() -> npt.NDArray[np.uint32]:
    """Return the lower case of every code point. The table is made once a process.

    Where the lower case has several code points, the table holds the first.
    """
    characters = np.arange(_POINTS, dtype=np.uint32).view("U1")
    return np.strings.lower(characters).astype("U1").view(np.uint32)
