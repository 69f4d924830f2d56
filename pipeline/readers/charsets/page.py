"""The letters of a web page: which encoding it has, and whether that had to be guessed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from resiliparse.parse.encoding import detect_encoding

from pipeline.readers.charsets.decoders import decoded
from pipeline.readers.charsets.fits import contradicts, fits
from pipeline.readers.charsets.labels import encoding_of
from pipeline.readers.charsets.prescan import declared_encoding, xml_encoding
from pipeline.readers.text_encoding import nearly_utf8

JUDGED_BYTES = 1 << 18
"""Most bytes of a page by which it is judged whether an encoding fits."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_NOT_ASCII = bytes(range(0x80, 0x100))
_LETTER = re.compile(rb"[\x80-\xff]")
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
    the detected one and Windows-1252, are tried in turn. What is detected comes first where it is
    surer than a label. The first is taken that :func:`.fits.fits`. With ``is_xml`` an XML
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
    part = _part_to_judge(data)
    n_beyond_ascii = len(part) - len(part.translate(None, _NOT_ASCII))
    encodings = list(_encodings(data, part, n_beyond_ascii, charset, hint, is_xml))
    for encoding, is_guessed in encodings:
        text = _decoded(part, encoding)
        if fits(text, part, encoding, n_beyond_ascii):
            return DecodedPage(text if part is data else _decoded(data, encoding), is_guessed)
    encoding, is_guessed = encodings[0]
    return DecodedPage(_decoded(data, encoding), is_guessed, is_right=False)


def _part_to_judge(data: bytes) -> bytes:
    """Return a page, or of a long one a part that begins just ahead of its letters."""
    if len(data) <= JUDGED_BYTES:
        return data
    letter = _LETTER.search(data)
    begin = max(letter.start() - 64, 0) // 2 * 2 if letter else 0  # even, as UTF-16 has it
    return data[begin : begin + JUDGED_BYTES]


def _decoded(data: bytes, encoding: str) -> str:
    if encoding == _KOREAN_7_BIT:
        return data.decode("iso2022_kr", "replace")
    return decoded(data, encoding)


def _encodings(
    data: bytes,
    part: bytes,
    n_beyond_ascii: int,
    charset: str | None,
    hint: str | None,
    is_xml: bool,
) -> Iterator[tuple[str, bool]]:
    """Yield the encodings that a page may have, and whether each is a guess."""
    name = (detect_encoding(part, html5_compatible=False) or "utf-8").lower().replace("_", "-")
    detected = _named(_DETECTED.get(name, name))
    declared = (xml_encoding(data) if is_xml else None) or declared_encoding(data)
    named = [_named(charset) if charset else None, declared, _named(hint) if hint else None]
    for encoding in (one for one in named if one and one != "replacement"):
        if detected and contradicts(detected, encoding, n_beyond_ascii):
            yield detected, True
        yield encoding, False
    if detected:
        yield detected, True
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
