"""The decoders of the WHATWG's Encoding Standard, as browsers have them.

They are Python's codecs, with the letters that they lack and with the standard's way to go on after
a wrong byte. A pair of bytes that is no letter is one U+FFFD, and where its second byte is ASCII,
that byte is read again. So nothing is lost behind it.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pipeline.readers.charsets import differences

_WRONG = "\ufffd"
_LEADS = range(0x81, 0xFF)
_PYTHON_NAMES = {
    "ibm866": "cp866",
    "iso-8859-8-i": "iso-8859-8",
    "macintosh": "mac_roman",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
}
_UNICODE = {"utf-8": "utf-8", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}
_JIS_ROW = 94  # letters
_EUC_LEAD = 0xA1


class _Pairs(NamedTuple):
    """An encoding whose letters are of two bytes or more."""

    codec: str
    errors: str  # name of the error handler
    others: Mapping[str, str] = {}  # letters of the codec that are others on the web
    rare: Mapping[bytes, str] = {}  # letters that the codec confuses with others
    letter: re.Pattern[bytes] | None = None  # bytes of a letter, or of several other ones

    def decoded(self, data: bytes) -> str:
        """Decode bytes among which none of ``rare`` is."""
        text = data.decode(self.codec, self.errors)
        for letter, other in self.others.items():
            text = text.replace(letter, other)
        return text


def decoded(data: bytes, encoding: str) -> str:
    """Decode bytes; ``encoding`` is a name that :func:`.labels.encoding_of` gives.

    Wrong bytes become U+FFFD. A byte-order mark is a letter like others.
    """
    if name := _UNICODE.get(encoding):
        return data.decode(name, "replace")
    if encoding == "iso-2022-jp":
        return _iso_2022_jp(data)
    if encoding == "replacement":
        return _WRONG if data else ""
    if pairs := _PAIRS.get(encoding):
        return _in_pairs(data, pairs)
    return codecs.charmap_decode(data, "replace", _single_bytes(encoding))[0]


@functools.cache
def _single_bytes(encoding: str) -> str:
    """Return the letters of the 256 bytes; U+FFFE stands for none."""
    if encoding == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF700 + byte) for byte in range(256))
    name = _PYTHON_NAMES.get(encoding, encoding)
    letters = list(bytes(range(256)).decode(name, "replace").replace(_WRONG, "\ufffe"))
    for byte in range(0x80, 0xA0):
        if letters[byte] == "\ufffe":
            letters[byte] = chr(byte)  # a control character, as the standard has it
    for byte, letter in differences.SINGLE_BYTES.get(encoding, {}).items():
        letters[byte] = letter
    return "".join(letters)


def _in_pairs(data: bytes, encoding: _Pairs) -> str:
    if not encoding.letter or not any(rare in data for rare in encoding.rare):
        return encoding.decoded(data)
    pieces, begin = [], 0
    for match in encoding.letter.finditer(data):
        if letter := encoding.rare.get(match.group()):
            pieces += [encoding.decoded(data[begin : match.start()]), letter]
            begin = match.end()
    return "".join([*pieces, encoding.decoded(data[begin:])])


def _wrong_pair(data: bytes, at: int, leads: range) -> tuple[str, int]:
    """Return U+FFFD for what begins at ``at``, and where reading goes on."""
    two = data[at : at + 2]
    is_pair = len(two) == 2 and two[0] in leads and two[1] >= 0x80
    return _WRONG, at + 1 + is_pair


def _big5(data: bytes, at: int) -> tuple[str, int]:
    letter = differences.BIG5_ADDED.get(data[at : at + 2])
    return (letter, at + 2) if letter else _wrong_pair(data, at, _LEADS)


def _shift_jis(data: bytes, at: int) -> tuple[str, int]:
    if data[at] in (0xA0, 0xFD, 0xFE, 0xFF):
        return _WRONG, at + 1
    return _wrong_pair(data, at, _LEADS)


def _euc_kr(data: bytes, at: int) -> tuple[str, int]:
    return _wrong_pair(data, at, _LEADS)


def _euc_jp(data: bytes, at: int) -> tuple[str, int]:
    lead, trail, third = (*data[at : at + 3], 0, 0)[:3]
    if lead == 0x8F and _EUC_LEAD <= trail < 0xFF:
        if at + 3 > len(data):
            return _WRONG, len(data)
        return _WRONG, at + 2 + (third >= 0x80)
    if _EUC_LEAD <= lead < 0xFF and _EUC_LEAD <= trail < 0xFF and (letter := _jis(lead, trail)):
        return letter, at + 2
    is_lead = lead in (0x8E, 0x8F) or _EUC_LEAD <= lead < 0xFF
    return _WRONG, at + 1 + (is_lead and trail >= 0x80)


def _jis(lead: int, trail: int) -> str | None:
    """Return a letter of the web's JIS X 0208, which has the rows that ``cp932`` has."""
    row, cell = divmod((lead - _EUC_LEAD) * _JIS_ROW + trail - _EUC_LEAD, 2 * _JIS_ROW)
    pair = row + (0x81 if row < 0x1F else 0xC1), cell + (0x40 if cell < 0x3F else 0x41)
    try:
        return bytes(pair).decode("cp932")
    except UnicodeDecodeError:
        return None


def _gb18030(data: bytes, at: int) -> tuple[str, int]:
    four = data[at : at + 4]
    if four[0] == 0x80:
        return "€", at + 1
    if four[0] == 0xFF or len(four) == 1:
        return _WRONG, at + 1
    if not _is_digit(four[1]):
        return _wrong_pair(data, at, _LEADS)
    if (len(four) > 2 and four[2] not in _LEADS) or (len(four) > 3 and not _is_digit(four[3])):
        return _WRONG, at + 1
    return _WRONG, at + len(four)


def _is_digit(byte: int) -> bool:
    return 0x30 <= byte <= 0x39


def _handler(
    go_on: Callable[[bytes, int], tuple[str, int]],
) -> Callable[[UnicodeError], tuple[str, int]]:
    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        return go_on(error.object, error.start)

    return handle


for _go_on in (_big5, _shift_jis, _euc_kr, _euc_jp, _gb18030):
    codecs.register_error(f"web{_go_on.__name__}", _handler(_go_on))

_GB18030 = _Pairs(
    "gb18030",
    "web_gb18030",
    differences.GB18030_OTHERS,
    differences.GB18030_RARE,
    re.compile(rb"(?:[\x81-\xfe][0-9]){2}|[\x81-\xfe][\x00-\xff]|[\x00-\x80\xff]+"),
)
_PAIRS = {
    "big5": _Pairs(
        "big5hkscs",
        "web_big5",
        differences.BIG5_OTHERS,
        differences.BIG5_RARE,
        re.compile(rb"[\x81-\xfe][\x00-\xff]|[\x00-\x80\xff]+"),
    ),
    "euc-jp": _Pairs(
        "euc_jp",
        "web_euc_jp",
        differences.EUC_JP_OTHERS,
        differences.EUC_JP_RARE,
        re.compile(
            rb"\x8f[\xa1-\xfe][\x80-\xff]|[\x8e\x8f\xa1-\xfe][\x00-\xff]|[\x00-\x8d\x90-\xa0\xff]+"
        ),
    ),
    "euc-kr": _Pairs("cp949", "web_euc_kr"),
    "gb18030": _GB18030,
    "gbk": _GB18030,
    "shift_jis": _Pairs("cp932", "web_shift_jis", differences.SHIFT_JIS_OTHERS),
}

_ESCAPE = re.compile(rb"\x1b(?:\(([BIJ])|\$[@B])")
_JIS_PART = re.compile(rb"((?:[\x21-\x7e]{2})+)|[\x21-\x7e][^\x1b]?|[\x00-\xff]", re.S)
_NO_ASCII = re.compile("[\x0e\x0f\x1b\x80-\xff]")
_KATAKANA = "".join(chr(0xFF61 - 0x21 + b) if 0x21 <= b < 0x60 else _WRONG for b in range(256))
_ROMAN = str.maketrans("\\~", "¥‾")


def _iso_2022_jp(data: bytes) -> str:
    """Decode ISO-2022-JP, where escape sequences say what the bytes behind them are."""
    pieces, state, begin = [], b"B", 0
    for escape in [*_ESCAPE.finditer(data), None]:
        end = escape.start() if escape else len(data)
        pieces.append(_iso_2022_jp_part(data[begin:end], state))
        if begin and begin == end and escape:
            pieces.append(_WRONG)  # two escapes, of which the first says nothing
        if escape:
            state, begin = escape.group(1) or b"$", escape.end()
    return "".join(pieces)


def _iso_2022_jp_part(data: bytes, state: bytes) -> str:
    if state == b"$":
        return _JIS_PART.sub(_jis_part, data).decode()
    if state == b"I":
        return codecs.charmap_decode(data, "replace", _KATAKANA)[0]
    text = _NO_ASCII.sub(_WRONG, data.decode("latin-1"))
    return text.translate(_ROMAN) if state == b"J" else text


def _jis_part(match: re.Match[bytes]) -> bytes:
    if pairs := match.group(1):
        return decoded(pairs.translate(_TO_EUC), "euc-jp").encode()
    return _WRONG.encode()


_TO_EUC = bytes(byte | 0x80 for byte in range(256))
