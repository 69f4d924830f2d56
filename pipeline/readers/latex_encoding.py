r"""The encoding of LaTeX files, as they say it: ``\usepackage[koi8-r]{inputenc}`` and the like.

A declaration holds from its place on, also in files that are read after it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.readers.text_encoding import codec_of, decoded_with, nearly_utf8
from transforms.latex.scan import Scan

_DECLARATION = re.compile(
    r"\\(?:usepackage|RequirePackage)[ \t\n]{0,9}\[(?P<options>[^\[\]]{1,200})\][ \t\n]{0,9}"
    r"\{[^{}]{0,200}\binputen[cx]\b[^{}]{0,200}\}"
    r"|\\inputencoding[ \t\n]{0,9}\{[ \t]{0,9}(?P<switch>[^{}\s]{1,40})[ \t]{0,9}\}"
    r"|\\begin[ \t]{0,9}\{CJK\*?\}[ \t\n]{0,9}(?:\[[^\[\]\n]{0,40}\])?"
    r"\{(?P<cjk>[A-Za-z0-9]{1,12})\}"
)
_DECLARING_BYTES = re.compile(rb"inputen[cx]|\{CJK")
_LINE_END = re.compile("\r\n?")
_OPTION = re.compile(r"[^\s,]+")
# Options of the packages inputenc and CJK that are named otherwise elsewhere.
_NAMES = {
    "utf8": "utf-8",
    "utf8x": "utf-8",
    "lutf8": "utf-8",
    "utf8math": "utf-8",
    "applemac": "mac_roman",
    "macce": "mac_latin2",
    "maccyr": "mac_cyrillic",
    "ansinew": "cp1252",
    "cp437de": "cp437",
    "latin5": "iso8859-9",
    "koi8-ru": "koi8-u",
    "8859-6": "iso8859-6",
    "8859-8": "iso8859-8",
    "bg5": "big5hkscs",
    "gb": "gb18030",
    "gbk": "gb18030",
    "ks": "cp949",
    "jis": "euc_jp",
    "sjis": "cp932",
}


class LatexFile(NamedTuple):
    """A decoded file, and the encodings that it declares for what follows, with their places."""

    scan: Scan
    declared: list[tuple[int, str]]
    is_guessed: bool = False  # whether nothing says what the bytes beyond ASCII are


def decode_latex(content: bytes, codec: str | None = None) -> LatexFile:
    """Decode a file; ``codec`` is the encoding declared ahead of it.

    In this order: UTF-16 with a byte-order mark; UTF-8 where the bytes are valid, or nearly all
    are; what is declared; Windows-1252, or Latin-1. All line ends become ``\\n``.
    """
    is_guessed = False
    declares = _DECLARING_BYTES.search(content) is not None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, is_guessed = _decode_parts(content, codec, declares=declares)
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    scan = Scan(text)
    return LatexFile(scan, _declared(scan) if declares else [], is_guessed)


def declared_in(content: bytes) -> str | None:
    """Return the encoding that a file such as a package of the authors declares last."""
    if not _DECLARING_BYTES.search(content):
        return None
    return next((codec for _, codec in reversed(_declared(Scan(content.decode("latin-1"))))), None)


def _declared(scan: Scan) -> list[tuple[int, str]]:
    found = []
    for match in scan.matches(_DECLARATION):
        options = _OPTION.findall(match["options"] or match["switch"] or match["cjk"])
        codecs = [codec for option in options if (codec := _codec_of_option(option))]
        if codecs:  # of several options the last one is active
            found.append((match.end(), codecs[-1]))
    return found


def _codec_of_option(option: str) -> str | None:
    return codec_of(_NAMES.get(option.lower(), option))


def _decode_parts(content: bytes, codec: str | None, *, declares: bool) -> tuple[str, bool]:
    """Decode what lies between the declarations of a file by what holds there."""
    declared = _declared(Scan(content.decode("latin-1"))) if declares else []
    ends = [*(end for end, _ in declared), len(content)]
    codecs = [codec, *(declared_codec for _, declared_codec in declared)]
    pieces, at, is_guessed = [], 0, False
    for end, part_codec in zip(ends, codecs, strict=True):
        text, guessed = _decode_part(content[at:end], part_codec)
        is_guessed |= guessed
        pieces.append(text)
        at = end
    return "".join(pieces), is_guessed


def _decode_part(data: bytes, codec: str | None) -> tuple[str, bool]:
    if data.isascii():
        return data.decode("ascii"), False
    is_other = codec is not None and codec not in ("utf-8", "ascii")
    utf8 = nearly_utf8(data, trusted=is_other)
    if utf8 is not None:
        return utf8, False
    if is_other and codec is not None:
        return decoded_with(data, codec), False
    try:
        return data.decode("cp1252"), True
    except UnicodeDecodeError:
        return data.decode("latin-1"), True
