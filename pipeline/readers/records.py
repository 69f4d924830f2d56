"""Rows for records without text and for unreadable ranges, shared by the WET and WARC readers."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.readers.batches import Row, metadata_json
from pipeline.readers.containers.warc_records import Record, Unreadable


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


def unreadable_row(name: str, place: Unreadable, ordinal: int) -> Row:
    """Make the row of an unreadable range; ``ordinal`` is its number in the file, from 0."""
    metadata = {
        "error": place.error,
        "offset": place.offset,
        "skipped_bytes": place.skipped_bytes,
    }
    row_id = f"{name}#{place.number}!damage{ordinal}"
    return Row(row_id, b"", None, metadata_json(metadata), place.dropped_by)
