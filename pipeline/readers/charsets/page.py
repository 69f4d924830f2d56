"""The letters of a web page: which encoding it has, and whether that had to be guessed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from resiliparse.parse.encoding import detect_encoding

from pipeline.readers.charsets.decoders import decoded
from pipeline.readers.charsets.labels import encoding_of
from pipeline.readers.charsets.prescan import declared_encoding, xml_encoding
from pipeline.readers.text_encoding import nearly_utf8

MAX_WRONG = 1 / 20
"""Highest share of wrong letters, of the bytes beyond ASCII, in a page's encoding."""

MAX_WRONG_IN_UTF8 = 2
"""Most wrong letters for each right one in what is labelled UTF-8, which is seldom so by chance."""

FEW_LETTERS = 30
"""Fewest letters beyond ASCII by which it is judged whether their order is that of words."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_NOT_ASCII = bytes(range(0x80, 0x100))
_NO_LETTER = re.compile("[\ufffd\x80-\x9f\ue000-\uf8ff]")
_LATIN = frozenset(
    (
        *("iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-10", "iso-8859-13", "iso-8859-14"),
        *("iso-8859-15", "iso-8859-16", "macintosh", "windows-1250", "windows-1252"),
        *("windows-1254", "windows-1257", "windows-1258"),
    )
)
_CYRILLIC = frozenset(
    ("ibm866", "iso-8859-5", "koi8-r", "koi8-u", "windows-1251", "x-mac-cyrillic")
)
_BEYOND_ASCII_RUN = re.compile(rb"[\x80-\xff]{3,}")
_CAPITAL_INSIDE = re.compile("[а-џґ][А-ЯЀ-Џ]")
_CAPITAL_FIRST = re.compile("[А-ЯЀ-Џ][а-џґ]")
_DETECTED = {
    "cp949": "euc-kr",
    "iso2022-jp": "iso-2022-jp",
    "iso2022-kr": "iso-2022-kr",
    "mac-cyrillic": "x-mac-cyrillic",
    "mac-roman": "macintosh",
}
_KOREAN_7_BIT = "iso-2022-kr"


class DecodedPage(NamedTuple):
    """The text of a page, with its markup."""

    text: str
    is_guessed: bool = False  # whether neither the bytes nor a label say the encoding
    is_right: bool = True  # whether the letters are those of words, as far as that can be told


def decode_page(
    data: bytes, charset: str | None = None, *, hint: str | None = None, is_xml: bool = False
) -> DecodedPage:
    """Decode a page; ``charset`` is the label of the encoding in its HTTP header, if any.

    A byte-order mark decides first. Without one, UTF-8 without NUL and escape bytes is UTF-8,
    whatever the labels say, since other encodings are hardly ever valid UTF-8; one letter in ten
    may be wrong. Otherwise the encodings that are named by HTTP, by the page, and by ``hint``, then
    the detected one and Windows-1252, are tried in turn. The first is taken that fits: at most
    :data:`MAX_WRONG` of the bytes beyond ASCII are no letters, in UTF-8 two for each that is one,
    and the letters are not in an order that only wrong ones have. With ``is_xml`` an XML
    declaration counts before ``meta`` elements. Wrong bytes become U+FFFD.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return DecodedPage(decoded(data[len(mark) :], encoding))
    if b"\0" not in data and b"\x1b" not in data:
        try:
            return DecodedPage(data.decode())
        except UnicodeDecodeError:
            utf8 = nearly_utf8(data, trusted=True)
            if utf8 is not None:
                return DecodedPage(utf8)
    n_beyond_ascii = len(data) - len(data.translate(None, _NOT_ASCII))
    first = None
    for encoding, is_guessed in _encodings(data, charset, hint, is_xml):
        if encoding == _KOREAN_7_BIT:
            text = data.decode("iso2022_kr", "replace")
        else:
            text = decoded(data, encoding)
        if _fits(text, data, encoding, n_beyond_ascii):
            return DecodedPage(text, is_guessed)
        first = first or DecodedPage(text, is_guessed, is_right=False)
    assert first
    return first


def _encodings(
    data: bytes, charset: str | None, hint: str | None, is_xml: bool
) -> Iterator[tuple[str, bool]]:
    """Yield the encodings that a page may have, and whether each is a guess."""
    if charset and (named := _named(charset)):
        yield named, False
    declared = (xml_encoding(data) if is_xml else None) or declared_encoding(data)
    if declared:
        yield declared, False
    if hint and (named := _named(hint)):
        yield named, False
    detected = (detect_encoding(data, html5_compatible=False) or "utf-8").lower().replace("_", "-")
    if guessed := _named(_DETECTED.get(detected, detected)):
        yield guessed, True
    yield "windows-1252", True


def _named(label: str) -> str | None:
    """Return the encoding of a label.

    Browsers read nothing that is labelled as Korean of 7 bits, for scripts could hide in it. Here
    it is text alone.
    """
    encoding = encoding_of(label)
    if encoding == "replacement":
        return _KOREAN_7_BIT if "kr" in label.lower() else None
    return encoding


def _fits(text: str, data: bytes, encoding: str, n_beyond_ascii: int) -> bool:
    n_wrong = len(_NO_LETTER.findall(text))
    if encoding == "utf-8":
        n_letters = len(text) - len(text.encode("ascii", "ignore"))
        return n_wrong <= (n_letters - n_wrong) * MAX_WRONG_IN_UTF8
    if n_wrong > n_beyond_ascii * MAX_WRONG:
        return False
    if encoding.startswith("utf-16"):
        return b"\0" in data  # of spaces, line ends or markup
    if n_beyond_ascii < FEW_LETTERS:
        return True
    if encoding in _LATIN:  # where letters beyond ASCII stand among those of ASCII
        n_in_runs = sum(len(run) for run in _BEYOND_ASCII_RUN.findall(data))
        return n_in_runs * 2 <= n_beyond_ascii
    if encoding in _CYRILLIC:
        return len(_CAPITAL_INSIDE.findall(text)) <= len(_CAPITAL_FIRST.findall(text)) + 1
    return True
