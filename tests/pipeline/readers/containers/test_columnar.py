from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.readers.containers.columnar import (
    HELD_BYTES,
    Expansion,
    Unreadable,
    check_types,
    pieces,
)
from pipeline.readers.containers.cursor import Watched
from pipeline.readers.containers.decompress import MAX_EXPANSION, MIN_BOMB_BYTES
from pipeline.readers.containers.lines import MAX_NESTING

N_ROWS = 100
VALUE = "a" * 1_000_000
"""A long text. A hundred are more than may be held at once, and more than a file may expand to."""


def _same_value(n_rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * n_rows, pa.int32()), pa.array([VALUE]))


def _views() -> pa.Array:
    view = np.array([len(VALUE), 0x61616161, 0, 0], np.int32)
    buffers = [None, pa.py_buffer(np.tile(view, N_ROWS)), pa.py_buffer(VALUE.encode())]
    return pa.Array.from_buffers(pa.string_view(), N_ROWS, buffers)


_OFFSETS = pa.array(range(N_ROWS + 1), pa.int32())
_COLUMNS = {
    "dictionary": _same_value(N_ROWS),
    "dictionary of numbers": pa.DictionaryArray.from_arrays(
        pa.array([0] * N_ROWS, pa.int32()), pa.array([[0] * 10_000])
    ),
    "views": _views(),
    "struct": pa.StructArray.from_arrays([_same_value(N_ROWS)], ["a"]),
    "lists": pa.ListArray.from_arrays(_OFFSETS, _same_value(N_ROWS)),
    "large lists": pa.LargeListArray.from_arrays(_OFFSETS.cast(pa.int64()), _same_value(N_ROWS)),
    "lists of one size": pa.FixedSizeListArray.from_arrays(_same_value(2 * N_ROWS), 2),
    "maps": pa.MapArray.from_arrays(_OFFSETS, pa.array(["k"] * N_ROWS), _same_value(N_ROWS)),
    "lists of nulls": pa.ListArray.from_arrays(
        pa.array(range(0, 10_000 * N_ROWS + 1, 10_000), pa.int32()), pa.nulls(10_000 * N_ROWS)
    ),
}


def _value_bytes(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return sum(map(_value_bytes, value))
    return len(value) if isinstance(value, str) else 8


@pytest.mark.parametrize("column", _COLUMNS.values(), ids=_COLUMNS)
def test_no_piece_has_more_values_than_may_be_held(column: pa.Array):
    expansion = Expansion()
    expansion.read_bytes = HELD_BYTES
    number = pa.array(range(2 * N_ROWS))[: len(column)]
    batch = pa.record_batch({"number": number, "text": column}).slice(10)
    numbers = []
    for piece in pieces(batch, expansion, "text"):
        assert isinstance(piece, pa.RecordBatch)
        assert sum(map(_value_bytes, piece["text"].to_pylist())) <= HELD_BYTES
        numbers += piece["number"].to_pylist()
    assert numbers == list(range(10, len(batch) + 10))


def test_rows_are_given_up_to_the_expansion():
    batch = pa.record_batch({"text": _same_value(N_ROWS)})
    n_rows = 0
    with pytest.raises(ValueError, match=f"more than {MAX_EXPANSION} times as large"):
        for piece in pieces(batch, Expansion(), "text"):
            n_rows += len(piece)
    assert 0 < n_rows <= MIN_BOMB_BYTES // len(VALUE)


def test_a_row_without_a_text_counts_as_well():
    batch = pa.record_batch({"text": pa.nulls(1_000_000, pa.string())})
    with pytest.raises(ValueError, match="times as large"):
        list(pieces(batch, Expansion(), "text"))


def test_the_text_alone_may_be_large():
    expansion = Expansion()
    expansion.read_bytes = MIN_BOMB_BYTES
    items = pa.ListArray.from_arrays(
        pa.array([0, 2_000_000], pa.int32()), pa.array(np.zeros(2_000_000, np.int8))
    )
    text = pa.array([b"a" * (MIN_BOMB_BYTES + 1)])
    (fault,) = pieces(pa.record_batch({"text": text, "items": items}), expansion, "text")
    assert isinstance(fault, Unreadable) and fault.rows == 1
    assert fault.error.startswith("column 'items' holds")
    (piece,) = pieces(pa.record_batch({"text": text}), expansion, "text")
    assert len(piece) == 1


@pytest.mark.parametrize(
    "wrap",
    [lambda kind: pa.struct({"n": pa.int8(), "a": kind}), pa.list_, lambda kind: pa.list_(kind, 2)],
    ids=["struct", "list", "list of one size"],
)
def test_types_nest_to_a_limit(wrap: Callable[[pa.DataType], pa.DataType]):
    kind = pa.int8()
    for _ in range(MAX_NESTING - 1):
        kind = wrap(kind)
    schema = pa.schema({"a": kind, "b": wrap(kind)})
    check_types(schema, ["a"])
    with pytest.raises(ValueError, match=f"column 'b' has more than {MAX_NESTING} levels"):
        check_types(schema, ["a", "b"])


@pytest.mark.parametrize(
    "kind",
    [
        pa.run_end_encoded(pa.int32(), pa.string()),
        pa.list_view(pa.string()),
        pa.large_list_view(pa.string()),
    ],
    ids=str,
)
def test_types_that_repeat_what_they_hold_are_not_read(kind: pa.DataType):
    for column in (kind, pa.list_(pa.struct({"a": kind}))):
        with pytest.raises(ValueError, match="which is not read"):
            check_types(pa.schema({"a": column}), ["a"])


def test_no_more_is_asked_of_a_stream_than_there_is_room_for():
    asked: list[int] = []

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    data = bytes(range(256)) * 50_000
    watched = Watched(Stream(data[3:]), data[:3])
    assert watched.read(2) + watched.read(5) + watched.read(1 << 40) == data
    assert watched.read_bytes == len(data) and max(asked) <= 1 << 22
    assert watched.read(1) == b""
