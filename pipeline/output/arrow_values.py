"""Arrow without pandas: arrays made of buffers, views of them, and sums.

``pa.array``, ``pa.scalar``, ``to_numpy`` and ``group_by`` import pandas at their first call, where
it is installed, to know its objects. That takes longer than most of the commands that look at a
run, which use these functions in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Number = TypeVar("_Number", np.int32, np.int64)


def array_of_buffers(kind: pa.DataType, length: int, *buffers: Any) -> pa.Array:
    """Make an array without nulls from the buffers that its type has."""
    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, buffers)])


def numbers(values: npt.NDArray[Any]) -> pa.Array:
    """Make an array of numbers; contiguous values are not copied."""
    values = np.ascontiguousarray(values)
    return array_of_buffers(pa.from_numpy_dtype(values.dtype), len(values), values)


def mask(values: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    """Make an Arrow array of booleans."""
    return array_of_buffers(pa.bool_(), len(values), np.packbits(values, bitorder="little"))


def repeated(text: str, length: int) -> pa.StringArray:
    """Make an array that holds one text ``length`` times."""
    data = text.encode()
    ends = np.arange(length + 1, dtype=np.int32) * np.int32(len(data))
    return array_of_buffers(pa.string(), length, ends, data * length)


def scalar(text: str) -> pa.StringScalar:
    """Make an Arrow scalar of a text."""
    return repeated(text, 1)[0]


def int32_values(array: pa.Int32Array) -> npt.NDArray[np.int32]:
    """Return the values of an array without nulls, not copied."""
    return _view(array, np.int32)


def _view(array: pa.Array, kind: type[_Number]) -> npt.NDArray[_Number]:
    if not len(array):
        return np.zeros(0, kind)
    return np.frombuffer(array.buffers()[1], kind)[array.offset : array.offset + len(array)]


def added_up(rows: pa.Table, by: Sequence[str], sums: Sequence[str]) -> list[dict[str, Any]]:
    """Add up columns of int64 over the rows that have the same in ``by``.

    Returns a row for each, in the order of their first rows. ``group_by`` of a table does the same,
    and imports pandas.
    """
    codes = np.zeros(len(rows), np.int64)
    for name in by:
        column = rows[name].combine_chunks().dictionary_encode("encode")
        codes = codes * len(column.dictionary) + int32_values(column.indices)
    _, firsts, of_row = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    found = {name: rows[name].take(numbers(firsts[order])).to_pylist() for name in by}
    for name in sums:
        totals = np.zeros(len(firsts), np.int64)
        np.add.at(totals, of_row, _view(rows[name].cast(pa.int64()).combine_chunks(), np.int64))
        found[name] = totals[order].tolist()
    return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]


def truths(array: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """Return the values of an array of booleans; null becomes false."""
    if array.null_count:
        array = pc.and_kleene(pc.is_valid(array), array)
    if not len(array):
        return np.zeros(0, bool)
    packed = np.frombuffer(array.buffers()[1], np.uint8)
    last = array.offset + len(array)
    return np.unpackbits(packed, count=last, bitorder="little")[array.offset :].astype(bool)
