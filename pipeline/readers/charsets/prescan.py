"""The encoding that an HTML page declares, as browsers find it.

This is the WHATWG's "prescan a byte stream to determine its encoding" (13.2.3.2 of the HTML
standard). Where what it found is in a script or a title, a parser meets the page's true ``meta``
later, and goes over to its encoding. So such places are passed over first, and ``meta`` elements
count wherever they are.
"""

from __future__ import annotations

import re

from pipeline.readers.charsets.labels import encoding_of

PRESCAN_BYTES = 1_024
"""Bytes of a page in which a declaration counts even where it is the text of a script."""

_MARKUP = re.compile(rb"<(?:(?P<comment>!--)|(?P<end>/?)(?P<name>[a-zA-Z][^\t\n\f\r />]*)|[!/?])")
_ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*)"
    rb"(?:[\t\n\f\r ]*=[\t\n\f\r ]*"
    rb"""(?:"(?P<double>[^"]*)"?|'(?P<single>[^']*)'?|(?P<bare>[^\t\n\f\r >]*)))?"""
)
_TAG_END = re.compile(rb"[\t\n\f\r /]*>")
_RAW_TEXT = frozenset(
    (b"iframe", b"noembed", b"noframes", b"script", b"style", b"textarea", b"title", b"xmp")
)
_IN_CONTENT = re.compile(
    rb"charset[\t\n\f\r ]*=[\t\n\f\r ]*"
    rb"""(?:"([^"]*)"|'([^']*)'|["']|([^\t\n\f\r ;]+))""",
    re.IGNORECASE,
)
_WORD = re.compile(rb"charset", re.IGNORECASE)
_XML = b"<?xml"
_IN_XML = re.compile(rb"""encoding[\x00-\x20]*=[\x00-\x20]*(["'])([^\x00-\x20>]*?)\1""")
_UTF_16_XML = ((b"<\0?\0x\0", "utf-16le"), (b"\0<\0?\0x", "utf-16be"))


def declared_encoding(page: bytes) -> str | None:
    """Return the encoding that an HTML page declares, or None."""
    for begin, encoding in _UTF_16_XML:
        if page.startswith(begin):
            return encoding
    words = [match.end() for match in _WORD.finditer(page)]
    if words:
        found = _in_metas(page, words[-1], pass_over=_RAW_TEXT)
        if not found and words[0] <= PRESCAN_BYTES:
            found = _in_metas(page[:PRESCAN_BYTES], PRESCAN_BYTES, pass_over=frozenset())
        if found:
            return found
    return xml_encoding(page)


def xml_encoding(page: bytes) -> str | None:
    """Return the encoding that an XML declaration at the beginning names, or None."""
    if not page.startswith(_XML):
        return None
    match = _IN_XML.search(page[: page.find(b">") + 1])
    return _ascii_superset(match[2]) if match else None


def _in_metas(page: bytes, last: int, *, pass_over: frozenset[bytes]) -> str | None:
    """Return the encoding of the first ``meta`` that names one; none begins after ``last``."""
    at = 0
    while (markup := _MARKUP.search(page, at)) and markup.start() < last:
        if markup["comment"]:
            at = page.find(b"-->", markup.start() + 2) + 3
            if at < 3:
                return None
        elif name := markup["name"]:
            attributes: dict[bytes, bytes] = {}
            at = _attributes(page, markup.end(), attributes)
            name = name.lower()
            if markup["end"] or at < 0:
                pass
            elif name == b"meta":
                if found := _in_meta(attributes):
                    return found
            elif name in pass_over:
                end = re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.I).search(page, at)
                at = end.start() if end else -1
            if at < 0:
                return None
        else:
            at = page.find(b">", markup.start()) + 1
            if not at:
                return None
    return None


def _attributes(page: bytes, at: int, into: dict[bytes, bytes]) -> int:
    """Note the attributes of a tag; returns the place behind it, or -1 where it has no end."""
    while not (end := _TAG_END.match(page, at)):
        attribute = _ATTRIBUTE.match(page, at)
        if not attribute:
            return -1
        value = attribute["double"] or attribute["single"] or attribute["bare"] or b""
        into.setdefault(attribute["name"].lower(), value)
        at = attribute.end()
    return end.end()


def _in_meta(attributes: dict[bytes, bytes]) -> str | None:
    if (label := attributes.get(b"charset")) is not None:
        return _ascii_superset(label)
    if attributes.get(b"http-equiv", b"").lower() != b"content-type":
        return None
    content = _IN_CONTENT.search(attributes.get(b"content", b""))
    label = next(filter(None, content.groups()), None) if content else None
    return _ascii_superset(label) if label else None


def _ascii_superset(label: bytes) -> str | None:
    """Return the encoding of a label that could be read, as it is, in bytes of ASCII."""
    encoding = encoding_of(label.decode("latin-1"))
    if encoding == "x-user-defined":
        return "windows-1252"
    return "utf-8" if encoding in ("utf-16le", "utf-16be") else encoding
