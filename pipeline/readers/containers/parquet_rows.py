"""Rows of Parquet files, a row group after the other, in bounded time and memory, past damage.

What a row group takes is told by the footer, ahead of reading it: the sizes of its columns, packed
and unpacked, and how many values they have. Values of a dictionary stand for any number of rows, so
how long they are gives the number of rows that are read at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.readers.containers.columnar import (
    FORMAT_ERRORS,
    HELD_BYTES,
    Expansion,
    Unreadable,
    check_types,
    pieces,
)
from pipeline.readers.containers.cursor import Watched
from pipeline.readers.containers.decompress import MAX_EXPANSION

MAX_HELD_EXPANSION = 25
"""Bytes that a row group's columns may unpack to for each that was read of the file, from
``MIN_BOMB_BYTES`` on. A row group of that size is one of texts, which pack to a tenth at best."""

_BATCH_ROWS, _FEW_ROWS = 256, 16
_BUFFER_BYTES = 1 << 20  # of a column's pages, read at once
_VALUE_BYTES = 16  # of a number, at most, and what is kept beside a string
_DICTIONARY_ENCODINGS = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}


class Rows(NamedTuple):
    """Rows of the file, or some of them that cannot be read, from ``number`` on."""

    number: int  # of the first one in the file, from 0
    rows: pa.RecordBatch | Unreadable


class _Leaf(NamedTuple):
    """A column of values in a row group: what the footer says of it, and its schema."""

    chunk: Any
    schema: Any

    def unpacked_bytes(self) -> int:
        """Return what its pages unpack to."""
        return max(self.chunk.total_uncompressed_size, 0)

    def n_values(self) -> int:
        """Return how many values it has, nulls included."""
        return max(self.chunk.num_values, 0)

    def fixed_bytes(self) -> int:
        """Return what a value takes, whatever is in it."""
        is_fixed = self.chunk.physical_type == "FIXED_LEN_BYTE_ARRAY"
        return _VALUE_BYTES + (max(self.schema.length or 0, 0) if is_fixed else 0)


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
    if not group.num_columns:
        return 0
    at = (group.column(0).dictionary_page_offset, group.column(0).data_page_offset)
    return max(min(page for page in at if page is not None), 0)


def _rows_at_once(
    file: Any,
    stream: Watched,
    number: int,
    names: list[str],
    expansion: Expansion,
    file_bytes: int,
) -> int:
    """Return how many rows of a row group may be read at once, by what the footer says of it.

    Raises ValueError where even one would be too much.
    """
    group = file.metadata.row_group(number)
    leaves = [
        _Leaf(group.column(place), file.schema.column(place)) for place in range(group.num_columns)
    ]
    packed = [leaf.chunk.total_compressed_size for leaf in leaves]
    if min(packed, default=0) < 0 or expansion.read_bytes + sum(packed) > file_bytes:
        raise ValueError("its row groups have more bytes than the file")
    expansion.read_bytes += sum(packed)
    wanted = tuple(f"{name}." for name in names)
    leaves = [leaf for leaf in leaves if f"{leaf.chunk.path_in_schema}.".startswith(wanted)]
    unpacked = sum(leaf.unpacked_bytes() for leaf in leaves)
    if unpacked > expansion.limit(MAX_HELD_EXPANSION):
        raise ValueError(f"columns of {unpacked} bytes, packed as {sum(packed)}")
    repeated = [leaf for leaf in leaves if leaf.schema.max_repetition_level]
    limit = expansion.limit(MAX_EXPANSION)
    lists = sum(leaf.n_values() * leaf.fixed_bytes() for leaf in repeated)
    if lists <= limit:
        lists = sum(leaf.n_values() * _value_bytes(file, stream, number, leaf) for leaf in repeated)
    if lists > limit:
        raise ValueError(f"lists of up to {lists} bytes, packed as {sum(packed)}")
    flat = [leaf for leaf in leaves if not leaf.schema.max_repetition_level]
    if any(leaf.n_values() > group.num_rows for leaf in flat):
        raise ValueError("its columns have more values than it has rows")
    row_bytes = sum(_value_bytes(file, stream, number, leaf) for leaf in flat)
    return min(max(HELD_BYTES // max(row_bytes, 1), 1), _BATCH_ROWS)


def _value_bytes(file: Any, stream: Watched, number: int, leaf: _Leaf) -> int:
    """Return what a value takes at most, beside what is unpacked of the file anyway."""
    fixed, unpacked = leaf.fixed_bytes(), leaf.unpacked_bytes()
    if leaf.chunk.physical_type != "BYTE_ARRAY":
        return fixed
    if "DELTA_BYTE_ARRAY" in leaf.chunk.encodings:  # a value begins as the one ahead of it does
        return fixed + unpacked
    if not _DICTIONARY_ENCODINGS.intersection(leaf.chunk.encodings):
        return fixed
    if not leaf.schema.max_repetition_level and unpacked * _FEW_ROWS <= HELD_BYTES:
        return fixed + unpacked  # sooner than a look at the dictionary
    try:
        return fixed + _longest_value(file, stream, number, leaf.chunk.path_in_schema)
    except FORMAT_ERRORS:
        stream.raise_error()
        return fixed + unpacked


def _longest_value(file: Any, stream: Watched, number: int, path: str) -> int:
    """Return the length of the longest value in a column's dictionary, which is read for it."""
    lookup = pq.ParquetFile(
        stream,
        metadata=file.metadata,
        read_dictionary=[path],
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
    )
    for batch in lookup.iter_batches(_BATCH_ROWS, [number], [path]):
        column = batch.column(0)
        while pa.types.is_nested(column.type):
            column = column.field(0) if pa.types.is_struct(column.type) else column.values
        if not pa.types.is_dictionary(column.type):
            raise ValueError(f"{path} is read without its dictionary")
        if len(column.dictionary):  # none comes with empty lists, and the whole with any value
            return int(pc.max(pc.binary_length(column.dictionary)).as_py())
    return 0


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
