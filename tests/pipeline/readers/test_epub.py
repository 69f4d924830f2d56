"""The reader of EPUBs."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.books import read_books
from tests.support.growth import assert_linear
from tests.support.samples.epubs import FILES, PACKAGE, PAGE, zipped

LIMIT = 1 << 24


def rows_of(data: bytes) -> list[dict]:
    (batch,) = read_books(
        io.BytesIO(data),
        "books/b",
        start=0,
        end=None,
        batch_bytes=1 << 20,
        max_record_bytes=LIMIT,
    )
    rows = batch.to_pylist()
    for row in rows:
        row["metadata"] = json.loads(row["metadata"])
    assert [row["id"] for row in rows] == [
        "books/b#0",
        *(f"books/b#0!damage{part}" for part in range(len(rows) - 1)),
    ]
    return rows


def refused(data: bytes) -> str | None:
    (row,) = rows_of(data)
    assert row["text"] == "" and row["metadata"]["error"]
    return row["dropped_by"]


def paragraphs(data: bytes) -> str:
    (row,) = rows_of(data)
    assert row["dropped_by"] is None
    return re.sub(r"\s*\n\s*", "|", row["text"])


def with_chapter(chapter: str) -> bytes:
    return zipped({**FILES, "OEBPS/text/one.xhtml": chapter})


WHOLE = "Première|The waves came in.|Second part|The waves came in."


def test_documents_in_the_order_of_the_spine() -> None:
    assert paragraphs(zipped(FILES)) == WHOLE
    (row,) = rows_of(zipped(FILES))
    assert row["metadata"] == {
        "encoding": "epub",
        "title": "Of the Sea",
        "author": "A. Writer",
        "language": "en",
    }


def test_encrypted_text_is_told_from_encrypted_fonts() -> None:
    def encryption(uri: str) -> dict[str, str | bytes]:
        xml = f'<encryption><x xmlns="e"><CipherReference URI="{uri}"/></x></encryption>'
        return {**FILES, "META-INF/encryption.xml": xml}

    assert paragraphs(zipped(encryption("OEBPS/font.otf"))) == WHOLE
    assert refused(zipped(encryption("OEBPS/text/one.xhtml"))) == "encrypted"


def test_damaged_archives() -> None:
    whole = zipped(FILES)
    assert refused(whole[:-30]) == "damaged"
    assert refused(zipped({**FILES, "META-INF/container.xml": "<container/>"})) == "not_a_book"
    no_chapters = {name: content for name, content in FILES.items() if "text/" not in name}
    assert refused(zipped(no_chapters)) == "damaged"
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'
    assert refused(zipped({**FILES, "OEBPS/book.opf": bomb})) == "not_a_book"


def test_a_missing_chapter_is_a_row_and_the_others_are_the_book() -> None:
    missing = {name: content for name, content in FILES.items() if "one" not in name}
    book, chapter = rows_of(zipped(missing))
    assert book["dropped_by"] is None
    assert book["text"].startswith("Second part")
    assert chapter["dropped_by"] == "damaged" and chapter["text"] == ""
    assert "no file OEBPS/text/one.xhtml" in chapter["metadata"]["error"]


def test_an_item_that_the_manifest_lacks_is_a_row() -> None:
    package = PACKAGE.replace('<itemref idref="one"/>', '<itemref idref="un"/>' * 3)
    book, item = rows_of(zipped({**FILES, "OEBPS/book.opf": package}))
    assert book["text"].startswith("Second part")
    assert "item un of the spine" in item["metadata"]["error"]


def test_a_damaged_chapter_is_a_row() -> None:
    data = bytearray(zipped(FILES, zipfile.ZIP_STORED))
    at = data.index("Première".encode())
    data[at] ^= 1
    book, chapter = rows_of(bytes(data))
    assert book["text"].startswith("Second part")
    assert "CRC" in chapter["metadata"]["error"]


NAMES = {
    "a fragment": ('href="text/one.xhtml"', 'href="text/one.xhtml#start"', {}),
    "a query": ('href="text/one.xhtml"', 'href="text/one.xhtml?v=2"', {}),
    "a dot": ('href="text/one.xhtml"', 'href="./other/../text/one.xhtml"', {}),
    "a root": ('href="text/one.xhtml"', 'href="/OEBPS/text/one.xhtml"', {}),
    "backslashes in the address": ('href="text/one.xhtml"', r'href="text\one.xhtml"', {}),
    "capitals": ('href="text/one.xhtml"', 'href="Text/One.xhtml"', {}),
    "a hash sign": ("text/one.xhtml", "text/%23one.xhtml", {"text/one": "text/#one"}),
    "an escape in the archive": (
        "text/one.xhtml",
        "text/%C3%A9.xhtml",
        {"text/one": "text/%C3%A9"},
    ),
    "another form of accents": (
        "text/one.xhtml",
        "text/%C3%A9.xhtml",
        {"text/one": "text/e\u0301"},
    ),
    "an old type": (
        'one.xhtml" media-type="application/xhtml+xml',
        'one.xhtml" media-type="text/x-oeb1-document',
        {},
    ),
    "a plain type": (
        'one.xhtml" media-type="application/xhtml+xml',
        'one.xhtml" media-type="text/xml',
        {},
    ),
}


@pytest.mark.parametrize("kind", NAMES)
def test_an_address_leads_to_its_file(kind: str) -> None:
    old, new, renamed = NAMES[kind]
    files = {**FILES, "OEBPS/book.opf": PACKAGE.replace(old, new)}
    for part, name in renamed.items():
        files = {path.replace(part, name): content for path, content in files.items()}
    assert files["OEBPS/book.opf"] != PACKAGE
    assert paragraphs(zipped(files)) == WHOLE


def test_names_with_backslashes() -> None:
    assert paragraphs(zipped({name.replace("/", "\\"): FILES[name] for name in FILES})) == WHOLE


def test_a_document_with_several_places_in_the_spine_is_read_once() -> None:
    item = (
        '<item id="again" href="text/one.xhtml#two" media-type="application/xhtml+xml"/></manifest>'
    )
    package = PACKAGE.replace("</manifest>", item).replace(
        '<itemref idref="one"/>', '<itemref idref="one"/><itemref idref="again"/>'
    )
    assert paragraphs(zipped({**FILES, "OEBPS/book.opf": package})) == WHOLE


def test_a_fallback_is_read_in_the_place_of_a_picture() -> None:
    package = PACKAGE.replace('<itemref idref="one"/>', "").replace(
        'href="cover.png"', 'href="cover.png" fallback="one"'
    )
    text = paragraphs(zipped({**FILES, "OEBPS/book.opf": package}))
    assert text == "Second part|The waves came in.|Première|The waves came in."
    circle = PACKAGE.replace('href="cover.png"', 'href="cover.png" fallback="picture"')
    assert paragraphs(zipped({**FILES, "OEBPS/book.opf": circle})) == WHOLE


EMPTY = [
    "title",
    'script src="reader.js"',
    'style type="text/css"',
    "textarea",
    "iframe",
    "div",
    "a",
]


@pytest.mark.parametrize("well_formed", [True, False])
@pytest.mark.parametrize("empty", EMPTY)
def test_elements_closed_in_themselves_end_there(empty: str, well_formed: bool) -> None:
    page = PAGE.format("Première").replace("<title>Not text</title>", "<title/>")
    page = page.replace("<h1>", f"<{empty} /><h1>")
    if not well_formed:
        page = page.replace("</body>", "<br></body>")
    assert paragraphs(with_chapter(page)) == WHOLE


def test_sections_entities_and_figures_of_xhtml() -> None:
    body = (
        "<p>Gulls &amp; terns&nbsp;&mdash; <![CDATA[a < b]]></p><figure><img alt='ALT'/>"
        "<figcaption>The bay</figcaption></figure>"
    )
    text = paragraphs(with_chapter(PAGE.format("One").replace("<p>", body + "<p>", 1)))
    assert text.startswith("One|Gulls & terns\xa0— a < b|The bay|The waves")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("3 × 10<sup>8</sup> m/s", "3 × 10^8 m/s"),
        ("10<sup>−5</sup> and H<sub>2</sub>O", "10^-5 and H_2O"),
        ("the 2<sup>nd</sup> wave", "the 2nd wave"),
        ("the gulls.<sup><a href='#n1'>1</a></sup> They", "the gulls.[1] They"),
        ("in 1904<a epub:type='noteref' href='#n2'><sup>12</sup></a>, they", "in 1904[12], they"),
    ],
)
def test_superscripts(body: str, expected: str) -> None:
    chapter = PAGE.format("One").replace("<h1>One</h1>", f"<p>{body}</p>")
    assert paragraphs(with_chapter(chapter)).startswith(expected + "|")


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_an_epub_gives_a_book_or_a_reason(data: st.DataObject) -> None:
    changed = bytearray(zipped(FILES, data.draw(st.sampled_from([0, 8, 12, 14]))))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(4, len(changed) - 1))] = data.draw(st.integers(0, 255))
    for row in rows_of(bytes(changed)):
        assert (row["dropped_by"] is None) == bool(row["text"])


@pytest.mark.slow
def test_time_is_linear() -> None:
    for piece in ("<sup>x", "<sup>x</sup>", "<i>y<sup>", "<a /", '<a "<b>', "<![CDATA[&&&&]]>"):
        assert_linear(lambda n, piece=piece: rows_of(with_chapter(piece * n)), 500)
