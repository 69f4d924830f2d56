from __future__ import annotations

import io
import struct
from typing import Any

import pyarrow as pa
from hypothesis import given, settings

from pipeline.readers.containers.columnar import Unreadable, Watched
from pipeline.readers.containers.ipc_batches import FILE_MAGIC, ipc_batches
from tests.hostile.crafted_columns import ipc
from tests.hostile.lying_columns import lying_buffer
from tests.support.column_files import NAMES, ipc_files


def _read(data: bytes, columns: Any = NAMES) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for rows in ipc_batches(Watched(io.BytesIO(data)), columns=columns, text="text"):
        assert not isinstance(rows, Unreadable), rows
        found += rows.to_pylist()
    return found


@settings(deadline=None, max_examples=60)
@given(data=ipc_files())
def test_every_row_is_read_as_pyarrow_reads_it(data: bytes):
    is_file = data.startswith(FILE_MAGIC)
    opened = pa.ipc.open_file(data) if is_file else pa.ipc.open_stream(data)
    expected = opened.read_all()
    assert _read(data) == expected.to_pylist()
    assert _read(data, ("text", "none")) == expected.select(["text"]).to_pylist()


def test_buffers_that_say_too_much_are_not_unpacked():
    data = lying_buffer(1 << 40)
    found = list(ipc_batches(Watched(io.BytesIO(data)), columns=["text"], text="text"))
    rows, fault = found
    assert isinstance(rows, pa.RecordBatch) and len(rows) == 1
    assert isinstance(fault, Unreadable) and fault.error.startswith("buffers of 10995116")


def test_a_dictionary_that_says_too_much_is_not_unpacked():
    data = ipc("text", pa.array(["a" * 100_000]).dictionary_encode())
    head, _, tail = data.rpartition(struct.pack("<q", 100_000))
    data = head + struct.pack("<q", 1 << 40) + tail
    (fault,) = ipc_batches(Watched(io.BytesIO(data)), columns=["text"], text="text")
    assert isinstance(fault, Unreadable) and fault.error.startswith("buffers of 10995116")


def test_what_arrow_takes_on_trust_is_checked():
    strings = ipc("text", pa.array(["a" * 17, "b" * 23]))
    offsets = struct.pack("<3i", 0, 17, 40)
    assert strings.count(offsets) == 1
    strings = strings.replace(offsets, struct.pack("<3i", 0, 17, 1_000))
    indices = pa.array([0, 9], pa.int32())
    index = ipc("text", pa.DictionaryArray.from_arrays(indices, pa.array(["a"]), safe=False))
    for data in (strings, index):
        (fault,) = ipc_batches(Watched(io.BytesIO(data)), columns=["text"], text="text")
        assert isinstance(fault, Unreadable) and fault.rows == 2
