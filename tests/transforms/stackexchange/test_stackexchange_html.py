from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from transforms.stackexchange.html import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a\n b</p>\n\n<p>c</p>", "a b\n\nc"),
        ("<p>a <strong>b</strong><em>c</em> <a href='x>y'>link</a></p>", "a bc link"),
        ("<h2>Head</h2>\n\n<p>x</p><hr><p>y</p>", "Head\n\nx\n\ny"),
        ("<p>a<br>\nb<br/><br/>c</p>", "a\nb\n\nc"),
        ("<p>1 &lt; 2 &amp;&amp; 3 &gt; 2 &copy;</p>", "1 < 2 && 3 > 2 ©"),
        ("<p>x < y and a<b</p>", "x < y and a<b"),
        ("<p>use <code>a  &lt;b&gt;</code></p>", "use `a <b>`"),
        ("<code>a`b</code> <code>`</code>", "``a`b`` `` ` ``"),
        ("<pre><code>if x:\n    y\n\n\nz &lt;\n</code></pre>", "```\nif x:\n    y\n\n\nz <\n```"),
        ("<p>a</p><pre><code>```\n</code></pre><p>b</p>", "a\n\n````\n```\n````\n\nb"),
        ("<ul>\n<li>a</li>\n<li>b c\nd</li>\n</ul>", "- a\n- b c d"),
        ("<p>x</p><ol start='9'><li>a</li><li>b<br>c</li></ol><p>y</p>",
         "x\n\n9. a\n10. b\n    c\n\ny"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ol><li><p>a</p><p>b</p></li><li><p>c</p></li></ol>", "1. a\n\n   b\n\n2. c"),
        ("<ul><li><pre><code>  x\n</code></pre></li><li>b</li></ul>", "-\n```\n  x\n```\n\n- b"),
        ("<blockquote><p>a<br>b</p><p>c</p></blockquote><p>d</p>", "> a\n> b\n\n> c\n\nd"),
        ("<p>10<sup>5</sup> x<sub>n+1</sub> y<sup>[1]</sup> <sup>z</sup></p>",
         "10^5 x_(n+1) y^[1] z"),
        ("<p><sub>small print</sub></p>", "small print"),
        ("<p>$a_1 &lt; b$ and $$\nx &amp;= 1\\\\\n  y\n$$ end\nline</p>",
         "$a_1 < b$ and $$\nx &= 1\\\\\n  y\n$$ end line"),
        ("<p>a\nb \\begin{align}\n x\n\\end{align}</p>", "a b \\begin{align}\n x\n\\end{align}"),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td></td><td>2</td></tr></table>", "a | b\n| 2"),
        ("<table><tr><td>1</td><td></td><td>3</td></tr><tr><td></td></table>x", "1 | | 3\n\nx"),
        ("<table><tr><td colspan='2'>a</td><td>b</td></tr></table>", "a | | b"),
        ("<tr>\n<td><p>a</p><p>b</p></td>\n<td>c<br>d</td>\n</tr><p>x</p>", "a b | c d\n\nx"),
        ("<table><tr><td>a<td>b<tr><td>c</table><p>x</p><p>y</p>", "a | b\nc\n\nx\n\ny"),
        ("<!-- begin snippet --><p>a</p><!-- open", "a"),
        ("<script>x</p></script><style>y</style>z", "z"),
        ("<p>&nbsp;</p><p>a</p>", "a"),
        ("a\r\nb<pre>c\r\nd</pre>", "a b\n\n```\nc\nd\n```"),
        ("</li></ul></blockquote></pre>x<li>y", "x\n- y"),
        ("", ""),
    ],
)  # fmt: skip
def test_html_to_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


_PIECES = [
    "<p>", "</p>", "<ul>", "</ul>", "<ol>", "<li>", "</li>", "<pre>", "</pre>", "<code>",
    "</code>", "<blockquote>", "</blockquote>", "<sup>", "</sup>", "<br>", "<td>", "<!--", "-->",
    "<a href=\"", "\">", "<", ">", "&", "&lt;", "$$", "`", "\n", " ", "word", "\\begin{a}", "<x",
]  # fmt: skip


class _Words(HTMLParser):
    """A parser of the standard library that collects all text outside of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(_PIECES), max_size=40) | st.lists(st.text(), max_size=5))
def test_wild_html_gives_text(pieces: list[str]) -> None:
    assert isinstance(html_to_text("".join(pieces)), str)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([p for p in _PIECES if p[-1] in ">dn\n " and p[:2] != "<!"])))
def test_no_word_is_lost(pieces: list[str]) -> None:
    html = "".join(piece for piece in pieces if piece not in ("-->", ">", '">'))
    parser = _Words()
    parser.feed(html)
    parser.close()
    expected = "".join(parser.words).count("word")
    assert html_to_text(html).count("word") == expected


@pytest.mark.parametrize(
    "piece",
    ["<ul><li>", "<ul>", "<sup>a", "<sup>a</sup>", "<!--", "<a ", '<a "', "<td> ", "<code>`", "$$ ",
     "\\begin{a} ", "<blockquote>x", "<br>", "<", "&", "</ul>", "<p>", "<pre>", "<a b='"],
)  # fmt: skip
def test_wild_html_takes_linear_time(piece: str) -> None:
    assert_linear(lambda times: html_to_text(piece * times), 12_500 // len(piece))
