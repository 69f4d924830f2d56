"""JSON lines: one JSON object a line, as C4 and most text corpora are published."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, utf8, without_lone_surrogates
from pipeline.readers.decompress import CHUNK_BYTES, READ_BYTES, Damage, decompressed

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Line(NamedTuple):
    """A line without its newline; ``data`` is None where it is longer than allowed."""

    offset: int
    data: bytes | None
    size: int


class _Break(NamedTuple):
    """A damage, and the offset of the line that it cuts off."""

    offset: int
    damage: Damage


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

    The text is the string in ``text_field``, the url that in ``url_field``; ``metadata`` keeps
    ``metadata_fields``. A document's id is ``name#record``, with the byte offset of its line in the
    decompressed file, so that ids do not depend on splits or compression. Lines end in ``\\n``
    alone; blank ones are passed over. Of a plain file, ``start`` and ``end`` are a split's offsets,
    and the lines that begin in it are read; other files are read whole, from 0 to None.

    Lines that give no text are rows dropped by ``bad_json`` (not a JSON object), ``no_text`` (no
    string in the field), ``empty``, or ``record_too_large`` (over ``max_record_bytes``); where a
    compressed file is damaged comes a row dropped by ``damaged``, and the line cut off there is
    part of it. Invalid UTF-8 and lone surrogates become U+FFFD.
    """
    fields = _Fields(text_field, url_field, tuple(metadata_fields))
    rows = _rows(stream, name, start, end, max_record_bytes, fields)
    return batches(rows, batch_bytes=batch_bytes)


def _rows(
    stream: BinaryIO,
    name: str,
    start: int,
    end: int | None,
    max_record_bytes: int,
    fields: _Fields,
) -> Iterator[Row]:
    first = max(start - 1, 0)
    chunks = _plain_chunks(stream, first) if first or end is not None else decompressed(stream)
    lines = _lines(chunks, first, max_record_bytes)
    if start > 0:
        next(lines, None)  # the end of a line that began before
    breaks = 0
    for line in lines:
        if end is not None and line.offset >= end:
            return
        row_id = f"{name}#{line.offset}"
        if isinstance(line, _Break):
            _, error, skipped_bytes, _ = line.damage
            fault = {"error": error, "offset": line.damage.offset, "skipped_bytes": skipped_bytes}
            yield Row(f"{row_id}!damage{breaks}", b"", None, metadata_json(fault), "damaged")
            breaks += 1
        elif line.data is None:
            yield _dropped(row_id, "record_too_large", f"{line.size} bytes")
        elif line.data and not line.data.isspace():
            yield _row(row_id, line.data, fields)


def _plain_chunks(stream: BinaryIO, offset: int) -> Iterator[bytes]:
    if offset and stream.seekable():
        stream.seek(offset)
    else:
        while offset and (passed := stream.read(min(READ_BYTES, offset))):
            offset -= len(passed)
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _lines(
    chunks: Iterator[bytes] | Iterator[bytes | Damage], offset: int, max_line_bytes: int
) -> Iterator[_Line | _Break]:
    """Divide chunks, the first of which begins at ``offset``, into lines."""
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        if isinstance(chunk, Damage):
            yield _Break(offset, chunk)
            offset += size
            pieces, size = [], 0
            continue
        begin = 0
        while (newline := chunk.find(b"\n", begin)) >= 0:
            pieces.append(chunk[begin:newline])
            size += newline - begin
            yield _Line(offset, b"".join(pieces) if size <= max_line_bytes else None, size)
            offset += size + 1
            pieces, size = [], 0
            begin = newline + 1
        size += len(chunk) - begin
        if size <= max_line_bytes:
            pieces.append(chunk[begin:])
        else:
            pieces = []
    if size:
        yield _Line(offset, b"".join(pieces) if size <= max_line_bytes else None, size)


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)
"""Standard JSON and, as null, the NaN and infinities that Python's and others' writers make."""


def _row(row_id: str, line: bytes, fields: _Fields) -> Row:
    try:
        values: Any = _DECODER.decode(line.removeprefix(_BYTE_ORDER_MARK).decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        return _dropped(row_id, "bad_json", str(error))
    if not isinstance(values, dict):
        return _dropped(row_id, "bad_json", f"a {type(values).__name__}, not an object")
    text = values.get(fields.text)
    url = values.get(fields.url) if fields.url else None
    url = without_lone_surrogates(url) if isinstance(url, str) else None
    metadata = metadata_json({field: values.get(field) for field in fields.metadata})
    if not isinstance(text, str):
        found = f"a {type(text).__name__}" if fields.text in values else "missing"
        return _dropped(row_id, "no_text", f"field {fields.text!r} is {found}, not a string")
    if not text or text.isspace():
        return Row(row_id, b"", url, metadata, "empty")
    return Row(row_id, utf8(text), url, metadata)


def _dropped(row_id: str, dropped_by: str, error: str) -> Row:
    return Row(row_id, b"", None, metadata_json({"error": error}), dropped_by)
