"""Unicode's form NFC, for tokenizers that bring text into it first.

Most text is in it already. It is, for certain, where no character composes with one before it and
none decomposes. A kernel looks for others, and the library normalises the texts that have one.
"""

from __future__ import annotations

import functools
import sys
import unicodedata

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from tokenizer.byte_level.split import read_code_point
from tokenizer.text_buffers import text_buffers

FIRST_LEAD = 0xCC
"""The first byte of the characters from U+0300 on. Those below compose with none before them."""


def composed(texts: pa.StringArray) -> pa.StringArray:
    """Return texts in form NFC, as the library makes it."""
    data, offsets = text_buffers(texts)
    found = np.zeros(len(texts), np.bool_)
    _find_doubtful(_doubtful(), data, offsets, found)
    if not found.any():
        return texts
    from tokenizers import normalizers

    normaliser = normalizers.NFC()
    rows = texts.to_pylist()
    for row in np.flatnonzero(found):
        rows[row] = normaliser.normalize_str(rows[row])
    return pa.array(rows, texts.type)


@functools.cache
def _doubtful() -> npt.NDArray[np.bool_]:
    """Return for all code points whether a text with them may not be in form NFC.

    They are those that change, that do not start a character, or that compose with one before
    them; and those unknown to this Python, of which the library may know more.
    """
    found = np.zeros(sys.maxunicode + 1, np.bool_)
    for number in range(0x300, sys.maxunicode + 1):
        character = chr(number)
        category = unicodedata.category(character)
        if category == "Cn":
            found[number] = True
        elif category not in ("Co", "Cs"):
            parts = unicodedata.decomposition(character).split()
            if parts and not parts[0].startswith("<"):
                found[[int(part, 16) for part in parts[1:]]] = True
            found[number] |= (
                unicodedata.combining(character) != 0
                or unicodedata.normalize("NFC", character) != character
            )
    found[0x1161:0x1200] = True  # vowels and final consonants of Hangul
    return found


@njit(cache=True, nogil=True)
def _find_doubtful(doubtful, data, offsets, found):  # type: ignore[no-untyped-def]
    for text in range(found.size):
        end = offsets[text + 1]
        for at in range(offsets[text], end):
            if data[at] >= FIRST_LEAD:
                number, _ = read_code_point(data, at, end)
                if doubtful[number]:
                    found[text] = True
                    break
