"""Arrow without pandas, and small arrays made of buffers.

``pa.array``, ``pa.scalar`` and ``to_numpy`` import pandas at their first call, where it is
installed, to know its objects: that takes longer than most of the commands that look at a run.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


class _NoPandas:
    """Finds no pandas, as where it is not installed."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


_no_pandas = _NoPandas()
_is_without = False


def go_without_pandas() -> None:
    """Let Arrow look for pandas now, and find none: it does not look again by itself."""
    global _is_without
    if "pandas" in sys.modules or _is_without:
        return
    sys.meta_path.insert(0, _no_pandas)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(_no_pandas)
    _is_without = True


def go_with_pandas() -> None:
    """Let Arrow know the objects of pandas again, where it is installed."""
    global _is_without
    if _is_without and find_spec("pandas"):
        pa.table({}).to_pandas()
    _is_without = False


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
    if not len(array):
        return np.zeros(0, np.int32)
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array)]


def truths(array: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """Return the values of an array of booleans; null becomes false."""
    if array.null_count:
        array = pc.and_kleene(pc.is_valid(array), array)
    if not len(array):
        return np.zeros(0, bool)
    packed = np.frombuffer(array.buffers()[1], np.uint8)
    last = array.offset + len(array)
    return np.unpackbits(packed, count=last, bitorder="little")[array.offset :].astype(bool)
