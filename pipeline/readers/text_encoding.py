"""Encodings that are older than UTF-8: their names in any spelling, and bad bytes in a text.

Books and papers name their encodings as people write them ("ISO Latin-2", "Windows Code Page
1251"). A byte that is wrong in its encoding costs one letter, never the text.
"""

from __future__ import annotations

import codecs
import re

_PARTS = re.compile(r"[^0-9a-z]+")
_CODE_PAGE = re.compile(
    r"(?:windows|win|code ?page|cp|ibm|dos|oem|ms)(?: (?:windows|code ?page|cp|ansi|dos|pc))*"
    r" ?(\d{3,4})\b"
)
_ISO_8859 = re.compile(r"8859 ?(\d{1,2})\b")
_LATIN = re.compile(r"\b(?:iso ?)?latin ?(\d{1,2})\b")
_KOI8 = re.compile(r"\bkoi ?8 ?([rut])\b")
_EUC = re.compile(r"\beuc ?(jp|kr|tw|cn)\b")
_UTF = re.compile(r"\butf ?(7|8|16|32)\b")
_CODE_PAGES = {"932": "cp932", "936": "gb18030", "949": "cp949", "950": "big5hkscs"}
_WORDS = {
    "ascii": "ascii",
    "us ascii": "ascii",
    "iso 646": "ascii",
    "big5": "big5hkscs",
    "big 5": "big5hkscs",
    "gb2312": "gb18030",
    "gb 2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "shift jis": "cp932",
    "sjis": "cp932",
    "macintosh": "mac_roman",
    "mac roman": "mac_roman",
    "macroman": "mac_roman",
    "mac cyrillic": "mac_cyrillic",
}
_EUC_CODECS = {"jp": "euc_jp", "kr": "cp949", "cn": "gb18030"}
_ONE_LETTER = "one_letter"
_AHEAD_BYTES = 64  # read behind a wrong byte to find where letters begin again
_MULTIBYTE = frozenset(("big5hkscs", "gb18030", "cp932", "cp949", "euc_jp"))


def codec_of(label: str) -> str | None:
    """Return Python's name of the encoding that a label means, in any spelling.

    Returns None for a label that names no encoding that Python knows.
    """
    words = _PARTS.sub(" ", label.casefold()).strip()
    name = _name_in(words)
    for candidate in (name, words.replace(" ", "_"), words.replace(" ", "")):
        if candidate:
            try:
                return codecs.lookup(candidate).name if _is_text(candidate) else None
            except (LookupError, ValueError):
                continue
    return None


def _is_text(name: str) -> bool:
    """Tell whether a codec makes text of bytes; Python has others, such as ``hex``."""
    try:
        return isinstance(b"a".decode(name), str)
    except (LookupError, UnicodeError):
        return False


def _name_in(words: str) -> str | None:
    if utf := _UTF.search(words):
        return f"utf-{utf[1]}"
    if iso := _ISO_8859.search(words):
        return f"iso8859-{iso[1]}"
    if page := _CODE_PAGE.search(words):
        return _CODE_PAGES.get(page[1], f"cp{page[1]}")
    if latin := _LATIN.search(words):
        return f"latin{latin[1]}"
    if koi8 := _KOI8.search(words):
        return f"koi8-{koi8[1]}"
    if euc := _EUC.search(words):
        return _EUC_CODECS.get(euc[1])
    padded = f" {words} "
    return next((name for word, name in _WORDS.items() if f" {word} " in padded), None)


def nearly_utf8(data: bytes, *, trusted: bool) -> str | None:
    """Return bytes as UTF-8, with U+FFFD for each that is invalid, or None if they are not UTF-8.

    Text in other encodings hardly ever holds valid UTF-8 beyond ASCII. So it is UTF-8 if at least
    as many letters beyond ASCII are valid as are not. Where another encoding is ``trusted``, nine
    in ten must be.
    """
    text = data.decode(errors="replace")
    n_invalid = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    if not n_invalid:
        return text
    n_beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    if trusted:
        return text if n_invalid * 10 < n_beyond_ascii else None
    return text if n_invalid * 2 <= n_beyond_ascii else None


def decoded_with(data: bytes, codec: str) -> str:
    """Decode bytes; each letter that is wrong in the encoding becomes one U+FFFD."""
    return data.decode(codec, _ONE_LETTER if codec in _MULTIBYTE else "replace")


def _replace_one_letter(error: UnicodeError) -> tuple[str, int]:
    """Replace a letter of one byte or of two, whichever lets the following bytes be letters.

    Python goes on after the first byte. Where that is half a letter, all following ones would be
    put together from halves.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    ahead = error.object[error.start : error.start + _AHEAD_BYTES]
    whole = 0x80 < ahead[0] < 0xFF and ahead[1:2] >= b"\x80"
    steps = (2, 1) if whole else (1, 2)
    return "\ufffd", error.start + min(steps, key=lambda step: _cost(ahead[step:], error.encoding))


def _cost(data: bytes, codec: str) -> tuple[int, int]:
    text = data.decode(codec, "replace")
    return text.count("\ufffd"), len(text)


codecs.register_error(_ONE_LETTER, _replace_one_letter)
