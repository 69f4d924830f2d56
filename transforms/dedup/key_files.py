"""Files of 64-bit keys in ascending order, each with a value, of which a range is read alone.

The keys stand in blocks, those of a block ahead of their values. Behind the blocks is a table with
the first key and the CRC-32 of each, then the number of keys as u64, and the bytes of a value and
the CRC-32 of the table as u32.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

BLOCK_KEYS = 1 << 13
"""Keys of a block, which is what is read at a time (64 KiB and the values)."""

COUNTS = np.dtype("u1")
"""Values of exact deduplications: how many units have the key, or the most that fits."""

REFERENCES = np.dtype("<u8")
"""Values of near-duplicates' bands: the document (``transforms.dedup.near.References``)."""

_MAGIC = b"LCKEYS02"
_BLOCK = np.dtype([("first", "<u8"), ("crc", "<u4")])
_TRAILER = np.dtype([("keys", "<u8"), ("value_bytes", "<u4"), ("crc", "<u4")])


class Rows(NamedTuple):
    """Ascending keys, and the value of each."""

    keys: Keys
    values: npt.NDArray[Any]


def saturated(counts: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return counts as the values of a file: those that do not fit are the most that does."""
    return np.minimum(counts, np.iinfo(COUNTS).max).astype(COUNTS)


def packed_rows(chunks: Iterable[Rows], values: np.dtype[Any]) -> Iterator[bytes]:
    """Yield the bytes of a file of rows that come in order, in chunks of any size."""
    yield _MAGIC
    blocks: list[tuple[int, int]] = []
    n_keys = 0
    for keys, of_each in _reblocked(chunks, values):
        data = keys.astype("<u8").tobytes() + of_each.astype(values).tobytes()
        blocks.append((int(keys[0]), zlib.crc32(data)))
        n_keys += len(keys)
        yield data
    table = np.array(blocks, _BLOCK).tobytes()
    yield table
    yield np.array([(n_keys, values.itemsize, zlib.crc32(table))], _TRAILER).tobytes()


def _reblocked(chunks: Iterable[Rows], values: np.dtype[Any]) -> Iterator[Rows]:
    """Yield the rows of chunks by blocks; the last may be short, and none is empty."""
    held = Rows(np.zeros(0, np.uint64), np.zeros(0, values))
    for chunk in chunks:
        held = Rows(*(np.concatenate(both) for both in zip(held, chunk, strict=True)))
        n_whole = len(held.keys) // BLOCK_KEYS * BLOCK_KEYS
        for start in range(0, n_whole, BLOCK_KEYS):
            here = slice(start, start + BLOCK_KEYS)
            yield Rows(held.keys[here], held.values[here])
        held = Rows(held.keys[n_whole:], held.values[n_whole:])
    if len(held.keys):
        yield held


def are_in(file: BinaryIO, keys: Keys) -> npt.NDArray[np.bool_]:
    """Tell which of some distinct, ascending keys a file has.

    Of the file one block is held at a time, and those that none of the keys can be in are not read.
    Raises ValueError where what is read is damaged.
    """
    table = _table(file)
    bounds = np.append(np.searchsorted(keys, table.blocks["first"]), len(keys))
    found = np.zeros(len(keys), bool)
    for number, (begin, end) in enumerate(pairwise(bounds.tolist())):
        if begin == end:
            continue
        there = _block(file, table, number).keys
        places = np.searchsorted(there, keys[begin:end])
        places[places == len(there)] = 0
        found[begin:end] = there[places] == keys[begin:end]
    return found


def last_values(file: BinaryIO, keys: Keys, most: int) -> tuple[npt.NDArray[np.int64], Any]:
    """Return the last values of some distinct, ascending keys, ``most`` of each if there are more.

    They come with the places of their keys among those asked for, ascending. Reads as
    :func:`are_in` does.
    """
    table = _table(file)
    firsts = table.blocks["first"]
    begins = np.searchsorted(keys, firsts)
    # A key that many rows have may go on in the blocks that begin with it.
    ends = np.append(np.searchsorted(keys, firsts[1:], side="right"), len(keys))
    places = [np.zeros(0, np.int64)]
    values = [np.zeros(0, f"<u{table.value_bytes}")]
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        if begin == end:
            continue
        there = _block(file, table, number)
        stops = np.searchsorted(there.keys, keys[begin:end], side="right")
        starts = np.maximum(np.searchsorted(there.keys, keys[begin:end]), stops - most)
        rows = _ranges(starts, stops)
        places.append(np.repeat(np.arange(begin, end), stops - starts))
        values.append(there.values[rows])
    return last_of_each(np.concatenate(places), np.concatenate(values), most)


def last_of_each(
    places: npt.NDArray[np.int64], values: npt.NDArray[Any], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Keep the last ``most`` values of each place; places are ascending."""
    _, counts = np.unique(places, return_counts=True)
    ends = np.repeat(np.cumsum(counts), counts)
    stay = ends - np.arange(len(places)) <= most
    return places[stay], values[stay]


def _ranges(starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the whole numbers of several ranges, one range behind the other."""
    sizes = stops - starts
    before = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes)


def read_rows(file: BinaryIO) -> Iterator[Rows]:
    """Yield the rows of a file by blocks. Raises ValueError where one is damaged."""
    table = _table(file)
    for number in range(len(table.blocks)):
        yield _block(file, table, number)


def merged_rows(streams: Iterable[Iterator[Rows]]) -> Iterator[Rows]:
    """Merge streams of rows, of each of which one block is held; rows go by key, then by value.

    All rows of a key are in one of the chunks that are yielded.
    """
    heads = [(head, stream) for stream in streams if (head := next(stream, None)) is not None]
    while heads:
        # No head has rows below this key that are still to come.
        bound = min(head.keys[-1] for head, _ in heads)
        taken: list[Rows] = []
        left: list[tuple[Rows, Iterator[Rows]]] = []
        for head, stream in heads:
            rest: Rows | None = head
            while rest is not None:
                end = int(np.searchsorted(rest.keys, bound, side="right"))
                taken.append(Rows(rest.keys[:end], rest.values[:end]))
                if end < len(rest.keys):
                    left.append((Rows(rest.keys[end:], rest.values[end:]), stream))
                    break
                rest = next(stream, None)
        heads = left
        keys, values = (np.concatenate(column) for column in zip(*taken, strict=True))
        order = np.lexsort((values, keys))
        yield Rows(keys[order], values[order])


def summed(rows: Rows) -> Rows:
    """Make one row of those of each key: their values are counts, and added up."""
    keys, starts = np.unique(rows.keys, return_index=True)
    return Rows(keys, saturated(np.add.reduceat(rows.values.astype(np.uint64), starts)))


def span(file: BinaryIO) -> tuple[int, int, int]:
    """Read the number of a file's keys, the first and the last; it has at least one."""
    table = _table(file)
    last = _block(file, table, len(table.blocks) - 1).keys[-1]
    return table.n_keys, int(table.blocks["first"][0]), int(last)


class _Table(NamedTuple):
    blocks: npt.NDArray[np.void]
    n_keys: int
    value_bytes: int


def _block(file: BinaryIO, table: _Table, number: int) -> Rows:
    start = number * BLOCK_KEYS
    n_keys = min(BLOCK_KEYS, table.n_keys - start)
    row_bytes = 8 + table.value_bytes
    file.seek(len(_MAGIC) + row_bytes * start)
    data = file.read(row_bytes * n_keys)
    if zlib.crc32(data) != table.blocks["crc"][number]:
        raise ValueError(f"block {number} is not as it was written")
    values = np.frombuffer(data, f"<u{table.value_bytes}", n_keys, 8 * n_keys)
    return Rows(np.frombuffer(data, "<u8", n_keys), values)


def read_trailer(
    file: BinaryIO, magic: bytes, trailer: np.dtype[Any], what: str
) -> tuple[int, tuple[int, ...]]:
    """Return the size of a file of an index, in bytes, and the numbers in its trailer.

    Raises ValueError where it does not begin with ``magic``, or is too short: it is none of
    ``what`` then.
    """
    file.seek(0)
    begins_right = file.read(len(magic)) == magic
    size = file.seek(0, 2)
    file.seek(max(0, size - trailer.itemsize))
    data = file.read()
    if not begins_right or len(data) < trailer.itemsize:
        raise ValueError(f"it is no file of {what}")
    return size, np.frombuffer(data, trailer)[0].tolist()


def read_table(file: BinaryIO, start: int, n_bytes: int, crc: int) -> bytes:
    """Return the table of a file of an index. Raises ValueError where its CRC-32 is another."""
    file.seek(start)
    table = file.read(n_bytes)
    if zlib.crc32(table) != crc:
        raise ValueError("its table is not as it was written")
    return table


def _table(file: BinaryIO) -> _Table:
    """Read the table of a file's blocks."""
    size, (n_keys, value_bytes, crc) = read_trailer(file, _MAGIC, _TRAILER, "keys")
    n_blocks = -(-n_keys // BLOCK_KEYS)
    start = len(_MAGIC) + (8 + value_bytes) * n_keys
    if size != start + n_blocks * _BLOCK.itemsize + _TRAILER.itemsize:
        raise ValueError(f"{size:,} bytes are not those of {n_keys:,} keys")
    table = read_table(file, start, n_blocks * _BLOCK.itemsize, crc)
    return _Table(np.frombuffer(table, _BLOCK), n_keys, value_bytes)
