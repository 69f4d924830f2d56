"""What the bytes of a response are, whatever its headers say.

The signatures are those of the MIME Sniffing standard (https://mimesniff.spec.whatwg.org), with
formats that archives of the web hold beside them.
"""

from __future__ import annotations

import codecs
import re

SNIFFED_BYTES = 1_445
"""Bytes at the beginning of a response that tell what it is, as in the standard."""

MAX_CONTROLS = 1 / 20
"""Highest share of control characters in these bytes of a text; of compressed ones it is 1/10."""

FEW_CONTROLS = 8
"""Fewest control characters that show that these bytes are no text."""

_SIGNATURES = (
    ("application/gzip", rb"\x1f\x8b\x08"),
    ("application/zstd", rb"\x28\xb5\x2f\xfd"),
    ("application/zip", rb"PK(?:\x03\x04|\x05\x06)"),
    ("application/x-rar-compressed", rb"Rar!\x1a\x07"),
    ("application/x-7z-compressed", rb"7z\xbc\xaf\x27\x1c"),
    ("application/x-bzip2", rb"BZh[1-9]1AY&SY"),
    ("application/x-xz", rb"\xfd7zXZ\0"),
    ("application/pdf", rb"[\t\n\f\r ]*%PDF-"),
    ("application/postscript", rb"%!PS-Adobe-"),
    ("image/png", rb"\x89PNG\r\n\x1a\n"),
    ("image/gif", rb"GIF8[79]a"),
    ("image/jpeg", rb"\xff\xd8\xff"),
    ("image/webp", rb"RIFF....WEBPVP"),
    ("image/tiff", rb"(?:II\*\0|MM\0\*)"),
    ("image/x-icon", rb"\0\0[\1\2]\0"),
    ("image/bmp", rb"BM....\0\0\0\0"),
    ("image/avif", rb"\0\0\0.ftyp(?:avi[fs]|mif1|msf1|hei[cx])"),
    ("video/mp4", rb"\0\0\0.ftyp"),
    ("video/webm", rb"\x1a\x45\xdf\xa3"),
    ("application/ogg", rb"OggS\0"),
    ("audio/mpeg", rb"ID3[\2-\4]"),
    ("audio/wave", rb"RIFF....(?:WAVE|AVI )"),
    ("font/woff", rb"(?:wOF[F2]|OTTO\0|\0\1\0\0\0)"),
    ("application/wasm", rb"\0asm"),
    ("application/vnd.ms-office", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("application/x-shockwave-flash", rb"[CFZ]WS[\1-\x40]....[\x50-\xff]"),
)
_SIGNATURE = re.compile(
    rb"|".join(rb"(" + signature + rb")" for _, signature in _SIGNATURES), re.DOTALL
)
_CONTROLS = bytes((*range(0x01, 0x09), 0x0B, *range(0x10, 0x1B), *range(0x1C, 0x20)))
_HTML = re.compile(
    rb"(?:<\?xml\b[^>]{0,512}\?>|<!--.{0,2048}?-->|[\t\n\f\r ])*"
    rb"<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)"
    rb"(?=[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def binary_kind(body: bytes) -> str | None:
    """Return the media type of a body that is no text: compressed, a PDF, a picture; else None.

    A body without a signature is ``application/octet-stream`` if too many bytes at its beginning
    are control characters, as in what is still compressed by deflate or Brotli.
    """
    if found := _SIGNATURE.match(body):
        assert found.lastindex
        return _SIGNATURES[found.lastindex - 1][0]
    if body.startswith(_UTF_16_MARKS):
        return None
    head = body[:SNIFFED_BYTES]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    nuls = sorted((head[::2].count(0), head[1::2].count(0)))
    if nuls[0] * 10 > nuls[1]:  # in UTF-16 they are one of two bytes
        controls += sum(nuls)
    is_text = controls < FEW_CONTROLS or controls <= len(head) * MAX_CONTROLS
    return None if is_text else "application/octet-stream"


def looks_like_html(body: bytes) -> bool:
    """Tell whether a body of no known type begins as HTML does."""
    return _HTML.match(body.removeprefix(codecs.BOM_UTF8)) is not None
