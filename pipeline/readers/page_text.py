"""From the bytes of a web page to its text: charset, and extraction by resiliparse."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

MAX_NESTING = 1_000
"""Elements within each other: the time that main-content extraction takes grows with its square."""

MAX_REOPENED = 2_000_000
"""Elements that HTML's parsing may make of tags left open: a megabyte of tags makes billions."""

_IDENTICAL = 3  # formatting elements that are opened again, of those with the same attributes
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"""<meta[^>]{1,512}?charset\s*=\s*["']?\s*([\w:.-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.-]+)""",
    re.IGNORECASE,
)
_DECLARED_WITHIN_BYTES = 2_048
_WIDER = {"shift_jis": "cp932", "gbk": "gb18030", "euc_kr": "cp949"}  # as browsers take them
_NOT_ASCII = bytes(range(0x80, 0x100))
_FORMATTING_TAG = re.compile(
    r"<(/?)(?:(a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])([^>]{0,200})|[a-z])",
    re.IGNORECASE,
)
_NESTING_TAG = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)


class Page(NamedTuple):
    """What an HTML document says."""

    title: str
    text: str


class HtmlError(Exception):
    """The page cannot be turned into text."""


def decode_page(data: bytes, charset: str | None) -> str:
    """Decode a page whose HTTP header names ``charset``.

    A byte-order mark decides first, and then UTF-8 if the bytes are valid UTF-8 without control
    bytes of other encodings, whatever the headers say: chance does not make valid UTF-8. Otherwise
    the encodings named by HTTP and by the page itself (as the WHATWG's standard maps labels), and
    then the detected one, are tried, until at most one in 20 bytes beyond ASCII is invalid in it.
    Invalid bytes become U+FFFD.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    if b"\0" not in data and b"\x1b" not in data:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    bytes_beyond_ascii = len(data) - len(data.translate(None, _NOT_ASCII))
    candidates = []
    for encoding in _encodings(data, charset):
        text = data.decode(encoding, "replace")
        if text.count("\ufffd") * 20 <= bytes_beyond_ascii:
            return text
        candidates.append(text)
    return candidates[0]


def _encodings(data: bytes, charset: str | None) -> Iterator[str]:
    declared = _DECLARED.search(data, 0, _DECLARED_WITHIN_BYTES)
    named = (declared.group(1) or declared.group(2)).decode() if declared else None
    for label in (charset, named):
        encoding = map_encoding_to_html5(label, fallback_utf8=False) if label else None
        if encoding:
            yield _WIDER.get(encoding, encoding)
    detected = detect_encoding(data) or "utf-8"
    yield _WIDER.get(detected, detected)


def html_page(html: str, *, main_content: bool) -> Page:
    """Extract title and text of an HTML document with resiliparse.

    With ``main_content``, navigation, footers and the like are left out by its heuristics. Blocks
    and list items stand on lines of their own; alternative texts of images are left out. Raises
    :class:`HtmlError` where the extraction fails.
    """
    if main_content and _nesting(html) > MAX_NESTING:
        raise HtmlError(f"more than {MAX_NESTING} elements within each other")
    if _reopens_too_many(html):
        raise HtmlError(f"tags left open make more than {MAX_REOPENED} elements")
    try:
        tree = HTMLTree.parse(html)
        text = extract_plain_text(tree, main_content=main_content, alt_texts=False)
        return Page(tree.title or "", text)
    except Exception as error:
        raise HtmlError(f"{type(error).__name__}: {error}") from error


def _nesting(html: str) -> int:
    """Bound how deep the elements lie that make main-content extraction slow."""
    if html.count("<") <= MAX_NESTING:
        return 0
    depth = deepest = 0
    for tag in _NESTING_TAG.finditer(html):
        depth = max(depth - 1, 0) if tag.group(1) else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _reopens_too_many(html: str) -> bool:
    """Tell whether tags of formatting that stay open may make more than :data:`MAX_REOPENED`.

    Behind the end of every block, HTML opens again the formatting elements that are still open
    (13.2.4.3 of the WHATWG's standard), so that the elements grow with the square of the tags. Each
    other tag is taken for such an end, which is more than there can be.
    """
    tags = html.count("<")
    if tags * tags // 4 <= MAX_REOPENED:
        return False
    left_open: dict[str, list[str]] = {}  # by name, the attributes
    same: Counter[tuple[str, str]] = Counter()
    active = total = 0
    for tag in _FORMATTING_TAG.finditer(html):
        closes, name, attributes = tag.groups()
        if name is None:
            total += active
            if total > MAX_REOPENED:
                return True
        elif not closes:
            name = name.lower()
            left_open.setdefault(name, []).append(attributes)
            same[name, attributes] += 1
            active += same[name, attributes] <= _IDENTICAL
        elif opened := left_open.get(name.lower()):
            name, attributes = name.lower(), opened.pop()
            active -= same[name, attributes] <= _IDENTICAL
            same[name, attributes] -= 1
    return False
