"""Rows for records without text and for unreadable ranges, shared by the WET and WARC readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from pipeline.readers.batches import Row, damaged_row, metadata_json
from pipeline.readers.containers.warc_records import Record, archive_records


def record_url(record: Record) -> str | None:
    """Return the url of a record, without the angle brackets that some writers add."""
    url = record.headers.get("warc-target-uri", "")
    return url.removeprefix("<").removesuffix(">") or None


def row_without_text(
    name: str, record: Record, dropped_by: str, fields: Mapping[str, object]
) -> Row:
    """Make the row of a record without text, with its type and error in the metadata."""
    metadata = {
        "type": record.headers.get("warc-type"),
        "date": record.headers.get("warc-date"),
        "error": record.error,
        "offset": record.offset if record.error else None,
        **fields,
    }
    return Row(
        f"{name}#{record.number}", b"", record_url(record), metadata_json(metadata), dropped_by
    )


def rows_of_records(
    stream: BinaryIO, name: str, max_record_bytes: int, make_row: Callable[[Record], Row]
) -> Iterator[Row]:
    """Yield a row for each record of a WARC file, ``make_row`` of those that are whole.

    What is no record is a row as well.
    """
    places = 0
    for record in archive_records(stream, max_record_bytes=max_record_bytes):
        if not isinstance(record, Record):
            row_id = f"{name}#{record.number}!damage{places}"
            yield damaged_row(
                row_id, record.error, record.offset, record.skipped_bytes, record.dropped_by
            )
            places += 1
        elif record.dropped_by:
            yield row_without_text(name, record, record.dropped_by, {})
        else:
            yield make_row(record)
