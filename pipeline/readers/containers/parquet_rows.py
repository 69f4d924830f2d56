"""Rows of Parquet files, a row group after the other, in bounded time and memory, past damage.

Ahead of a row group, the headers of its pages are read (:mod:`parquet_pages`): they say what its
pages unpack to, and give the number of rows whose values may be held at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.readers.containers.columnar import (
    FORMAT_ERRORS,
    HELD_BYTES,
    MAX_HELD_EXPANSION,
    Expansion,
    Unreadable,
    Watched,
    check_types,
    pieces,
)
from pipeline.readers.containers.decompress import MAX_EXPANSION
from pipeline.readers.containers.parquet_pages import (
    DELTA_BYTE_ARRAY,
    DELTA_LENGTH_BYTE_ARRAY,
    DICTIONARY_ENCODINGS,
    DICTIONARY_PAGE,
    Page,
    pages,
)

_BATCH_ROWS = 256
_BUFFER_BYTES = 1 << 20  # of a column's pages, read at once
_VALUE_BYTES = 16  # of a number, at most, and what is kept beside a string


class Rows(NamedTuple):
    """Rows of the file, or some of them that cannot be read, from ``number`` on."""

    number: int  # of the first one in the file, from 0
    rows: pa.RecordBatch | Unreadable


class _Chunk(NamedTuple):
    """A column chunk: its pages, and what rows of each take when they are read."""

    pages: list[Page]
    is_repeated: bool  # a row has any number of values
    longest_bytes: int  # a value of the dictionary; 0 where there is none
    value_bytes: int  # of a value of fixed width

    def n_values(self) -> int:
        """Return how many values the pages of data have, nulls included."""
        return sum(page.n_values for page in self.pages if page.kind != DICTIONARY_PAGE)

    def held_bytes(self) -> int:
        """Return what is unpacked at once."""
        largest = max((_page_bytes(page) for page in self.pages), default=0)
        return largest + sum(p.unpacked_bytes for p in self.pages if p.kind == DICTIONARY_PAGE)

    def most_bytes(self, n_values: int) -> list[int]:
        """Return what ``n_values`` values, at most, of each page of data come to."""
        return [
            max(
                page.unpacked_bytes * (count if page.encoding == DELTA_BYTE_ARRAY else 1),
                count * self.value_bytes,
                count * self.longest_bytes * (page.encoding in DICTIONARY_ENCODINGS),
            )
            for page in self.pages
            if page.kind != DICTIONARY_PAGE
            for count in (min(page.n_values, n_values),)
        ]


def parquet_rows(
    stream: BinaryIO, *, start: int, end: int | None, columns: Sequence[str], text: str
) -> Iterator[Rows]:
    """Yield the rows of a Parquet file, with those of ``columns`` that it has, in slices.

    ``start`` and ``end`` are offsets of the file: the row groups that begin there are read, so that
    splits that follow each other read every row once. An :class:`Unreadable` stands for the rest of
    a row group that is damaged or holds too much (:mod:`columnar`), or, in the split at 0, for a
    file whose footer is damaged. ``text`` is the column that may be large. ``stream`` must be able
    to seek; its own errors are raised.
    """
    watched = Watched(stream)
    try:
        file = pq.ParquetFile(watched, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        begins = [_begin(file.metadata.row_group(i)) for i in range(file.num_row_groups)]
        names = [name for name in columns if name in file.schema_arrow.names]
        check_types(file.schema_arrow, names)
        file_bytes = watched.seek(0, 2)
    except FORMAT_ERRORS as error:
        watched.raise_error()
        if start == 0:
            fault = f"not a readable Parquet file: {_first_line(error)}"
            yield Rows(0, Unreadable(fault, None))
        return
    number = 0
    expansion = Expansion()
    for group, begin in enumerate(begins):
        n_rows = max(file.metadata.row_group(group).num_rows, 0)
        if start <= begin and (end is None or begin < end):
            left = n_rows
            try:
                n_at_once = _rows_at_once(file, watched, group, names, expansion, file_bytes)
                for batch in file.iter_batches(n_at_once, [group], names):
                    for piece in pieces(batch, expansion, text):
                        yield Rows(number + n_rows - left, piece)
                        left -= piece.rows or 0 if isinstance(piece, Unreadable) else len(piece)
                fault = "the row group ends early"
            except FORMAT_ERRORS as error:
                watched.raise_error()
                fault = f"row group {group}: {_first_line(error)}"
            if left > 0:
                yield Rows(number + n_rows - left, Unreadable(fault, left))
        number += n_rows


def _begin(group: Any) -> int:
    """Return where a row group's first page begins in the file."""
    return _first_page(group.column(0)) if group.num_columns else 0


def _first_page(column: Any) -> int:
    at = (column.dictionary_page_offset, column.data_page_offset)
    return max(min(page for page in at if page is not None), 0)


def _rows_at_once(
    file: Any,
    stream: Watched,
    number: int,
    names: list[str],
    expansion: Expansion,
    file_bytes: int,
) -> int:
    """Return how many rows of a row group may be read at once, by its pages.

    Raises ValueError where even one would be too much.
    """
    group = file.metadata.row_group(number)
    sizes = [group.column(leaf).total_compressed_size for leaf in range(group.num_columns)]
    if min(sizes, default=0) < 0 or expansion.read_bytes + sum(sizes) > file_bytes:
        raise ValueError("its row groups have more bytes than the file")
    expansion.read_bytes += sum(sizes)
    chunks = [
        _chunk(group.column(leaf), file.schema.column(leaf), stream, expansion)
        for leaf in range(group.num_columns)
        if any(f"{group.column(leaf).path_in_schema}.".startswith(f"{name}.") for name in names)
    ]
    held = sum(chunk.held_bytes() for chunk in chunks)
    if held > expansion.limit(MAX_HELD_EXPANSION):
        raise ValueError(f"pages of {held} bytes, packed as {sum(sizes)}")
    repeated = [chunk for chunk in chunks if chunk.is_repeated]
    most = sum(sum(chunk.most_bytes(chunk.n_values())) for chunk in repeated)
    if most > expansion.limit(MAX_EXPANSION):
        raise ValueError(f"lists of up to {most} bytes, packed as {sum(sizes)}")
    flat = [chunk for chunk in chunks if not chunk.is_repeated]
    if any(chunk.n_values() > group.num_rows for chunk in flat):
        raise ValueError("its columns have more values than it has rows")
    n_rows = _BATCH_ROWS
    at_once = HELD_BYTES + 2 * held  # what lies in two pages is no more than is held anyway
    while n_rows > 1 and sum(_most_in_window(chunk, n_rows) for chunk in flat) > at_once:
        n_rows //= 2
    return n_rows


def _chunk(column: Any, schema: Any, stream: Watched, expansion: Expansion) -> _Chunk:
    begin, size = _first_page(column), column.total_compressed_size
    found = list(pages(cast(BinaryIO, stream), begin, size, column.num_values))
    longest = 0
    for page in found:
        if page.kind == DICTIONARY_PAGE and column.physical_type == "BYTE_ARRAY":
            longest = page.unpacked_bytes
            if longest * _BATCH_ROWS > HELD_BYTES and longest <= expansion.limit(1):
                longest = _longest_value(stream, page, column.compression)
    width = schema.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0
    return _Chunk(
        found, schema.max_repetition_level > 0, longest, max(width or 0, 0) + _VALUE_BYTES
    )


def _longest_value(stream: Watched, page: Page, codec: str) -> int:
    """Return the length of a dictionary's longest value, or of all where that cannot be told."""
    stream.seek(page.data_at)
    packed = stream.read(page.packed_bytes)
    longest = at = 0
    try:
        data = packed
        if codec != "UNCOMPRESSED":
            data = pa.decompress(packed, page.unpacked_bytes, codec.lower(), asbytes=True)
        for _ in range(page.n_values):
            length = int.from_bytes(data[at : at + 4], "little")
            longest = max(longest, length)
            at += 4 + length
    except FORMAT_ERRORS:
        return page.unpacked_bytes
    return longest if at <= len(data) else page.unpacked_bytes


def _page_bytes(page: Page) -> int:
    """Return what a page takes: itself, and the lengths of all its values where it has those."""
    has_lengths = page.encoding in (DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY)
    return page.unpacked_bytes + 8 * page.n_values * has_lengths


def _most_in_window(chunk: _Chunk, n_rows: int) -> int:
    """Return the most that any ``n_rows`` rows of a chunk hold, to the page."""
    rows = np.cumsum([0] + [p.n_values for p in chunk.pages if p.kind != DICTIONARY_PAGE])
    held = np.cumsum([0, *chunk.most_bytes(n_rows)])
    last = np.searchsorted(rows, rows[1:] + n_rows - 1, side="left").clip(max=len(rows) - 1)
    return int((held[last] - held[:-1]).max(initial=0))


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
