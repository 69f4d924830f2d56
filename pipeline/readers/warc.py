"""WARC files: web pages as they were crawled, turned into text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, utf8
from pipeline.readers.containers.http_message import decoded_body, parse_http
from pipeline.readers.containers.warc_records import Record
from pipeline.readers.page_text import Extractor, HtmlError, Page, decode_page, html_page
from pipeline.readers.records import record_url, row_without_text, rows_of_records

MAX_TITLE_CHARS = 1_000

Extract = Callable[[str], Page]

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_TEXT_TYPES = {"response": (*_HTML_TYPES, "text/plain"), "resource": _HTML_TYPES}
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)
_HTML_BEGIN = re.compile(
    rb"\s*(?:<!--.{0,512}?-->\s*)?<(?:!doctype\s+html|html|head|body)", re.I | re.S
)


class _Body(NamedTuple):
    data: bytes
    mime: str
    charset: str | None


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

    A document's id is ``name#record``, with the record's ordinal in the file, from 0, where records
    of all types count. ``response`` and ``resource`` records of HTML give the page's text (its main
    text, as ``extractor`` finds it, with ``main_content``, all of it without), those of plain text
    the text as it is. Every record gets a row, dropped where it gives no text: ``not_a_page`` (a
    record of another type), ``bad_http``, ``http_status`` (other than 200), ``not_html``,
    ``html_too_large`` (over ``max_html_bytes`` without encodings), ``html_error``, ``empty``,
    ``record_too_large`` (over ``max_record_bytes``). What cannot be read is a row dropped as
    ``damaged``, or ``not_a_warc``
    for a file of another format, ARC among them. ``metadata`` holds ``title`` and ``date``. The
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
            raise _NoTextError("html_too_large", {"content_type": body.mime})
        page = _page(body, extract)
        if not page.text or page.text.isspace():
            raise _NoTextError("empty", {"title": page.title or None})
    except _NoTextError as no_text:
        return row_without_text(name, record, no_text.dropped_by, no_text.fields)
    metadata = {"title": page.title or None, "date": record.headers.get("warc-date")}
    row_id = f"{name}#{record.number}"
    return Row(row_id, utf8(page.text), record_url(record), metadata_json(metadata))


class _NoTextError(Exception):
    """The record gives no text, and why."""

    def __init__(self, dropped_by: str, fields: dict[str, object]) -> None:
        super().__init__(dropped_by)
        self.dropped_by = dropped_by
        self.fields = fields


def _body(record: Record, max_html_bytes: int) -> _Body:
    """Return what the record holds of a page, with its encodings undone."""
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
    content_type = headers.get("content-type", "")
    mime = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if mime and mime not in _TEXT_TYPES[record_type]:
        raise _NoTextError("not_html", {"content_type": mime})
    if record_type == "response":
        data = decoded_body(headers, data, max_bytes=max_html_bytes)
    if not mime:
        if not _HTML_BEGIN.match(data):
            raise _NoTextError("not_html", {})
        mime = "text/html"
    return _Body(data, mime, charset.group(1) if charset else None)


def _page(body: _Body, extract: Extract) -> Page:
    text = decode_page(body.data, body.charset)
    if body.mime == "text/plain":
        return Page("", text.replace("\r\n", "\n").removesuffix("\n"))
    try:
        page = extract(text)
    except HtmlError as error:
        raise _NoTextError("html_error", {"error": str(error)}) from error
    return page._replace(title=" ".join(page.title.split())[:MAX_TITLE_CHARS])
