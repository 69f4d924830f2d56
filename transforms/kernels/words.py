"""Words in running text: what white space separates, or with punctuation as words of its own.

``punctuation_apart`` is how FineWeb's rules count words: datatrove takes spaCy's tokens for
English. The rules here are spaCy's (``spacy/lang/punctuation.py`` and ``lang/en``) without its
lists of exceptions: abbreviations such as "e.g." lose their full stop.

- What white space separates is a chunk. Punctuation, quotes, signs of money and pictures at its
  edges are words of one character each; several full stops in a row are one word.
- An ending "'s", "n't", "'re" and the like is a word, and so is a unit behind a number ("10km",
  "2pm").
- Within the chunk, a hyphen, a slash, a colon, a comma or a sign of equality ends a word before a
  letter, and so does a full stop between a small and a capital letter. They are words, too.
- An address ("https://...", "www....") stays whole.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers
from transforms.kernels.characters import (
    LETTER,
    UPPER,
    character_at,
    character_classes,
    previous_character,
    white_space,
)

Words = Literal["white_space", "punctuation_apart", "chinese", "japanese", "thai"]
"""What a word is: in a language by name, what its segmenter finds, with punctuation apart
(:mod:`transforms.segmentation`)."""

LETTERS = 1
"""Mark of a letter, as in ``str.isalpha``."""
SMALL = 2
"""Mark of a letter that is no capital: in scripts without capitals, of every letter."""
CAPITAL = 4
"""Mark of a letter that is no small one: in scripts without small letters, of every letter."""
DIGITS = 8
"""Mark of the digits 0 to 9."""
PREFIX = 16
"""Mark of a character that is a word of its own where a chunk begins with it."""
SUFFIX = 32
"""Mark of a character that is a word of its own where a chunk ends with it."""
PICTURE = 64
"""Mark of a symbol that is a word of its own wherever it stands: category So, and the ellipsis."""
MONEY = 128
"""Mark of a sign of money, which is a word of its own behind a digit."""
QUOTE = 256
"""Mark of a quotation mark, an apostrophe, or a bracket that is used as one."""
HYPHEN = 512
"""Mark of hyphens and dashes: up to three in a row are a word, behind a letter and before one."""
BEFORE_LETTER = 1024
"""Mark of other characters that are a word behind a letter or digit and before a letter."""
BETWEEN_DIGITS = 2048
"""Mark of signs that are a word between digits."""
BEFORE_FULL_STOP = 4096
"""Mark of characters that a full stop at a chunk's end does not belong to."""
INNER = 8192
"""Mark of all that may be a word within the core of a chunk."""

_PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧"
_MONEY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿"
_UNITS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s "
    "km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % am pm"
)
_LONGEST_UNIT_BYTES = 4
_LAST_PLANE_WITH_PICTURES = 0x20000
_FULL_STOP, _COMMA, _PLUS = ord("."), ord(","), ord("+")


@cache
def word_marks() -> npt.NDArray[np.uint16]:
    """Return the marks of every code point. The table is made once a process."""
    classes = character_classes()
    is_letter = classes & LETTER != 0
    is_lower = np.strings.islower(np.arange(len(classes), dtype=np.uint32).view("U1"))
    marks = np.zeros(len(classes), np.uint16)
    marks[is_letter] = LETTERS
    marks[is_letter & (classes & UPPER == 0)] |= SMALL | BEFORE_FULL_STOP
    marks[is_letter & ~is_lower] |= CAPITAL
    for characters, mark in (
        ("0123456789", DIGITS | BEFORE_FULL_STOP),
        (_PUNCTUATION, PREFIX | SUFFIX | BEFORE_FULL_STOP),
        (_QUOTES, PREFIX | SUFFIX | QUOTE | BEFORE_FULL_STOP),
        (_MONEY, PREFIX | MONEY),
        ("§%=", PREFIX),
        ("—–", PREFIX | SUFFIX),
        ("-–—~", HYPHEN),
        (":<>=/", BEFORE_LETTER),
        ("+-*^", BETWEEN_DIGITS),
        ("%²-+", BEFORE_FULL_STOP),
    ):
        marks[list(map(ord, characters))] |= mark
    points = range(_LAST_PLANE_WITH_PICTURES)
    pictures = [point for point in points if unicodedata.category(chr(point)) == "So"]
    marks[pictures] |= PREFIX | SUFFIX | PICTURE
    marks[ord("…")] |= PICTURE
    marks[marks & (PICTURE | HYPHEN | BEFORE_LETTER | BETWEEN_DIGITS) != 0] |= INNER
    marks[[_FULL_STOP, _COMMA]] |= INNER
    return marks


@cache
def unit_codes() -> npt.NDArray[np.uint32]:
    """Return the units, each of up to four bytes, as numbers."""
    return np.array([int.from_bytes(unit.encode(), "big") for unit in _UNITS.split()], np.uint32)


def word_tables(
    words: Words,
) -> tuple[bool, npt.NDArray[np.uint16], npt.NDArray[np.uint32]]:
    """Return whether punctuation is apart, and the tables for it, which are empty where it is not.

    So no table is made for rules that take white space.
    """
    if words == "white_space":
        return False, np.zeros(0, np.uint16), np.zeros(0, np.uint32)
    return True, word_marks(), unit_codes()


def count_words_apart(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    """Count the words of each text, with punctuation as words of its own."""
    return _count_words_apart(white_space(), word_marks(), unit_codes(), *text_buffers(texts))


@njit(cache=True, nogil=True)
def chunk_end(spaces, data, i, end):  # type: ignore[no-untyped-def]
    """Return where the chunk at ``i`` ends: at white space, or at ``end``."""
    while i < end:
        point, length = character_at(data, i)
        if point < spaces.size and spaces[point]:
            break
        i += length
    return i


@njit(cache=True, nogil=True)
def chunk_core(marks, known_units, data, start, end):  # type: ignore[no-untyped-def]
    """Return where the chunk ``data[start:end]`` has its core, behind and before its edges.

    The third value tells whether the core is an address.
    """
    i = start
    while i < end:
        point, length = character_at(data, i)
        if point == _FULL_STOP:
            length = _full_stops(data, i, end)
            if length == 1:
                break
        elif point == _PLUS:
            if i + 1 < end and marks[data[i + 1]] & DIGITS:
                break
        elif not marks[point] & PREFIX:
            break
        i += length
    core_start = i
    core_end = end
    while core_end > core_start:
        length = _suffix_bytes(marks, known_units, data, core_start, core_end)
        if length == 0:
            break
        core_end -= length
    core_end -= _short_form_bytes(data, core_start, core_end)
    return core_start, core_end, _is_address(data, core_start, core_end)


@njit(cache=True, nogil=True)
def next_word(marks, data, i, core_start, core_end, is_address, end):  # type: ignore[no-untyped-def]
    """Return where the word that begins at ``i`` ends, in a chunk that ends at ``end``."""
    point, length = character_at(data, i)
    if i < core_start:
        return i + _full_stops(data, i, end) if point == _FULL_STOP else i + length
    if i < core_end:
        if is_address:
            return core_end
        if i > core_start and marks[point] & INNER:
            infix = _infix_bytes(marks, data, i, core_end)
            if infix:
                return i + infix
        i += length
        while i < core_end:
            point, length = character_at(data, i)
            if marks[point] & INNER and _infix_bytes(marks, data, i, core_end):
                break
            i += length
        return i
    if point == _FULL_STOP:
        return i + _full_stops(data, i, end)
    i += length
    if marks[point] & LETTERS:
        apostrophe = _apostrophe_at(data, i, end) if point | 0x20 == 0x6E else 0
        i += apostrophe  # of "n't"
        while i < end and (marks[character_at(data, i)[0]] & LETTERS or data[i] == 0x2F):
            i += character_at(data, i)[1]
        if end - i >= 2 and data[i] == 0xC2 and (data[i + 1] == 0xB2 or data[i + 1] == 0xB3):
            i += 2  # a square or cubic unit
    elif point == 0x27 or point == 0x2019:
        while i < end and marks[character_at(data, i)[0]] & LETTERS:
            i += character_at(data, i)[1]
    return i


@njit(cache=True, nogil=True)
def _count_words_apart(spaces, marks, known_units, data, offsets):  # type: ignore[no-untyped-def]
    n_words = np.zeros(offsets.size - 1, np.int64)
    for t in range(offsets.size - 1):
        i, end = offsets[t], offsets[t + 1]
        while i < end:
            chunk = chunk_end(spaces, data, i, end)
            first, last, is_address = chunk_core(marks, known_units, data, i, chunk)
            while i < chunk:
                i = next_word(marks, data, i, first, last, is_address, chunk)
                n_words[t] += 1
            if i < end:
                i += character_at(data, i)[1]
    return n_words


@njit(cache=True, nogil=True)
def _full_stops(data, i, end):  # type: ignore[no-untyped-def]
    k = i
    while k < end and data[k] == _FULL_STOP:
        k += 1
    return k - i


@njit(cache=True, nogil=True)
def _apostrophe_at(data, i, end):  # type: ignore[no-untyped-def]
    """Return the length of an apostrophe at ``i``, 0 where none is."""
    if i < end and data[i] == 0x27:
        return 1
    return 3 if i + 3 <= end and _apostrophe_bytes(data, i, i + 3) == 3 else 0


@njit(cache=True, nogil=True)
def _apostrophe_bytes(data, start, end):  # type: ignore[no-untyped-def]
    """Return the length of an apostrophe at the end of ``data[start:end]``, 0 where none is."""
    if end > start and data[end - 1] == 0x27:
        return 1
    if end - start >= 3 and data[end - 3] == 0xE2 and data[end - 2] == 0x80:
        return 3 if data[end - 1] == 0x99 else 0
    return 0


@njit(cache=True, nogil=True)
def _suffix_bytes(marks, known_units, data, start, end):  # type: ignore[no-untyped-def]
    """Return the length of the word that the end of ``data[start:end]`` is; 0 for none."""
    last = previous_character(data, end)
    point, _ = character_at(data, last)
    mark = marks[point]
    if (point | 0x20) == 0x73:  # an s
        apostrophe = _apostrophe_bytes(data, start, last)
        if apostrophe:
            return end - last + apostrophe
    if point == _FULL_STOP:
        first = last
        while first > start and data[first - 1] == _FULL_STOP:
            first -= 1
        if end - first > 1:
            return end - first
        if last == start:
            return 0
        place = previous_character(data, last)
        before = marks[character_at(data, place)[0]]
        if before & BEFORE_FULL_STOP:
            return 1
        if before & CAPITAL and place > start:
            return (
                1 if marks[character_at(data, previous_character(data, place))[0]] & CAPITAL else 0
            )
        return 0
    if mark & SUFFIX:
        return end - last
    if last > start and marks[data[last - 1]] & DIGITS and (mark & MONEY or point == _PLUS):
        return end - last
    value = np.uint32(0)
    for k in range(end - 1, max(start, end - _LONGEST_UNIT_BYTES - 1) - 1, -1):
        if marks[data[k]] & DIGITS:
            for i in range(k + 1, end):
                value = value << np.uint32(8) | np.uint32(data[i])
            for unit in known_units:
                if unit == value:
                    return end - 1 - k
            return 0
    return 0


@njit(cache=True, nogil=True)
def _short_form_bytes(data, start, end):  # type: ignore[no-untyped-def]
    """Return the length of "n't", "'m", "'re" and the like at the end of a word; 0 for none."""
    if end - start < 3:
        return 0
    last, before = data[end - 1] | 0x20, data[end - 2] | 0x20
    length = 0
    if last == 0x74:  # n't
        apostrophe = _apostrophe_bytes(data, start, end - 1)
        n = end - 2 - apostrophe
        if apostrophe and n > start and data[n] | 0x20 == 0x6E:
            length = end - n
    elif last == 0x6D or last == 0x64:  # 'm, 'd
        apostrophe = _apostrophe_bytes(data, start, end - 1)
        length = apostrophe + 1 if apostrophe else 0
    elif (last == 0x65 and (before == 0x72 or before == 0x76)) or (last == 0x6C and before == 0x6C):
        apostrophe = _apostrophe_bytes(data, start, end - 2)  # 're, 've, 'll
        length = apostrophe + 2 if apostrophe else 0
    return length if length < end - start else 0


@njit(cache=True, nogil=True)
def _is_address(data, start, end):  # type: ignore[no-untyped-def]
    if end - start < 5:
        return False
    if data[start] == data[start + 1] == data[start + 2] == 0x77 and data[start + 3] == _FULL_STOP:
        return True
    for i in range(start + 1, end - 2):
        if data[i] == 0x3A and data[i + 1] == data[i + 2] == 0x2F:
            return True
    return False


@njit(cache=True, nogil=True)
def _infix_bytes(marks, data, i, end):  # type: ignore[no-untyped-def]
    """Return the length of the word that ``data[i]`` is between two others; 0 if it is not one."""
    point, length = character_at(data, i)
    mark = marks[point]
    if mark & PICTURE:
        return length
    if point == _FULL_STOP:
        length = _full_stops(data, i, end)
        if length > 1:
            return length
    if i + length >= end:
        return 0
    before = marks[character_at(data, previous_character(data, i))[0]]
    after = marks[character_at(data, i + length)[0]]
    if point == _FULL_STOP:
        is_between = before & (SMALL | QUOTE) and after & (CAPITAL | QUOTE)
        return 1 if is_between else 0
    if mark & BETWEEN_DIGITS and before & DIGITS and (after & DIGITS or data[i + length] == 0x2D):
        return length
    if point == _COMMA:
        return 1 if before & after & LETTERS else 0
    if not before & (LETTERS | DIGITS):
        return 0
    if mark & HYPHEN:
        stop = i + length
        while stop < end and stop < i + 3 * length and character_at(data, stop)[0] == point:
            stop += length
        is_between = stop < end and marks[character_at(data, stop)[0]] & LETTERS
        return stop - i if is_between else 0
    return length if mark & BEFORE_LETTER and after & LETTERS else 0
