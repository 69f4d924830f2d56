"""XHTML written again as HTML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from pipeline.readers.html.xhtml import html_of_xhtml
from tests.support.growth import assert_linear

PAGE = (
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title></head>'
    "<body>{}</body></html>"
)


def _body(xhtml: str) -> str:
    html = html_of_xhtml(PAGE.format(xhtml))
    assert html.startswith("<!DOCTYPE html><html><head><title>T</title></head><body>"), html
    return html.partition("<body>")[2].removesuffix("</body></html>")


@pytest.mark.parametrize(
    ("xhtml", "html"),
    [
        ("<p>a<br/>b</p><hr></hr>", "<p>a<br>b</p><hr>"),
        ("<div/><a id='x'/>", '<div></div><a id="x"></a>'),
        ("<script src='a.js'/>a<style/>b<iframe/>c", "abc"),
        ("a<script>if (a &lt; b) {}</script>b<noscript><p>no</p></noscript>c", "abc"),
        ("<![CDATA[<b> & ]]>", "&lt;b&gt; &amp; "),
        ("a&nbsp;b&mdash;&amp;lt;&#x263a;&unknown;", "a&nbsp;b&mdash;&amp;lt;☺&unknown;"),
        ('<p title="&quot;&lt;">a</p>', '<p title="&quot;&lt;">a</p>'),
        ("<?php echo ?><!-- no -->a", "a"),
        ("<x:p xmlns:x='http://www.w3.org/1999/xhtml'>a</x:p>", "<p>a</p>"),
        ("<o:p/>a<o:é>b</o:é><q.r/>", "<x-p></x-p>a<x-é>b</x-é><q.r></q.r>"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><title>t</title></svg>a<s:svg>b</s:svg>", "a"),
        ("<title>a<b>c</b></title>d", "<title>ac</title>d"),
    ],
)
def test_elements_and_text_are_the_same(xhtml: str, html: str) -> None:
    assert _body(xhtml) == html


def test_entities_that_the_document_declares() -> None:
    entities = '<!DOCTYPE html [<!ENTITY sea "the &lt;b>sea&lt;/b>"><!ENTITY gull "<i>gull</i>">]>'
    html = html_of_xhtml(entities + "<html><p>&sea;, &gull;, &eacute;</p></html>")
    assert html.endswith("<p>the &lt;b&gt;sea&lt;/b&gt;, <i>gull</i>, &eacute;</p></html>")


@pytest.mark.parametrize("levels", [4, 12])
def test_entities_that_grow_beyond_bounds_stay_unread(levels: int) -> None:
    entities = ['<!ENTITY l0 "lol">']
    for level in range(1, levels):
        entities.append(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">')
    document = f"<!DOCTYPE html [{''.join(entities)}]><html><p>&l{levels - 1};</p></html>"
    assert html_of_xhtml(document) == document


@pytest.mark.parametrize("error", ["<p>", "<br>", "</i>", "&", "<p a=b>", "<p a='1' a='2'/>"])
def test_what_is_not_well_formed_keeps_its_markup(error: str) -> None:
    xhtml = PAGE.format(f"a{error}<script src='a>b.js' />b<br/>c<p class=\"x\"/>d").replace(
        "<title>T</title>", "<title/>"
    )
    html = html_of_xhtml("\ufeff\n" + xhtml)
    assert "<title></title>" in html
    assert "<script src='a>b.js' ></script>b<br/>c<p class=\"x\"></p>d" in html
    assert html.startswith("<?xml")


_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
_NAMES = st.sampled_from(["p", "div", "b", "i", "span", "br", "script", "title", "x:y", "é", "li"])


def _element(children: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(_NAMES, st.lists(children, max_size=4))


def _xml(node: object) -> str:
    if isinstance(node, str):
        return node.replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "]]&gt;")
    name, children = node
    inner = "".join(map(_xml, children))
    return f"<{name}>{inner}</{name}>" if inner or name == "p" else f"<{name}/>"


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.recursive(_TEXTS, _element, max_leaves=12), max_size=4).map(lambda n: ("div", n))
)
def test_all_text_that_is_shown_is_there(tree: object) -> None:
    document = PAGE.replace("<html", '<html xmlns:x="x"').format(_xml(tree))
    body = ElementTree.fromstring(document)[1]
    for element in body.iter():
        if element.tag.endswith("script"):
            element.text = ""
            del element[:]
    shown = "".join(body.itertext())
    found = HTMLTree.parse(html_of_xhtml(document)).body.text
    assert sorted(found.replace("\0", "")) == sorted(shown.replace("\0", ""))


def test_time_is_linear() -> None:
    for piece in ("<a>", '<a "', "<a b='", "<a/", "<![CDATA[&", "<!--", "<a/><p>", "&x;"):
        assert_linear(lambda n, piece=piece: html_of_xhtml(piece * n), 20_000)
    assert_linear(lambda n: html_of_xhtml("<p>" + "<i/>x" * n + "</p>"), 20_000)
