"""Bounds and places in the markup of a page that is not parsed yet, in one pass over its bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.kernels.formatting_tags import FORMATTING_TAGS, MAX_ATTRIBUTE_CHARS

_LESS, _GREATER, _SLASH, _AMPERSAND = b"<>/&"
_HASH, _SEMICOLON, _UNDERSCORE = b"#;_"
_MAX_REFERENCE = 32  # most letters and digits of a character reference
_MIN_SHORT_TEXT = 4  # bytes, with a tag's ends around it
_MAX_NAME = 8  # characters of a tag's name that are looked at


def _number_of(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


_FORMATTING_NUMBERS = np.array(sorted(map(_number_of, FORMATTING_TAGS)))
_DIV, _UL = _number_of("div"), _number_of("ul")
_ARTICLE, _FOOTER = _number_of("article"), _number_of("footer")


class Markup(NamedTuple):
    """What a scan of a page's markup found."""

    nesting: int  # upper bound of how deep div, ul, article and footer stand in each other
    reopened: int  # upper bound of the elements that formatting tags left open make
    short_texts: npt.NDArray[np.int32]  # begin and end of each, in bytes; a row each


def scan_markup(data: bytes) -> Markup:
    """Scan the UTF-8 of an HTML document.

    ``short_texts`` are those that stand alone between tags and are one or two characters, one of
    them not ASCII or a character reference (``&ldquo;``). White space around them is not counted.
    """
    places = np.empty((len(data) // _MIN_SHORT_TEXT + 1, 2), np.int32)
    nesting, reopened, found = _scan(np.frombuffer(data, np.uint8), _FORMATTING_NUMBERS, places)
    return Markup(nesting, reopened, places[:found])


@njit(cache=True, nogil=True, inline="always")
def _is_blank(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or 9 <= byte <= 13


@njit(cache=True, nogil=True, inline="always")
def _is_letter(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True, inline="always")
def _is_digit(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57


@njit(cache=True, nogil=True)
def _end_of_character(data, at):  # type: ignore[no-untyped-def]
    """Return the end of the character or character reference that begins at ``at``."""
    byte = data[at]
    if byte < 0x80:
        if byte != _AMPERSAND:
            return at + 1
        end = at + 1
        if end < data.size and data[end] == _HASH:
            end += 1
        limit = min(data.size, end + _MAX_REFERENCE)
        while end < limit and (_is_letter(data[end]) or _is_digit(data[end])):
            end += 1
        return end + 1 if end < data.size and data[end] == _SEMICOLON else end
    return at + (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)


@njit(cache=True, nogil=True)
def _end_of_short_text(data, at):  # type: ignore[no-untyped-def]
    """Return the end of the short text that begins at ``at``; 0 if it is none."""
    end = _end_of_character(data, at)
    is_candidate = data[at] >= 0x80 or data[at] == _AMPERSAND
    if end < data.size and data[end] != _LESS and not _is_blank(data[end]):
        is_candidate |= data[end] >= 0x80 or data[end] == _AMPERSAND
        end = _end_of_character(data, end)
    if not is_candidate or end > data.size:
        return 0
    behind = end
    while behind < data.size and _is_blank(data[behind]):
        behind += 1
    return end if behind == data.size or data[behind] == _LESS else 0


@njit(cache=True, nogil=True)
def _add_short_text(data, at, places, found):  # type: ignore[no-untyped-def]
    """Note the short text between a tag that ends at ``at`` and the next; return how many."""
    while at < data.size and _is_blank(data[at]):
        at += 1
    if at == data.size or data[at] == _LESS:
        return found
    end = _end_of_short_text(data, at)
    if end == 0:
        return found
    places[found, 0], places[found, 1] = at, end
    return found + 1


@njit(cache=True, nogil=True)
def _tag_number(data, first):  # type: ignore[no-untyped-def]
    """Return a number for the name of the tag that begins at ``first``, and the name's end."""
    number = 0
    end = first
    while end < min(data.size, first + _MAX_NAME):
        byte = data[end]
        if _is_letter(byte):
            byte |= 32
        elif not _is_digit(byte):
            break
        number = number << 8 | byte
        end += 1
    return number, end


@njit(cache=True, nogil=True)
def _formatting_tag(number, formatting):  # type: ignore[no-untyped-def]
    if number > formatting[-1]:
        return -1
    for tag in range(formatting.size):
        if formatting[tag] == number:
            return tag
    return -1


@njit(cache=True, nogil=True)
def _attributes_end(data, at):  # type: ignore[no-untyped-def]
    chars = 0
    while at < data.size and data[at] != _GREATER:
        chars += (data[at] & 0xC0) != 0x80
        if chars > MAX_ATTRIBUTE_CHARS:
            break
        at += 1
    return at


@njit(cache=True, nogil=True)
def _scan(data, formatting, places):  # type: ignore[no-untyped-def]
    n_open = np.zeros(formatting.size, np.int64)
    depth = deepest = active = reopened = 0
    attributes_end = 0  # of the last formatting tag
    found = _add_short_text(data, 0, places, 0)  # a document may begin with text
    for at in range(data.size - 1):
        byte = data[at]
        if byte != _LESS and byte != _GREATER:
            continue
        if byte == _GREATER:
            found = _add_short_text(data, at + 1, places, found)
            continue
        closes = data[at + 1] == _SLASH
        first = at + 2 if closes else at + 1
        if first >= data.size or not _is_letter(data[first]):
            continue
        number, end = _tag_number(data, first)
        follows = data[end] if end < data.size else np.uint8(_GREATER)
        if number in (_DIV, _UL, _ARTICLE, _FOOTER) and follows != _UNDERSCORE and follows < 0x80:
            depth = max(depth - 1, 0) if closes else depth + 1
            deepest = max(deepest, depth)
        if first < attributes_end:
            continue
        which = -1
        if _is_blank(follows) or follows in (_SLASH, _GREATER):
            which = _formatting_tag(number, formatting)
        if which < 0:
            reopened += active
            continue
        attributes_end = _attributes_end(data, end)
        if not closes:
            n_open[which] += 1
            active += 1
        elif n_open[which]:
            n_open[which] -= 1
            active -= 1
    return deepest, reopened, found
