"""Shards, compared with a reader that was written from the format's description."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import shards
from tokenizer.shards import ShardReader, ShardWriter, parse_index, read_index


def written(batches: list[list[list[int]]], dtype: type) -> tuple[bytes, bytes]:
    bin_file, idx_file = io.BytesIO(), io.BytesIO()
    writer = ShardWriter(bin_file, idx_file, dtype)
    for batch in batches:
        ids = np.array([i for document in batch for i in document], dtype)
        writer.append(ids, np.cumsum([0, *map(len, batch)], dtype=np.int64))
    writer.finish()
    return bin_file.getvalue(), idx_file.getvalue()


def plainly_read(tokens: bytes, index: bytes) -> list[list[int]]:
    """Read a shard by the description of the format, field by field."""
    assert index[:9] == b"MMIDIDX\0\0"
    version, code, n, n_indices = struct.unpack("<QBQQ", index[9:34])
    assert (version, n_indices) == (1, n + 1)
    at = 34
    lengths = struct.unpack(f"<{n}i", index[at : at + 4 * n])
    at += 4 * n
    starts = struct.unpack(f"<{n}q", index[at : at + 8 * n])
    at += 8 * n
    assert struct.unpack(f"<{n_indices}q", index[at:]) == tuple(range(n + 1))
    letter, size = {8: ("H", 2), 4: ("i", 4)}[code]
    return [
        list(struct.unpack(f"<{length}{letter}", tokens[start : start + size * length]))
        for length, start in zip(lengths, starts, strict=True)
    ]


documents = st.lists(st.lists(st.integers(0, 65535), max_size=6), max_size=6)


@settings(max_examples=100, deadline=None)
@given(batches=st.lists(documents, max_size=4), dtype=st.sampled_from([np.uint16, np.int32]))
def test_written_shards_are_read_by_the_description(batches: list, dtype: type) -> None:
    assert plainly_read(*written(batches, dtype)) == [d for batch in batches for d in batch]


def test_chunks_of_the_index_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "DOCUMENTS_PER_CHUNK", 3)
    rows = [[i] * (i % 4) for i in range(20)]
    assert plainly_read(*written([rows], np.uint16)) == rows


def test_reader_maps_documents(tmp_path: Path) -> None:
    rows = [[1, 2, 3], [], [65535], [4, 5]]
    tokens, index = written([rows[:2], rows[2:]], np.uint16)
    (tmp_path / "part.bin").write_bytes(tokens)
    (tmp_path / "part.idx").write_bytes(index)
    reader = ShardReader(tmp_path / "part")
    assert [reader[i].tolist() for i in range(len(reader))] == rows
    assert reader.lengths.tolist() == [3, 0, 1, 2]
    assert isinstance(reader.tokens, np.memmap)
    for number in (-1, 4):
        with pytest.raises(IndexError):
            reader[number]


def test_an_empty_shard(tmp_path: Path) -> None:
    tokens, index = written([], np.int32)
    (tmp_path / "part.bin").write_bytes(tokens)
    (tmp_path / "part.idx").write_bytes(index)
    assert len(ShardReader(tmp_path / "part")) == 0


def test_a_slice_of_ids_is_written() -> None:
    bin_file, idx_file = io.BytesIO(), io.BytesIO()
    writer = ShardWriter(bin_file, idx_file, np.uint16)
    writer.append(np.arange(10, dtype=np.int32), np.array([2, 4, 9]))
    writer.finish()
    assert plainly_read(bin_file.getvalue(), idx_file.getvalue()) == [[2, 3], [4, 5, 6, 7, 8]]


def test_tokens_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="uint32"):
        ShardWriter(io.BytesIO(), io.BytesIO(), np.uint32)
    writer = ShardWriter(io.BytesIO(), io.BytesIO(), np.uint16)
    with pytest.raises(ValueError, match="does not fit"):
        writer.append(np.array([70_000], np.int32), np.array([0, 1]))


def changed(index: bytes, at: int, value: bytes) -> bytes:
    return index[:at] + value + index[at + len(value) :]


GOOD = written([[[1, 2], [3]]], np.uint16)[1]
DAMAGE = {
    "too few": GOOD[:20],
    "does not begin": changed(GOOD, 0, b"X"),
    "version 2": changed(GOOD, 9, b"\x02"),
    "code 9": changed(GOOD, 17, b"\x09"),
    "one more": changed(GOOD, 26, b"\x07"),
    "bytes, expected": GOOD[:-1],
    "bytes, expected ": GOOD + b"\0",
    "negative": changed(GOOD, 34, struct.pack("<i", -2)),
    "do not follow": changed(GOOD, 34, struct.pack("<i", 3)),
    "do not follow ": changed(GOOD, 42, struct.pack("<q", 2)),
    "not one sequence": changed(GOOD, 58, struct.pack("<q", 1)),
}


@pytest.mark.parametrize("problem", DAMAGE)
def test_damaged_indexes_are_refused(problem: str, tmp_path: Path) -> None:
    path = tmp_path / "some-part.idx"
    path.write_bytes(DAMAGE[problem])
    with pytest.raises(ValueError, match=f"some-part.idx.*{problem.strip()}"):
        read_index(path)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_no_changed_byte_passes_unless_it_says_the_same_tokens(at: int, byte: int) -> None:
    data = changed(GOOD, at, bytes([byte]))
    if data == GOOD:
        return
    try:
        index = parse_index(data)
    except ValueError:
        return
    # The remaining changes are other types of token and another length of the last document. Both
    # are noticed by the size of the .bin file or by the type.
    assert index.bin_bytes != 6 or index.dtype != np.uint16


def test_tokens_fewer_than_the_index_says(tmp_path: Path) -> None:
    tokens, index = written([[[1, 2], [3]]], np.uint16)
    (tmp_path / "part.bin").write_bytes(tokens[:-1])
    (tmp_path / "part.idx").write_bytes(index)
    with pytest.raises(ValueError, match=r"part\.bin: 5 bytes, its index says 6"):
        ShardReader(tmp_path / "part")
