"""Rows that WET and WARC files have in common: records without text, and what is no record."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.readers.batches import Row, metadata_json
from pipeline.readers.containers.warc_records import Record, Unreadable


def record_url(record: Record) -> str | None:
    """Return the record's address, without the angle brackets that some writers put around it."""
    url = record.headers.get("warc-target-uri", "")
    return url.removeprefix("<").removesuffix(">") or None


def row_without_text(
    name: str, record: Record, dropped_by: str, fields: Mapping[str, object]
) -> Row:
    """Make the row of a record that gives no text, with its type and error in the metadata."""
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


def unreadable_row(name: str, place: Unreadable, ordinal: int) -> Row:
    """Make the row of what is no record, the ``ordinal``-th such place of the file."""
    metadata = {
        "error": place.error,
        "offset": place.offset,
        "skipped_bytes": place.skipped_bytes,
    }
    row_id = f"{name}#{place.number}!damage{ordinal}"
    return Row(row_id, b"", None, metadata_json(metadata), place.dropped_by)
