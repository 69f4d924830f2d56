"""What files of columns, Parquet and Arrow's, have in common: bounds, strings, and their streams.

Columns are where a small file can hold most: a value of a dictionary, or a run, stands for any
number of rows. So that a file is read in time and memory that go by its size, two things are
bounded: what it holds in all (:class:`Expansion`), and what is made into Python objects at once
(:func:`pieces`). What is unpacked at once is bounded for Parquet alone (:mod:`parquet_rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.readers.containers.decompress import MAX_EXPANSION, MIN_BOMB_BYTES
from pipeline.readers.containers.lines import MAX_NESTING

HELD_BYTES = 1 << 25
"""Of the rows that are read at once, unless they are one."""

ROW_BYTES = 500
"""Of a row in what a file holds, whatever is in it: a row without a text takes time as well."""

_OBJECT_BYTES = 64  # of a value as Python has it
FORMAT_ERRORS = (pa.ArrowException, OSError, ValueError, MemoryError)
"""What Arrow raises for a damaged file, apart from what the stream raised (``Watched``)."""


class Unreadable(NamedTuple):
    """Rows that cannot be read."""

    error: str
    rows: int | None  # how many, where it is known
    dropped_by: str = "damaged"


class Expansion:
    """How much a file held so far, beside what was read of it."""

    def __init__(self) -> None:
        self.read_bytes = 0  # of the file
        self._held_bytes = 0

    def limit(self, expansion: int) -> int:
        """Return what is allowed at a number of bytes for each that was read."""
        return max(MIN_BOMB_BYTES, expansion * self.read_bytes)

    def hold(self, n_bytes: int) -> None:
        """Count what rows hold; ValueError where the file has held too much by now."""
        self._held_bytes += n_bytes
        if self._held_bytes > self.limit(MAX_EXPANSION):
            raise ValueError(f"more than {MAX_EXPANSION} times as large as what was read of it")


def pieces(
    batch: pa.RecordBatch, expansion: Expansion, text: str
) -> Iterator[pa.RecordBatch | Unreadable]:
    """Cut a batch into slices of which none holds more than :data:`HELD_BYTES`, unless in one row.

    Counts them in ``expansion``, and raises its ValueError. A row that beside the column ``text``
    holds more than :data:`MIN_BOMB_BYTES` is unreadable. The batch's buffers must be valid.
    """
    size = sum(map(_value_bytes, batch.columns))
    if size > HELD_BYTES and len(batch) > 1:
        half = len(batch) // 2
        yield from pieces(batch.slice(0, half), expansion, text)
        yield from pieces(batch.slice(half), expansion, text)
        return
    if size > MIN_BOMB_BYTES:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name != text and (n_bytes := _value_bytes(column)) > MIN_BOMB_BYTES:
                yield Unreadable(f"column {name!r} holds {n_bytes} bytes in one row", 1)
                return
    objects = _OBJECT_BYTES * len(batch) * batch.num_columns
    expansion.hold(max(size - objects, 0) + ROW_BYTES * len(batch))
    yield batch


def _value_bytes(column: pa.Array) -> int:
    """Return what a column's values take as Python objects, about and at most."""
    kind, n_rows = column.type, len(column)
    size = _OBJECT_BYTES * n_rows
    if pa.types.is_dictionary(kind):
        most = n_rows * _value_bytes(column.dictionary)
        if most <= HELD_BYTES or not _has_lengths(kind.value_type):
            return size + most
        lengths = pc.cast(pc.binary_length(column.dictionary), pa.int64())
        return size + (pc.sum(lengths.take(column.indices)).as_py() or 0)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        lengths = np.frombuffer(column.buffers()[1], np.int32)[::4]
        return size + int(lengths[column.offset :][:n_rows].sum(dtype=np.int64))
    if pa.types.is_struct(kind):
        return size + sum(_value_bytes(column.field(i)) for i in range(kind.num_fields))
    if pa.types.is_fixed_size_list(kind):
        count = n_rows * kind.list_size
        return size + _value_bytes(column.values.slice(column.offset * kind.list_size, count))
    if pa.types.is_map(kind):
        begin, count = _span(column)
        return size + sum(
            _value_bytes(part.slice(begin, count)) for part in (column.keys, column.items)
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return size + _value_bytes(column.values.slice(*_span(column)))
    return size + (0 if pa.types.is_null(kind) else int(column.nbytes))


def _has_lengths(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _span(column: pa.Array) -> tuple[int, int]:
    """Return where a list's items begin, and how many they are."""
    begin, end = (column.offsets[at].as_py() for at in (0, len(column.offsets) - 1))
    return begin, end - begin


def check_types(schema: pa.Schema, names: Sequence[str]) -> None:
    """Raise ValueError where columns nest too deep, or are of a type that is not read.

    Runs and views of lists repeat what they hold, as a dictionary does, and no dataset has them.
    """
    for name in names:
        level = [schema.field(name).type]
        for _ in range(MAX_NESTING):
            for kind in level:
                if kind.id in _REPEATING:
                    raise ValueError(f"column {name!r} holds {kind}, which is not read")
            level = [kind.field(i).type for kind in level for i in range(kind.num_fields)]
        if level:
            raise ValueError(f"column {name!r} has more than {MAX_NESTING} levels")


_REPEATING = frozenset(
    {
        pa.run_end_encoded(pa.int32(), pa.int32()).id,
        pa.list_view(pa.int32()).id,
        pa.large_list_view(pa.int32()).id,
    }
)


def is_string(column_type: pa.DataType) -> bool:
    """Say whether a column holds strings, as they are or by a dictionary."""
    if pa.types.is_dictionary(column_type):
        column_type = column_type.value_type
    return any(
        is_type(column_type)
        for is_type in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def bytes_for_strings(column: pa.Array) -> pa.Array:
    """Return strings as the bytes they are, for they may not be UTF-8; other columns as given."""
    if not is_string(column.type):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        return column.cast(pa.binary_view())
    return column.view(pa.binary() if pa.types.is_string(column.type) else pa.large_binary())
