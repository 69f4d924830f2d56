from __future__ import annotations

import io
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

from pipeline.readers.containers.columnar import Unreadable
from pipeline.readers.containers.cursor import Watched
from pipeline.readers.containers.ipc_batches import CONTINUATION, FILE_MAGIC, ipc_batches
from tests.hostile.crafted_columns import ipc
from tests.hostile.lying_columns import lying_buffer
from tests.support.samples.column_files import NAMES, ipc_files


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


@pytest.mark.parametrize("says_bytes", [1 << 40, 50_000_000, 1_000, -1, -(1 << 40)])
def test_a_buffer_that_lies_about_its_size_costs_the_rest(says_bytes: int):
    data = lying_buffer(says_bytes)
    found = list(ipc_batches(Watched(io.BytesIO(data)), columns=["text"], text="text"))
    rows, fault = found
    assert isinstance(rows, pa.RecordBatch) and len(rows) == 1
    assert isinstance(fault, Unreadable)


def test_a_dictionary_that_lies_about_its_size_is_damage():
    data = ipc("text", pa.array(["a" * 100_000]).dictionary_encode())
    head, _, tail = data.rpartition(struct.pack("<q", 100_000))
    data = head + struct.pack("<q", 1 << 40) + tail
    (fault,) = ipc_batches(Watched(io.BytesIO(data)), columns=["text"], text="text")
    assert isinstance(fault, Unreadable)


def test_a_message_that_says_it_is_longer_than_the_file_is_damage():
    data = ipc("text", pa.array(["a" * 1_000]))
    begin = data.rindex(CONTINUATION, 0, -8)
    data = data[: begin + 4] + struct.pack("<i", 0x7FFFFFF0) + data[begin + 8 :]
    (fault,) = ipc_batches(Watched(io.BytesIO(data)), columns=["text"], text="text")
    assert isinstance(fault, Unreadable)


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
