"""Columns as bytes and offsets: slices, nulls, and both sizes of offsets."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest

from tokenizer.text_buffers import text_buffers


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_rows_of_a_column_and_of_its_slices(kind: pa.DataType) -> None:
    rows = ["a", "", None, "bcé", "d"]
    column = pa.array(rows, kind)
    for begin in range(len(rows) + 1):
        for end in range(begin, len(rows) + 1):
            data, offsets = text_buffers(column.slice(begin, end - begin))
            assert len(offsets) == end - begin + 1
            found = [data[first:last].tobytes().decode() for first, last in pairwise(offsets)]
            assert found == [row or "" for row in rows[begin:end]]
