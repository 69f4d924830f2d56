"""Rows from files of JSON objects, one a line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from pipeline.readers.batches import Row, damaged_row, metadata_json
from pipeline.readers.containers.cursor import Damage, plain_chunks
from pipeline.readers.containers.decompress import decompressed

MAX_NESTING = 100
"""Deepest nesting of lists and objects in a JSON line.

Python's own limit is somewhat below 1,000 and depends on the depth of the call stack. Without this
limit, two passes over the same file could decide differently.
"""

_NEWLINES = re.compile(rb"\n*")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Line(NamedTuple):
    """A line without its newline; ``data`` is None if it is longer than allowed."""

    offset: int
    data: bytes | None
    size: int


class _Break(NamedTuple):
    """A damage of the file, and the offset of the line that it cuts off."""

    offset: int
    damage: Damage


def rows_of_objects(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    max_line_bytes: int,
    make_row: Callable[[str, dict[str, Any], bytes], Row],
) -> Iterator[Row]:
    """Yield a row for each line of a file of JSON objects; blank lines are skipped.

    ``make_row`` gets the row's id, which is ``name#`` and the offset of the line in the
    decompressed file; the object; and the line as bytes without a byte order mark. In the object,
    NaN and infinities are null, and bytes that are not UTF-8 are U+FFFD. In a plain file, the lines
    that begin from ``start`` up to before ``end`` are read. A gzip, zstd or bzip2 file is read
    whole, with ``start`` 0 and ``end`` None.

    A line without an object becomes a row dropped by ``bad_json``, and a line longer than
    ``max_line_bytes`` a row dropped by ``record_too_large``. Each damage of a compressed file
    becomes a row dropped by ``damaged``.
    """
    first = max(start - 1, 0)
    chunks = plain_chunks(stream, first) if first or end is not None else decompressed(stream)
    lines = _lines(chunks, first, max_line_bytes)
    if start > 0:
        next(lines, None)  # the end of a line that began before
    breaks = 0
    for line in lines:
        if end is not None and line.offset >= end:
            return
        row_id = f"{name}#{line.offset}"
        if isinstance(line, _Break):
            offset, error, skipped_bytes, _ = line.damage
            yield damaged_row(f"{row_id}!damage{breaks}", error, offset, skipped_bytes)
            breaks += 1
        elif line.data is None:
            yield _dropped(row_id, "record_too_large", f"{line.size} bytes")
        elif line.data and not line.data.isspace():
            yield _row(row_id, line.data.removeprefix(_BYTE_ORDER_MARK), make_row)


def _lines(
    chunks: Iterator[bytes] | Iterator[bytes | Damage], offset: int, max_line_bytes: int
) -> Iterator[_Line | _Break]:
    """Divide chunks into lines; the first chunk begins at ``offset``.

    Of several empty lines in a row, not all are yielded.
    """
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
            if chunk.startswith(b"\n", begin):  # empty lines may come by the million
                blank = _NEWLINES.match(chunk, begin)
                assert blank
                offset += blank.end() - begin
                begin = blank.end()
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


MAX_INTEGER_DIGITS = 4_300
"""Longest integer of JSON that is a number in Python, which has this limit; others are texts."""


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits.lstrip("-")) <= MAX_INTEGER_DIGITS else digits


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)
"""Decoder of JSON that also takes NaN and infinities, which some writers make, as null."""
_SLOW_DECODER = json.JSONDecoder(
    parse_float=_finite, parse_int=_integer, parse_constant=lambda _: None
)
"""The same for a line with an integer that is too long for Python."""


def _decoded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _SLOW_DECODER.decode(text)


def _row(row_id: str, line: bytes, make_row: Callable[[str, dict[str, Any], bytes], Row]) -> Row:
    try:
        values: Any = _decoded(line.decode(errors="replace"))
    except ValueError as error:
        return _dropped(row_id, "bad_json", str(error))
    except RecursionError:
        return _dropped(row_id, "bad_json", _TOO_DEEP)
    if not isinstance(values, dict):
        return _dropped(row_id, "bad_json", f"a {type(values).__name__}, not an object")
    if not _is_shallow(values, MAX_NESTING):
        return _dropped(row_id, "bad_json", _TOO_DEEP)
    return make_row(row_id, values, line)


_TOO_DEEP = f"more than {MAX_NESTING} lists and objects within each other"


def _is_shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in items)


def _dropped(row_id: str, dropped_by: str, error: str) -> Row:
    return Row(row_id, b"", None, metadata_json({"error": error}), dropped_by)
