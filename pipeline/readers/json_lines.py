"""Reader of JSON lines, one JSON object a line, the format of C4 and most text corpora."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, utf8, without_lone_surrogates
from pipeline.readers.containers.lines import rows_of_objects


class _Fields(NamedTuple):
    text: str
    url: str | None
    metadata: tuple[str, ...]


def read_json_lines(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
    text_field: str,
    url_field: str | None,
    metadata_fields: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Read JSON lines, plain, gzip, zstd or bzip2, as batches of documents.

    The text is the string in ``text_field``, the url the string in ``url_field``. ``metadata``
    holds ``metadata_fields``. A document's id is ``name#record``; the record is the byte offset of
    the line in the decompressed file, so ids do not depend on splits or compression. Only ``\\n``
    ends a line; blank lines are skipped. ``start`` and ``end`` are the offsets of a split of a
    plain file, which has the lines that begin in it. Other files are read whole, with ``start`` 0
    and ``end`` None.

    Lines without text become rows dropped by ``bad_json`` (not a JSON object), ``no_text`` (no
    string in the field), ``empty``, or ``record_too_large`` (over ``max_record_bytes``). Each
    damage of a compressed file becomes a row dropped by ``damaged``, which includes the line that
    it cuts off. Invalid UTF-8 and lone surrogates become U+FFFD.
    """
    fields = _Fields(text_field, url_field, tuple(metadata_fields))
    rows = rows_of_objects(
        stream,
        name,
        start=start,
        end=end,
        max_line_bytes=max_record_bytes,
        make_row=partial(_row, fields=fields),
    )
    return batches(rows, batch_bytes=batch_bytes)


def _row(row_id: str, values: dict[str, Any], _: bytes, *, fields: _Fields) -> Row:
    text = values.get(fields.text)
    url = values.get(fields.url) if fields.url else None
    url = without_lone_surrogates(url) if isinstance(url, str) else None
    metadata = metadata_json({field: values.get(field) for field in fields.metadata})
    if not isinstance(text, str):
        kind = f"a {type(text).__name__}" if fields.text in values else "missing"
        fault = {"error": f"field {fields.text!r} is {kind}, not a string"}
        return Row(row_id, b"", None, metadata_json(fault), "no_text")
    if not text or text.isspace():
        return Row(row_id, b"", url, metadata, "empty")
    return Row(row_id, utf8(text), url, metadata)
