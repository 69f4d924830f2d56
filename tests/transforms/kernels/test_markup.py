"""The scan of markup, against regular expressions that say the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from transforms.kernels.formatting_tags import FORMATTING_TAGS, MAX_ATTRIBUTE_CHARS
from transforms.kernels.markup import scan_markup

_NESTING = re.compile(
    r"<(/?)(?:div|ul|article|footer)(?![\w\x80-\U0010ffff])", re.ASCII | re.IGNORECASE
)
_TAG = re.compile(
    rf"<(/?)(?:({'|'.join(FORMATTING_TAGS)})(?=[\s/>]|\Z)[^>]{{0,{MAX_ATTRIBUTE_CHARS}}}|[a-z])",
    re.ASCII | re.IGNORECASE,
)


def _plain_nesting(html: str) -> int:
    depth = deepest = 0
    for tag in _NESTING.finditer(html):
        depth = max(depth - 1, 0) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _plain_reopened(html: str) -> int:
    n_open = dict.fromkeys(FORMATTING_TAGS, 0)
    total = 0
    for tag in _TAG.finditer(html):
        if tag[2] is None:
            total += sum(n_open.values())
        elif not tag[1]:
            n_open[tag[2].lower()] += 1
        else:
            n_open[tag[2].lower()] = max(n_open[tag[2].lower()] - 1, 0)
    return total


def _short_texts(html: str) -> list[str]:
    data = html.encode("utf-8", "surrogatepass")
    return [
        data[begin:end].decode("utf-8", "surrogatepass")
        for begin, end in scan_markup(data).short_texts.tolist()
    ]


@pytest.mark.parametrize(
    ("html", "nesting"),
    [
        ("", 0),
        ("<", 0),
        ("<div", 1),
        ("<div><DIV/><div", 3),
        ("<div></div><article></article>", 1),
        ("<div><ul><li><article><footer>", 4),
        ("</div></div><div>", 1),
        ("<divx><div_><divé><div-x><article>", 2),
    ],
)
def test_nesting(html: str, nesting: int) -> None:
    assert scan_markup(html.encode()).nesting == nesting == _plain_nesting(html)


@pytest.mark.parametrize(
    ("html", "reopened"),
    [
        ("<b><p><p>", 2),
        ("<b></b><p>", 0),
        ("<b></b></b><i><p></p>", 2),
        ("<strong a='</strong>'><p>", 1),
        ("<STRIKE class=x><font/><p>", 2),
        ("<blink><bdi><p>", 0),
        ("<b " + "é" * 200 + "</b><p>", 0),
        ("<b " + "é" * 190 + "</b><p>", 1),
        ("<a<p>", 0),
    ],
)
def test_reopened_elements(html: str, reopened: int) -> None:
    assert scan_markup(html.encode()).reopened == reopened == _plain_reopened(html)


@pytest.mark.parametrize(
    ("html", "short"),
    [
        ("“", ["“"]),
        (" \n“ <p>", ["“"]),
        ("<b>né</b><i> 5° </i>x", ["né", "5°"]),
        ("<b>&ldquo;</b><b>n&eacute;</b><b>&#8212</b>", ["&ldquo;", "n&eacute;", "&#8212"]),
        ("<b>ab</b><b>a</b><b>née</b><b></b><b> </b>", []),
        ("<b>é <i>é é</i>", ["é"]),
        ("<b>\U0001d4d0</b>", ["\U0001d4d0"]),
        ("<b>a\x80", ["a\x80"]),
        ("a > é < b", ["é"]),
        ("<!-- x -->門<!-- y -->", ["門"]),
        ("<b>&</b><b>&;é</b>", ["&", "&;é"]),
        ("<b>&" + "a" * 40 + ";</b>", []),
    ],
)
def test_short_texts(html: str, short: list[str]) -> None:
    assert _short_texts(html) == short


PIECES = [
    "<b>",
    "</b>",
    "<a x='",
    "'>",
    "<div>",
    "</div>",
    "<p",
    ">",
    "<",
    " ",
    "é",
    "“",
    "&lt;",
    "x",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3))).map("".join))
def test_bounds_are_those_of_regular_expressions(html: str) -> None:
    markup = scan_markup(html.encode("utf-8", "surrogatepass"))
    assert markup.nesting == _plain_nesting(html)
    assert markup.reopened == _plain_reopened(html)
    for text in _short_texts(html):
        assert text.strip(" \t\n\v\f\r") == text != ""
        assert "<" not in text


def test_time_is_linear() -> None:
    for piece in (b"<b <b ", b"> >", b">&a", b"<a", b">\n\n"):
        assert_linear(lambda n, piece=piece: scan_markup(piece * n), 100_000)
