"""Rows that readers make, one a document, and their batches of about equal size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa

from transforms import documents

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ROW_BYTES = 100  # of a row without text, about, so that rows without text fill batches too


class Row(NamedTuple):
    """One document or dropped record, as a reader makes it."""

    id: str
    text: bytes  # valid UTF-8
    url: str | None
    metadata: str | None  # a JSON object
    dropped_by: str | None = None


def batches(rows: Iterable[Row], *, batch_bytes: int) -> Iterator[pa.RecordBatch]:
    """Group rows, in their order, into batches of about ``batch_bytes`` bytes.

    The url and the metadata of a row count too, since a file may have long ones and no text.
    """
    gathered: list[Row] = []
    size = 0
    for row in rows:
        gathered.append(row)
        size += len(row.text) + len(row.url or "") + len(row.metadata or "") + _ROW_BYTES
        if size >= batch_bytes:
            yield _batch(gathered)
            gathered, size = [], 0
    if gathered:
        yield _batch(gathered)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    ids, texts, urls, metadata, dropped_by = zip(*rows, strict=True)
    batch = documents.documents(
        ids, [""] * len(ids), urls=urls, metadata=metadata, dropped_by=dropped_by
    )
    return documents.with_column(batch, "text", pa.array(texts, pa.binary()).view(pa.string()))


def damaged_row(
    row_id: str, error: str, offset: int, skipped_bytes: int, dropped_by: str = "damaged"
) -> Row:
    """Make the row that stands for a place of a file that cannot be read."""
    fault = {"error": error, "offset": offset, "skipped_bytes": skipped_bytes}
    return Row(row_id, b"", None, metadata_json(fault), dropped_by)


def without_lone_surrogates(text: str) -> str:
    """Replace lone surrogates by U+FFFD. JSON's escapes can make them; UTF-8 cannot encode them."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def utf8(text: str) -> bytes:
    """Encode a text as UTF-8, with lone surrogates replaced by U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return without_lone_surrogates(text).encode()


def valid_utf8(data: bytes) -> bytes:
    """Return ``data`` with invalid UTF-8 replaced by U+FFFD."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace").encode()
    return data


def metadata_json(fields: Mapping[str, object]) -> str | None:
    """Serialise a row's metadata without the fields that are None; returns None if none is left."""
    kept = {key: value for key, value in fields.items() if value is not None}
    return utf8(json.dumps(kept, ensure_ascii=False)).decode() if kept else None
