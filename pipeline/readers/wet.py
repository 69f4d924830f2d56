"""Reader of WET files, in which Common Crawl publishes the plain text of web pages.

A WET file is a WARC file of ``conversion`` records. As in CCNet (arXiv 1911.00359), the first line
of a record's payload is the page's title and not part of the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, valid_utf8
from pipeline.readers.containers.warc_records import Record
from pipeline.readers.records import record_url, row_without_text, rows_of_records

MAX_TITLE_BYTES = 1_000
"""Longest title kept, in bytes of UTF-8."""


def read_wet(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Read the pages of a WET file, compressed or not, as batches of documents.

    A document's id is ``name#record``; the record is its number in the file, from 0, where records
    of all types count. Every record gets a row. Records of other types are dropped by
    ``not_a_page``, pages without text by ``empty``, records over ``max_record_bytes`` by
    ``record_too_large``. Unreadable bytes become a row dropped by ``damaged``, and a file of
    another format a row dropped by ``not_a_warc``. ``metadata`` holds ``title`` and ``date``. The
    file is not split: ``start`` is 0 and ``end`` None.
    """
    assert start == 0 and end is None, "WET files are not split"
    rows = rows_of_records(stream, name, max_record_bytes, partial(_row, name))
    return batches(rows, batch_bytes=batch_bytes)


def _row(name: str, record: Record) -> Row:
    if record.headers.get("warc-type", "").lower() != "conversion":
        return row_without_text(name, record, "not_a_page", {})
    title, text = title_and_text(valid_utf8(record.payload))
    if not text or text.isspace():
        return row_without_text(name, record, "empty", {"title": title})
    metadata = metadata_json({"title": title, "date": record.headers.get("warc-date")})
    return Row(f"{name}#{record.number}", text, record_url(record), metadata)


def title_and_text(payload: bytes) -> tuple[str, bytes]:
    """Divide the payload of a WET record, UTF-8, into the page's title and its text.

    A newline at the end of the payload is not part of the text. If every line ends in CRLF, the
    line ends become LF; otherwise carriage returns stay.
    """
    title_end = payload.find(b"\n")
    if title_end < 0:
        title_end = len(payload)
    elif payload.endswith(b"\r", 0, title_end) and payload.count(b"\r\n") == payload.count(b"\n"):
        payload = payload.replace(b"\r\n", b"\n")
        title_end -= 1
    title = payload[: min(title_end, MAX_TITLE_BYTES)].decode(errors="ignore").strip()
    return title, payload[title_end + 1 : len(payload) - payload.endswith(b"\n")]
