"""What resiliparse loses of a page, and that it comes back."""

from __future__ import annotations

from html import unescape

import pytest
from resiliparse.extract.html2text import extract_plain_text

from pipeline.readers.html.page_text import MAX_NESTING, HtmlError, html_page
from pipeline.readers.html.resiliparse_text import NOT_TEXT
from tests.support.growth import assert_linear

STORY = "The ferry leaves at noon, and the road to the harbour is closed for the whole summer."


def _main(body: str) -> str:
    return html_page(f"<html><body>{body}</body></html>", main_content=True).text


def _all(body: str) -> str:
    return html_page(f"<html><body>{body}</body></html>", main_content=False).text


FIGURES = {
    "table": ("<table><tr><td>noon</td><td>8 crowns</td></tr></table>", "noon\t\t8 crowns"),
    "listing": (
        "<pre>for boat in fleet:\n    sail(boat)</pre>",
        "for boat in fleet:\n    sail(boat)",
    ),
    "quotation": ("<blockquote>No wind, no news.</blockquote>", "No wind, no news."),
    "caption": ('<img src="a.png" alt="ALT"><figcaption>The pier in 1904</figcaption>', "1904"),
    "picture": ('<picture><img src="a.png" alt="ALT"></picture>And words.', "And words."),
}


@pytest.mark.parametrize("extract", [_main, _all])
@pytest.mark.parametrize("kind", FIGURES)
def test_what_is_in_a_figure_stays_and_alternative_texts_go(kind: str, extract) -> None:
    content, expected = FIGURES[kind]
    text = extract(f'<p>{STORY}</p><figure class="wide">{content}</figure>')
    assert text.startswith(STORY)
    assert expected in text
    assert "ALT" not in text
    assert expected in extract(f"<figure>{content}</figure>")


@pytest.mark.parametrize("extract", [_main, _all])
def test_media_and_what_stands_in_their_place_go(extract) -> None:
    media = (
        '<object>no plug-in</object><video>no video</video><audio>no audio</audio><img alt="ALT">'
        '<map><area alt="ALT" href="/"></map><svg><title>icon</title><text>5</text></svg>'
    )
    assert extract(f"<div>{STORY}{media}</div>") == STORY


LONE = [
    *("“", "”", "、", "。", "€", "…", "—", "門", "が", "한", "ห", "₹", "！"),
    *("né", "où", "là", "5°", "(ü", "2²", "&é", "aд"),
    *(
        "&ldquo;",
        "&euro;",
        "&#8230;",
        "&#x95e8;",
        "&#150;",
        "&mdash",
        "n&eacute;",
        "&lt;ü",
        "&lt;&uuml;",
    ),
    "\u3000",
]


@pytest.mark.parametrize("lone", LONE)
def test_texts_of_three_bytes_stay(lone: str) -> None:
    for before, after in [("<b>", "</b>"), ("<a href=/x> ", "\n</a>"), ("<!-- -->", "<!-- -->")]:
        body = f"<p>{STORY} x{before}{lone}{after}y {STORY}</p>"
        assert _main(body) == _all(body)
    assert _main(f"<p>x<i>{lone}</i>y") == f"x{unescape(lone)}y"


def test_a_text_of_three_bytes_may_begin_or_end_the_page() -> None:
    page = html_page("“<em>Yes</em><q>、</q><p>門", main_content=True)
    assert page.text == "“Yes、\n\n門"
    page = html_page("<title>。</title><p>x<b>。</b>", main_content=True)
    assert page == ("。", "x。")


def test_many_lone_texts_each_come_back_in_its_place() -> None:
    signs = [chr(0x4E00 + i) for i in range(3_800)]
    page = html_page("".join(f"<i>{sign}</i>" for sign in signs * 2), main_content=True)
    assert page.text == "".join(signs * 2)


def test_icons_and_what_cannot_be_seen_stay_away() -> None:
    body = "<i>\ue01c</i>", "<i>\u200b</i>", "<i>&#xf8ff;</i>", "<i>\u2060</i>"
    assert _main(f"<p>{STORY}{''.join(body)}</p>") == STORY


def test_a_page_with_the_control_character_of_codes_is_read_as_it_is() -> None:
    assert _main("<p>a\x0100b<i>が</i></p>") == "a\x0100b"


LINKS = "".join(f"<li><a href=/{word}>{word}</a></li>" for word in ("Home", "News", "Contact"))
ITEMS = "<li>Bring a coat.</li><li>Bring bread for the way, and a cup.</li>"
IN = {
    "body": "{}",
    "article": "<article>{}</article>",
    "main": "<main><article><h1>Notes</h1>{}</article></main>",
    "deep": "<div><div><div><div>{}</div></div></div></div>",
}


@pytest.mark.parametrize("place", IN)
def test_a_list_is_text_wherever_it_stands(place: str) -> None:
    body = IN[place].format(f"<p>{STORY}</p><ul>{ITEMS}</ul><p>{STORY}</p>")
    assert _main(body) == _all(body)
    assert "\n  • Bring a coat.\n  • Bring bread" in _main(body)
    nested = f"<ol><li>First<ul>{ITEMS}</ul></li></ol><ul><li>Then<ul>{ITEMS}</ul></li></ul>"
    assert _main(IN[place].format(nested)) == _all(IN[place].format(nested))


@pytest.mark.parametrize("place", IN)
def test_a_list_of_links_is_navigation_wherever_it_stands(place: str) -> None:
    assert _main(IN[place].format(f"<p>{STORY}</p><ul>{LINKS}</ul>")).endswith(STORY)


@pytest.mark.slow
def test_time_is_linear() -> None:
    for piece in ("<ul><li>x</ul>", "<b>“</b>", "<div><ul><li>x</ul></div>"):
        assert_linear(lambda n, piece=piece: _main(piece * n), 2_000)


@pytest.mark.parametrize(
    "piece", ["<ul><li>x", "<span><ul><li>", "<div>x", "<article>", "<footer>"]
)
def test_nesting_that_would_take_long_is_refused(piece: str) -> None:
    assert _main(piece * (MAX_NESTING - 10)) is not None
    with pytest.raises(HtmlError, match="within each other"):
        _main(piece * (MAX_NESTING + 1))


MENDED = "resiliparse does without what mends this in pipeline/readers/html/resiliparse_text.py"


def test_the_library_still_loses_figures() -> None:
    html = "<body>a<figure><figcaption>caption</figcaption><pre>code</pre></figure>"
    assert extract_plain_text(html, alt_texts=False) == "a", MENDED
    with_them = extract_plain_text(html, alt_texts=True, skip_elements=NOT_TEXT)
    assert with_them == "a\ncaption\ncode"


@pytest.mark.parametrize("lone", ["“", "門", "né", "5°"])
def test_the_library_still_takes_texts_of_three_bytes_for_icons(lone: str) -> None:
    assert extract_plain_text(f"<body>a<b>{lone}</b>c", main_content=True) == "ac", MENDED


def test_the_library_still_takes_shallow_lists_for_navigation() -> None:
    html = f"<body><p>a<div><div><ul>{ITEMS}</ul></div></div>"
    assert extract_plain_text(html, main_content=True) == "a", MENDED
