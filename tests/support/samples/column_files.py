"""Columnar files made by hypothesis: any table, in any of the forms that pyarrow writes."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

NAMES = ("text", "word", "list", "struct", "number", "fixed")

_words = st.none() | st.sampled_from(["", "a", "word", "\u00e9" * 40, "x" * 300])
_ROW = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(st.characters(codec="utf-8"), max_size=30),
        "word": _words,
        "list": st.none() | st.lists(_words, max_size=4),
        "struct": st.none()
        | st.fixed_dictionaries({"a": _words, "b": st.none() | st.lists(st.integers(0, 9))}),
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "fixed": st.none() | st.binary(min_size=5, max_size=5),
    }
)
_SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("word", pa.dictionary(pa.int32(), pa.string())),
        ("list", pa.list_(pa.string())),
        ("struct", pa.struct({"a": pa.string(), "b": pa.list_(pa.int8())})),
        ("number", pa.int64()),
        ("fixed", pa.binary(5)),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    """Draw tables of one schema. Some are empty, and long ones repeat rows."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        rows = draw(st.lists(_ROW, max_size=6)) * draw(st.sampled_from([1, 1, 7, 120]))
        made.append(pa.Table.from_pylist(rows, _SCHEMA))
    return made


@st.composite
def parquet_files(draw: st.DrawFn) -> bytes:
    """Draw a Parquet file in which each table is one row group or more."""
    options: dict[str, Any] = {
        "compression": draw(st.sampled_from(["none", "snappy", "zstd", "gzip", "lz4", "brotli"])),
        "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
        # Below about 10, pyarrow cannot read the lists in structs that it wrote.
        "data_page_size": draw(st.sampled_from([30, 100, 1 << 20])),
        "write_batch_size": draw(st.sampled_from([1, 10, 1024])),
        "dictionary_pagesize_limit": draw(st.sampled_from([50, 1 << 20])),
    }
    encoding = draw(st.sampled_from([None, "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]))
    if encoding is not None:
        options |= {"use_dictionary": False, "column_encoding": {"text": encoding}}
        options["column_encoding"] |= {"number": "DELTA_BINARY_PACKED"}
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, _SCHEMA, **options) as writer:
        for table in draw(tables()):
            writer.write_table(table, row_group_size=draw(st.sampled_from([3, 100, 1000])))
    return sink.getvalue()


@st.composite
def ipc_files(draw: st.DrawFn) -> bytes:
    """Draw an IPC stream or file in which each table is one record batch or more."""
    sink = io.BytesIO()
    codec = draw(st.sampled_from([None, "zstd", "lz4"]))
    options = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=draw(st.booleans()))
    form, made = draw(st.sampled_from([pa.ipc.new_stream, pa.ipc.new_file])), draw(tables())
    if form is pa.ipc.new_file:  # a file has one dictionary only
        made = pa.concat_tables(made).unify_dictionaries().to_batches()
    with form(sink, _SCHEMA, options=options) as writer:
        for table in made:
            writer.write(table)
    return sink.getvalue()
