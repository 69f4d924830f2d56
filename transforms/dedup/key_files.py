"""Files of distinct 64-bit keys in ascending order, of which a range is read without the rest.

The keys stand in blocks. Behind them is a table with the first key and the CRC-32 of each block,
then the number of keys as u64 and the CRC-32 of the table as u32.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

BLOCK_KEYS = 1 << 13
"""Keys of a block, which is what is read at a time (64 KiB)."""

_MAGIC = b"LCKEYS01"
_BLOCK = np.dtype([("first", "<u8"), ("crc", "<u4")])
_TRAILER = np.dtype([("keys", "<u8"), ("crc", "<u4")])


def packed_keys(keys: Keys) -> Iterator[bytes]:
    """Yield the bytes of a file of distinct, ascending keys."""
    yield _MAGIC
    blocks = np.empty(-(-len(keys) // BLOCK_KEYS), _BLOCK)
    for number, start in enumerate(range(0, len(keys), BLOCK_KEYS)):
        data = keys[start : start + BLOCK_KEYS].astype("<u8").tobytes()
        blocks[number] = keys[start], zlib.crc32(data)
        yield data
    table = blocks.tobytes()
    yield table
    yield np.array([(len(keys), zlib.crc32(table))], _TRAILER).tobytes()


def are_in(file: BinaryIO, keys: Keys) -> npt.NDArray[np.bool_]:
    """Tell which of some distinct, ascending keys a file has.

    Of the file one block is held at a time, and those that none of the keys can be in are not read.
    Raises ValueError where what is read is damaged.
    """
    blocks, n_keys = _table(file)
    bounds = np.append(np.searchsorted(keys, blocks["first"]), len(keys))
    found = np.zeros(len(keys), bool)
    for number, (begin, end) in enumerate(pairwise(bounds.tolist())):
        if begin == end:
            continue
        start = number * BLOCK_KEYS
        file.seek(len(_MAGIC) + 8 * start)
        data = file.read(8 * min(BLOCK_KEYS, n_keys - start))
        if zlib.crc32(data) != blocks["crc"][number]:
            raise ValueError(f"block {number} is not as it was written")
        there = np.frombuffer(data, "<u8")
        places = np.searchsorted(there, keys[begin:end])
        places[places == len(there)] = 0
        found[begin:end] = there[places] == keys[begin:end]
    return found


def span(file: BinaryIO) -> tuple[int, int, int]:
    """Read the number of a file's keys, the first and the last; it has at least one."""
    blocks, n_keys = _table(file)
    file.seek(len(_MAGIC) + 8 * (n_keys - 1))
    return n_keys, int(blocks["first"][0]), int(np.frombuffer(file.read(8), "<u8")[0])


def _table(file: BinaryIO) -> tuple[npt.NDArray[np.void], int]:
    """Read the table of a file's blocks, and the number of its keys."""
    begins_right = file.read(len(_MAGIC)) == _MAGIC
    size = file.seek(0, 2)
    file.seek(max(0, size - _TRAILER.itemsize))
    trailer = file.read()
    if not begins_right or len(trailer) < _TRAILER.itemsize:
        raise ValueError("it is no file of keys")
    n_keys, crc = np.frombuffer(trailer, _TRAILER)[0].tolist()
    n_blocks = -(-n_keys // BLOCK_KEYS)
    start = len(_MAGIC) + 8 * n_keys
    if size != start + n_blocks * _BLOCK.itemsize + _TRAILER.itemsize:
        raise ValueError(f"{size:,} bytes are not those of {n_keys:,} keys")
    file.seek(start)
    table = file.read(n_blocks * _BLOCK.itemsize)
    if zlib.crc32(table) != crc:
        raise ValueError("its table is not as it was written")
    return np.frombuffer(table, _BLOCK), n_keys
