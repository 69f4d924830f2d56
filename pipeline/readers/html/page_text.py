"""Text of web pages, extracted by a library."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections import Counter
from typing import Any, Literal, NamedTuple

from resiliparse.parse.html import HTMLTree

from pipeline.readers.html.resiliparse_text import extracted_text
from pipeline.readers.html.superscripts import mark_scripts
from transforms.kernels.formatting_tags import FORMATTING_TAGS, MAX_ATTRIBUTE_CHARS

MAX_NESTING = 1_000
"""Deepest nesting of elements; the time of main-content extraction grows with its square."""

MAX_ELEMENTS = 50_000
MAX_CHILDREN = 4_000
MAX_ATTRIBUTES = 1_000
"""Most elements of a page, children of an element and attributes of an element for trafilatura.

Its time grows with the square of the last two. In the worst case, links side by side, 4,000 take a
second. None of 1,749 real pages is over these limits.
"""

Extractor = Literal["resiliparse", "trafilatura"]
"""Library that finds the main text of a page."""

MAX_REOPENED = 2_000_000
"""Most elements that unclosed formatting tags may make; a megabyte of tags can make billions."""

_IDENTICAL = 3  # most identical formatting elements that HTML reopens
_FORMATTING_TAG = re.compile(
    rf"<(/?)(?:({'|'.join(FORMATTING_TAGS)})(?=[\s/>])([^>]{{0,{MAX_ATTRIBUTE_CHARS}}})|[a-z])",
    re.IGNORECASE,
)


class Page(NamedTuple):
    """The title and the text of an HTML document."""

    title: str
    text: str


class HtmlError(Exception):
    """The page cannot be turned into text."""


def html_page(
    html: str,
    *,
    main_content: bool,
    extractor: Extractor = "resiliparse",
    marks_scripts: bool = False,
) -> Page:
    """Extract the title and the text of an HTML document.

    With ``main_content``, navigation, footers and the like are left out, by the heuristics of
    resiliparse, or of trafilatura set to favour precision. Without it, resiliparse extracts all
    text. Blocks and list items are on lines of their own. Alternative texts of images are left out;
    trafilatura also leaves out readers' comments. With ``marks_scripts``, resiliparse's text has
    ``10^8`` for ``10<sup>8</sup>``. Raises :class:`HtmlError` if extraction fails,
    and for a page whose structure would make it too slow.
    """
    from transforms.kernels.markup import scan_markup  # with numba, which few looks at a run need

    markup = scan_markup(html.encode("utf-8", "surrogatepass"))
    if main_content and markup.nesting > MAX_NESTING:
        raise HtmlError(f"more than {MAX_NESTING} elements within each other")
    if markup.reopened > MAX_REOPENED and _reopens_too_many(html):
        raise HtmlError(f"tags left open make more than {MAX_REOPENED} elements")
    try:
        if main_content and extractor == "trafilatura":
            return Page(HTMLTree.parse(html).title or "", _trafilatura_text(html))
        prepare = mark_scripts if marks_scripts else None
        return Page(*extracted_text(html, markup.short_texts, prepare, main_content=main_content))
    except HtmlError:
        raise
    except Exception as error:
        raise HtmlError(f"{type(error).__name__}: {error}") from error


def check_extractor(*, main_content: bool, extractor: Extractor = "resiliparse", **_: Any) -> None:
    """Raise ValueError if the extractor is not installed or cannot extract all text."""
    if extractor == "trafilatura":
        if not main_content:
            raise ValueError("trafilatura extracts main text alone; set main_content to true")
        if importlib.util.find_spec("trafilatura") is None:
            raise ValueError("trafilatura is not installed; run pip install '.[trafilatura]'")


def _trafilatura_text(html: str) -> str:
    """Return the main text that trafilatura finds, or an empty one.

    trafilatura's deduplication is off, since it depends on which pages the process saw before.
    """
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # a page without text is a row here
    tree = trafilatura.load_html(html)
    if tree is None:
        return ""
    for n_elements, element in enumerate(tree.iter(), 1):
        if n_elements > MAX_ELEMENTS:
            raise HtmlError(f"more than {MAX_ELEMENTS} elements")
        if len(element) > MAX_CHILDREN:
            raise HtmlError(f"more than {MAX_CHILDREN} elements side by side")
        if len(element.attrib) > MAX_ATTRIBUTES:
            raise HtmlError(f"an element of more than {MAX_ATTRIBUTES} attributes")
    text = trafilatura.extract(
        tree, favor_precision=True, include_comments=False, deduplicate=False
    )
    return text or ""


def _reopens_too_many(html: str) -> bool:
    """Tell whether unclosed formatting tags may make more than :data:`MAX_REOPENED` elements.

    After the end of every block, an HTML parser reopens the formatting elements that are still open
    (13.2.4.3 of the WHATWG's standard). So the number of elements can grow with the square of the
    number of tags. Every other tag is counted as the end of a block, which gives an upper bound.
    It is lower than that of :func:`scan_markup`, for HTML reopens three equal elements at most.
    """
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
