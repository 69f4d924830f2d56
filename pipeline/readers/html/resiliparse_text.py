"""Text of an HTML document by resiliparse, with what it loses put back.

resiliparse 2.0 leaves out more than it means to. Each function below mends one such loss, and
``tests/pipeline/readers/test_resiliparse_text.py`` tells when the library does without it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

NOT_TEXT = ("object", "video", "audio", "img", "area", "svg")
"""Elements that show no text of the page: media, and what stands in their place.

To leave out alternative texts, the library leaves out these, and also ``figure`` and
``figcaption``, with the tables, listings, quotations and captions in them. So it is told to keep
alternative texts, and to skip the elements that have one.
"""

_CODE_BEGIN = "\x01"  # which no page has
_DIGITS = string.digits + string.ascii_letters
_CODE = re.compile(rf"{_CODE_BEGIN}([{_DIGITS}])([{_DIGITS}])")
_FORMAT = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_SHALLOW_LISTS = "body > ul, body > * > ul, body > * > * > ul"
_LEVELS_ABOVE = 3  # least elements that stand between the body and a list that is not shallow


class Extracted(NamedTuple):
    """The title and the text that were found."""

    title: str
    text: str


def extracted_text(
    html: str,
    short_texts: npt.NDArray[np.int32],
    prepare: Callable[[HTMLTree], None] | None = None,
    *,
    main_content: bool,
) -> Extracted:
    """Title and text of an HTML document, or with ``main_content`` its main text.

    ``short_texts`` are the places that :func:`scan_markup` found in the document's UTF-8.
    ``prepare`` may change the tree that text is taken from.
    """
    lone: list[str] = []
    if main_content:
        html, lone = _with_codes(html, short_texts)
        tree = HTMLTree.parse(html)
        _lower_shallow_lists(tree)
    else:
        tree = HTMLTree.parse(html)
    title = tree.title or ""
    if prepare:
        prepare(tree)
    text = extract_plain_text(
        tree, main_content=main_content, alt_texts=True, skip_elements=NOT_TEXT
    )
    if lone:
        return Extracted(_without_codes(title, lone), _without_codes(text, lone))
    return Extracted(title, text)


def _with_codes(html: str, short_texts: npt.NDArray[np.int32]) -> tuple[str, list[str]]:
    """Put a code in the place of each text that would be taken for a character of an icon font.

    The library leaves out those of the private use area, U+E000 to U+F8FF, but it compares the
    bytes of UTF-8 in the wrong order. So nearly every text of three bytes whose last is not ASCII
    goes: ``“``, ``、``, ``€``, ``門``, but also ``né`` and ``5°``. A code is three bytes as well,
    and the share of links in an element, by which others are left out, stays what it was. Returned
    are the document and the texts, each in the place that its code says.
    """
    if not len(short_texts) or _CODE_BEGIN in html:
        return html, []
    data = html.encode("utf-8", "surrogatepass")
    codes: dict[str, int] = {}
    pieces = []
    done = 0
    for begin, end in short_texts.tolist():
        text = _left_out(data[begin:end])
        if text and (text in codes or len(codes) < len(_DIGITS) ** 2):
            pieces += [data[done:begin], _code(codes.setdefault(text, len(codes)))]
            done = end
    if not codes:
        return html, []
    return b"".join([*pieces, data[done:]]).decode("utf-8", "surrogatepass"), list(codes)


def _code(number: int) -> bytes:
    high, low = divmod(number, len(_DIGITS))
    return f"{_CODE_BEGIN}{_DIGITS[high]}{_DIGITS[low]}".encode()


def _without_codes(text: str, lone: list[str]) -> str:
    return _CODE.sub(
        lambda code: lone[_DIGITS.index(code[1]) * len(_DIGITS) + _DIGITS.index(code[2])], text
    )


@lru_cache(1 << 12)
def _left_out(encoded: bytes) -> str:
    """Return a text that can be seen, and that the library leaves out; "" for any other."""
    text = unescape(encoded.decode("utf-8", "surrogatepass"))
    if len(text.encode("utf-8", "surrogatepass")) != 3 or text.isascii() or _FORMAT.match(text):
        return ""
    return "" if "\ue000" <= text[-1] <= "\uf8ff" else text


def _lower_shallow_lists(tree: Any) -> None:
    """Put lists near the body into more elements.

    The library takes a ``ul`` less than four levels below ``body`` for navigation, whatever is in
    it. Lower ones are left out where a fifth of their text is links, so these are too.
    """
    if tree.body is None:
        return
    for shallow in tree.body.query_selector_all(_SHALLOW_LISTS)[:]:  # [:], for a loop is quadratic
        outer = inner = tree.create_element("div")
        for _ in range(_LEVELS_ABOVE - 1):
            wrapper = tree.create_element("div")
            inner.append_child(wrapper)
            inner = wrapper
        shallow.parent.insert_before(outer, shallow)
        inner.append_child(shallow)
