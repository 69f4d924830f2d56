"""Columnar files with a false statement in a page header, a footer or a buffer."""

from __future__ import annotations

import io
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

VALUE_BYTES = 3_000_000
"""Bytes of each text. In a page header, this size and the false ones take the same bytes."""


def _unsigned(value: int) -> bytes:
    """Return a count in Thrift's compact protocol."""
    data = b""
    while value >= 0x80:
        value, data = value >> 7, data + bytes([value & 0x7F | 0x80])
    return data + bytes([value])


def _signed(value: int) -> bytes:
    return _unsigned(2 * value if value >= 0 else -2 * value - 1)


def lying_page(text: str, says_bytes: int, codec: str, *, dictionary: bool = False) -> bytes:
    """Return a Parquet file of three row groups. In the second, a page states a false size.

    The page is that of the dictionary, or that of the data.
    """
    sink = io.BytesIO()
    texts = pa.table({text: [letter * VALUE_BYTES for letter in "abc"]})
    pq.write_table(texts, sink, compression=codec, use_dictionary=dictionary, row_group_size=1)
    data = sink.getvalue()
    column = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(0)
    kind, at = b"\x15\0\x15", column.data_page_offset
    if dictionary:
        kind, at = b"\x15\x04\x15", column.dictionary_page_offset
    begin = at + len(kind)
    end = begin + len(_signed(VALUE_BYTES))
    said = _signed(says_bytes)
    assert data[at:begin] == kind and len(said) == end - begin
    return data[:begin] + said + data[end:]


def _with_footer(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace bytes that occur once in a Parquet file's footer."""
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[begin:-8]
    assert footer.count(old) == 1
    footer = footer.replace(old, new)
    return data[:begin] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def groups_over_each_other(text: str, size: int, count: int) -> bytes:
    """Return a Parquet file whose footer lists its one row group ``count`` times."""
    letters = np.random.default_rng(0).integers(97, 123, size, np.uint8).tobytes().decode()
    sink = io.BytesIO()
    pq.write_table(
        pa.table({text: [letters]}),
        sink,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    data = sink.getvalue()
    before, writer = b"\x16" + _signed(1) + b"\x19\x1c", b"\x28\x20parquet-cpp"
    group = data[data.rindex(before) + len(before) : data.rindex(writer)]
    many = before[:-1] + b"\xfc" + _unsigned(count) + group * count
    return _with_footer(data, before + group, many)


def lying_row_count(text: str, says_rows: int) -> bytes:
    """Return a Parquet file of row groups of 300, 301 and 302 rows, with a false footer.

    The footer states ``says_rows`` rows for the second row group.
    """
    sink = io.BytesIO()
    schema = pa.schema([(text, pa.string())])
    with pq.ParquetWriter(sink, schema) as writer:
        for count in (300, 301, 302):
            writer.write_table(pa.table({text: [f"row {row}" for row in range(count)]}))
    old, new = (b"\x16" + _signed(rows) + b"\x26" for rows in (301, says_rows))
    return _with_footer(sink.getvalue(), old, new)


def lying_buffer(says_bytes: int) -> bytes:
    """Return an Arrow stream of two batches. The second states a false size of its texts."""
    batches = [pa.record_batch({"text": [letter * VALUE_BYTES]}) for letter in "ab"]
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    head, _, tail = sink.getvalue().rpartition(struct.pack("<q", VALUE_BYTES))
    return head + struct.pack("<q", says_bytes) + tail
