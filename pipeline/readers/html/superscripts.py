"""Superscripts and subscripts of an HTML document, marked in its tree before text is extracted."""

from __future__ import annotations

from typing import Any

from transforms.kernels.superscripts import script

MAX_NESTING = 3
"""Deepest nesting of superscripts and subscripts. Deeper ones are unmarked."""

MAX_DEPTH = 64
"""Most elements around a superscript; with more it is unmarked."""

_NEAR = 8  # most nodes looked at for what stands ahead of a superscript
_INLINE = {
    *("a", "abbr", "b", "bdi", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins"),
    *("kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup"),
    *("tt", "u", "var"),
}


def mark_scripts(tree: Any) -> None:
    """Mark the superscripts and subscripts of an HTML tree: ``10<sup>8</sup>`` becomes ``10^8``.

    The mark of a note, a number or letter that is a link, is put in brackets: ``[1]``. Nested ones
    are marked from the innermost on.
    """
    if tree.body is None:
        return
    found = [
        element
        for element in tree.body.query_selector_all("sup, sub")[:]  # [:], for a loop is quadratic
        if _n_around(element) < MAX_NESTING
    ]
    for element in reversed(found):
        content = element.text
        if element.tag == "sup" and content.strip().isalnum() and _is_link(element):
            element.text = f"[{content.strip()}]"
        else:
            element.text = script(element.tag, content, _text_before(element))


def _n_around(element: Any) -> int:
    """Count the superscripts and subscripts around one."""
    count = 0
    for _ in range(MAX_DEPTH):
        element = element.parent
        if element is None or element.tag == "body":
            return count
        count += element.tag in ("sup", "sub")
    return MAX_NESTING


def _is_link(element: Any) -> bool:
    return element.parent.tag == "a" or element.query_selector("a") is not None


def _text_before(element: Any) -> str:
    """Return text of the same line that stands just ahead of an element; "" if there is none."""
    node = element
    for _ in range(_NEAR):
        ahead = node.prev
        if ahead is None:
            node = node.parent
            if node.tag not in _INLINE:
                return ""
            continue
        node = ahead
        if node.tag == "#comment":
            continue
        if node.tag != "#text" and node.tag not in _INLINE:
            return ""
        if text := node.text:
            return str(text)
    return ""
