"""Reader of WARC files, which turns crawled web pages into text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, utf8
from pipeline.readers.charsets.mojibake import encoded_once, is_mojibake
from pipeline.readers.charsets.page import decode_page
from pipeline.readers.containers.body_kind import binary_kind, looks_like_html
from pipeline.readers.containers.http_message import decoded_body, parse_http
from pipeline.readers.containers.media_type import MediaType, media_type
from pipeline.readers.containers.warc_records import Record
from pipeline.readers.html.page_text import Extractor, HtmlError, Page, html_page
from pipeline.readers.html.xhtml import html_of_xhtml
from pipeline.readers.records import record_url, row_without_text, rows_of_records

MAX_TITLE_CHARS = 1_000
"""Longest title kept, in characters."""


Extract = Callable[[str], Page]

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_TEXT_TYPES = {"response": (*_HTML_TYPES, "text/plain"), "resource": _HTML_TYPES}


class _Body(NamedTuple):
    data: bytes
    type: MediaType


class _Text(NamedTuple):
    page: Page
    is_guessed: bool  # whether its encoding, or a second one, was guessed


def read_warc(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
    main_content: bool,
    max_html_bytes: int,
    extractor: Extractor = "resiliparse",
) -> Iterator[pa.RecordBatch]:
    """Read the pages of a WARC file, compressed or not, as batches of documents.

    A document's id is ``name#record``; the record is its number in the file, from 0, where records
    of all types count. A ``response`` or ``resource`` record of HTML gives the text of the page:
    with ``main_content`` the main text that ``extractor`` finds, otherwise all text. A ``response``
    of plain text gives that text. Every record gets a row. Records without text are dropped by
    ``not_a_page`` (a record of another type), ``bad_http``, ``http_status`` (other than 200),
    ``not_html`` (by its header, or by its bytes whatever its header), ``html_too_large`` (over
    ``max_html_bytes`` when decoded), ``html_error``, ``empty``, ``mojibake`` (in wrong letters) or
    ``record_too_large`` (over ``max_record_bytes``). Unreadable bytes become a row dropped by
    ``damaged``, and a file of another format, such as ARC, a row dropped by ``not_a_warc``.
    ``metadata`` holds ``title`` and ``date``, and ``encoding_guessed`` where the encoding was. The
    file is not split: ``start`` is 0 and ``end`` None.
    """
    assert start == 0 and end is None, "WARC files are not split"
    extract = partial(html_page, main_content=main_content, extractor=extractor)

    def row(record: Record) -> Row:
        return _record_row(name, record, extract, max_html_bytes)

    rows = rows_of_records(stream, name, max_record_bytes, row)
    return batches(rows, batch_bytes=batch_bytes)


def _record_row(name: str, record: Record, extract: Extract, max_html_bytes: int) -> Row:
    try:
        body = _body(record, max_html_bytes)
        if len(body.data) > max_html_bytes:
            raise _NoTextError("html_too_large", {"content_type": body.type.essence})
        page, is_guessed = _text(body, extract)
        if not page.text or page.text.isspace():
            raise _NoTextError("empty", {"title": page.title or None})
    except _NoTextError as no_text:
        return row_without_text(name, record, no_text.dropped_by, no_text.fields)
    metadata = {
        "title": page.title or None,
        "date": record.headers.get("warc-date"),
        "encoding_guessed": is_guessed or None,
    }
    row_id = f"{name}#{record.number}"
    return Row(row_id, utf8(page.text), record_url(record), metadata_json(metadata))


class _NoTextError(Exception):
    """The record gives no text; ``dropped_by`` is the reason."""

    def __init__(self, dropped_by: str, fields: dict[str, object]) -> None:
        super().__init__(dropped_by)
        self.dropped_by = dropped_by
        self.fields = fields


def _body(record: Record, max_html_bytes: int) -> _Body:
    """Return the decoded body of the page in a record."""
    record_type = record.headers.get("warc-type", "").lower()
    headers = record.headers
    data = record.payload
    if record_type == "response":
        message = parse_http(data)
        if message:
            if message.status != 200:
                raise _NoTextError("http_status", {"status": message.status})
            headers = message.headers
            data = message.body
        elif "http" in headers.get("content-type", "http").lower():
            raise _NoTextError("bad_http", {"error": "no HTTP status line"})
    elif record_type not in _TEXT_TYPES:
        raise _NoTextError("not_a_page", {})
    said = media_type(headers.get("content-type", ""))
    if said.essence and said.essence not in _TEXT_TYPES[record_type]:
        raise _NoTextError("not_html", {"content_type": said.essence})
    if record_type == "response":
        data = decoded_body(headers, data, max_bytes=max_html_bytes)
    if kind := binary_kind(data):
        raise _NoTextError("not_html", {"content_type": said.essence or None, "found": kind})
    if not said.essence:
        if not looks_like_html(data):
            raise _NoTextError("not_html", {})
        said = said._replace(essence="text/html")
    return _Body(data, said)


def _text(body: _Body, extract: Extract) -> _Text:
    essence, charset, hint = body.type
    is_xhtml = essence == "application/xhtml+xml"
    decoded = decode_page(body.data, charset, hint=hint, is_xml=is_xhtml)
    if essence == "text/plain":
        page = Page("", decoded.text.replace("\r\n", "\n").removesuffix("\n"))
    else:
        try:
            page = extract(html_of_xhtml(decoded.text) if is_xhtml else decoded.text)
        except HtmlError as error:
            raise _NoTextError("html_error", {"error": str(error)}) from error
    once = encoded_once(page.text)
    if once is not None:
        page = Page(encoded_once(page.title) or page.title, once)
    title = " ".join(page.title.split())[:MAX_TITLE_CHARS]
    if is_mojibake(page.text, is_right=decoded.is_right):
        raise _NoTextError("mojibake", {"title": title or None})
    return _Text(Page(title, page.text), decoded.is_guessed or once is not None)
