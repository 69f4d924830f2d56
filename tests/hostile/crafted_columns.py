"""Bombs and false sizes in columnar files: Parquet for two readers, and Arrow files and streams."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.lying_columns import (
    groups_over_each_other,
    lying_buffer,
    lying_page,
    lying_row_count,
)

Make = Callable[[int], bytes]


def parquet(column: str, values: pa.Array, **options: object) -> bytes:
    """Return a Parquet file of one column."""
    sink = io.BytesIO()
    pq.write_table(pa.table({column: values}), sink, **options)
    return sink.getvalue()


def ipc(column: str, values: pa.Array, form: Callable[..., object] = pa.ipc.new_stream) -> bytes:
    """Return an Arrow file or stream of one column, compressed by zstd."""
    sink = io.BytesIO()
    batch = pa.record_batch([values], [column])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with form(sink, batch.schema, options=options) as writer:  # type: ignore[attr-defined]
        writer.write_batch(batch)
    return sink.getvalue()


def _repeated_value(size: int) -> pa.Array:
    """Return rows that are all the same value of a dictionary."""
    value = pa.array(["a" * (8 * size)])
    return pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), value)


def _words(size: int) -> pa.Array:
    return pa.array(["word, " * (size // 6)])


def _same(size: int, n_rows: int) -> pa.Array:
    return pa.array([b"a" * size]).take(pa.array([0] * n_rows)).view(pa.string())


def _views(size: int) -> pa.Array:
    """Return string views that all cover the whole of one buffer."""
    view = np.array([size, 0x61616161, 0, 0], np.int32)
    buffers = [None, pa.py_buffer(np.tile(view, 10_000)), pa.py_buffer(b"a" * size)]
    return pa.Array.from_buffers(pa.string_view(), 10_000, buffers)


def _long_list() -> pa.Array:
    values = pa.array(np.zeros(20_000_000, np.int8))
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def _list_of_one_value(size: int) -> pa.Array:
    """Return a row with a million items, all the same value of a dictionary."""
    indices = pa.array(np.zeros(1_000_000, np.int32))
    items = pa.DictionaryArray.from_arrays(indices, pa.array(["a" * size]))
    return pa.ListArray.from_arrays(pa.array([0, len(items)], pa.int32()), items)


def _nested(depth: int) -> pa.Array:
    array: pa.Array = pa.array([1, 2])
    for _ in range(depth):
        array = pa.StructArray.from_arrays([array], ["a"])
    return array


def _lying_footer(size: int) -> bytes:
    data = parquet("text", pa.array(["abc"] * 10))
    return data[:-8] + (0x7FFFFFF0).to_bytes(4, "little") + b"PAR1"


_zstd = functools.partial(parquet, compression="zstd", use_dictionary=False)


def bombs(text: str) -> dict[str, Make]:
    """Return Parquet files whose texts are in the column ``text``."""
    return {
        "dictionary bomb": lambda n: parquet(
            text, _repeated_value(n), compression="zstd", row_group_size=2_000, store_schema=False
        ),
        "zstd bomb": lambda n: _zstd(text, _words(50 * n)),
        "zstd bomb over the limit": lambda n: _zstd(text, _words(1_000 * n)),
        "zstd bombs, one a page": lambda n: _zstd(
            text, _same(10 * n, 150), data_page_size=1, write_batch_size=1
        ),
        "common prefixes": lambda n: _zstd(
            text, _same(5 * n, 300), column_encoding={text: "DELTA_BYTE_ARRAY"}
        ),
        "nulls": lambda n: parquet(text, pa.nulls(20 * n, pa.string())),
        "lying footer": _lying_footer,
        "page that says too much": lambda n: lying_page(text, 130_000_000, "zstd"),
        "page that says more": lambda n: lying_page(text, 50_000_000, "zstd"),
        "page that says less": lambda n: lying_page(text, 2_000_000, "snappy"),
        "dictionary that says more": lambda n: lying_page(
            text, 30_000_000, "zstd", dictionary=True
        ),
        "row groups over each other": lambda n: groups_over_each_other(text, n, 2_000),
        "more rows than there are": lambda n: lying_row_count(text, 100_000),
        "fewer rows than there are": lambda n: lying_row_count(text, 7),
        "fewer rows than none": lambda n: lying_row_count(text, -300),
    }


_TABLES: dict[str, Make] = {
    **bombs("text"),
    "no column": lambda n: parquet("none", pa.nulls(20 * n, pa.string())),
    "long list": lambda n: _zstd("timestamp", _long_list()),
    "long list of one value": lambda n: parquet(
        "timestamp", _list_of_one_value(n), compression="zstd", store_schema=False
    ),
    "wide nulls": lambda n: parquet("timestamp", pa.nulls(150, pa.binary(20 * n))),
    "nested": lambda n: parquet("timestamp", _nested(300)),
    "one text": lambda n: parquet("text", pa.array(["a" * n])),
    "empty texts": lambda n: parquet("text", pa.array([""] * (n // 2))),
    "magic": lambda n: b"PAR1" * (n // 4),
    "Arrow's magic": lambda n: b"\xff\xff\xff\xff" * (n // 4),
}

_IPC: dict[str, Make] = {
    "Arrow: dictionary bomb": lambda n: ipc("text", _repeated_value(n)),
    "Arrow: zstd bomb": lambda n: ipc("text", _words(1_000 * n)),
    "Arrow file: zstd bomb": lambda n: ipc("text", _words(1_000 * n), pa.ipc.new_file),
    "Arrow: nulls": lambda n: ipc("text", pa.nulls(10_000 * n)),
    "Arrow: views of one text": lambda n: ipc("text", _views(n)),
    "Arrow: nested": lambda n: ipc("timestamp", _nested(50)),
    "Arrow: buffer that says too much": lambda n: lying_buffer(1 << 40),
    "Arrow: buffer that says more": lambda n: lying_buffer(50_000_000),
    "Arrow: buffer that says less": lambda n: lying_buffer(1_000),
    "Arrow: buffer that says it is plain": lambda n: lying_buffer(-1),
    "Arrow: buffer that says less than none": lambda n: lying_buffer(-(1 << 40)),
}


def tables() -> Iterator[tuple[str, str, str, Make]]:
    """Yield the label, the reader, the name and the maker of every file."""
    for label, make in _TABLES.items():
        yield label, "huggingface", "a.parquet", make
    for label, make in _IPC.items():
        yield label, "huggingface", "a.arrow", make
    for label, make in bombs("content").items():
        yield f"Parquet: {label}", "bigquery_github", "a.parquet", make
