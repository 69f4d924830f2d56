"""Files of the documents' minima, by which near-duplicates are told without the texts.

A document has the low 2 bytes of each minimum, and the number of its shingles as u32. Documents
stand in blocks, whose CRC-32 follow as u32; then come the number of documents as u64, and the
minima of each and the CRC-32 of those CRC-32 as u32.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.dedup.key_files import read_table, read_trailer

BLOCK_DOCUMENTS = 64
"""Documents of a block, which is what is read at a time (14 KiB with 112 minima)."""

_MAGIC = b"LCMINIMA"
_TRAILER = np.dtype([("documents", "<u8"), ("minima", "<u4"), ("crc", "<u4")])


class Minima(NamedTuple):
    """Minima of some documents, a row each, and the numbers of their shingles."""

    minima: npt.NDArray[np.uint16]
    shingles: npt.NDArray[np.uint32]

    def take(self, rows: npt.NDArray[Any]) -> Minima:
        """Return some of the documents."""
        return Minima(self.minima[rows], self.shingles[rows])


def packed_minima(chunks: Iterable[Minima], n_minima: int) -> Iterator[bytes]:
    """Yield the bytes of a file of documents with ``n_minima`` minima each."""
    yield _MAGIC
    row = _row(n_minima)
    block_bytes = BLOCK_DOCUMENTS * row.itemsize
    held = b""
    crcs: list[int] = []
    n_bytes = 0
    for chunk in chunks:
        rows = np.empty(len(chunk.shingles), row)
        rows["minima"], rows["shingles"] = chunk
        held += rows.tobytes()
        n_bytes += rows.nbytes
        whole = len(held) // block_bytes * block_bytes
        crcs += [zlib.crc32(held[i : i + block_bytes]) for i in range(0, whole, block_bytes)]
        yield held[:whole]
        held = held[whole:]
    if held:
        crcs.append(zlib.crc32(held))
    yield held
    table = np.array(crcs, "<u4").tobytes()
    yield table
    trailer = (n_bytes // row.itemsize, n_minima, zlib.crc32(table))
    yield np.array([trailer], _TRAILER).tobytes()


def count_documents(file: BinaryIO) -> int:
    """Read the number of a file's documents."""
    return _table(file)[0]


def minima_of(file: BinaryIO, numbers: npt.NDArray[Any]) -> Minima:
    """Read the minima of some documents, by their ascending numbers.

    Of the file one block is held at a time, and those with none of the documents are not read.
    Raises ValueError where what is read is damaged.
    """
    n_documents, n_minima, crcs = _table(file)
    if len(numbers) and int(numbers[-1]) >= n_documents:
        raise ValueError(f"it has {n_documents:,} documents, not {int(numbers[-1]) + 1:,}")
    row = _row(n_minima)
    read = np.empty(len(numbers), row)
    blocks, starts = np.unique(numbers // BLOCK_DOCUMENTS, return_index=True)
    bounds = pairwise([*starts.tolist(), len(numbers)])
    for number, (begin, end) in zip(blocks.tolist(), bounds, strict=True):
        first = number * BLOCK_DOCUMENTS
        file.seek(len(_MAGIC) + first * row.itemsize)
        data = file.read(min(BLOCK_DOCUMENTS, n_documents - first) * row.itemsize)
        if zlib.crc32(data) != crcs[number]:
            raise ValueError(f"block {number} is not as it was written")
        read[begin:end] = np.frombuffer(data, row)[numbers[begin:end] - first]
    return Minima(read["minima"], read["shingles"])


def _row(n_minima: int) -> np.dtype[Any]:
    return np.dtype([("minima", "<u2", (n_minima,)), ("shingles", "<u4")])


def _table(file: BinaryIO) -> tuple[int, int, npt.NDArray[np.uint32]]:
    size, (n_documents, n_minima, crc) = read_trailer(file, _MAGIC, _TRAILER, "minima")
    n_blocks = -(-n_documents // BLOCK_DOCUMENTS)
    start = len(_MAGIC) + (2 * n_minima + 4) * n_documents
    if size != start + 4 * n_blocks + _TRAILER.itemsize:
        raise ValueError(f"{size:,} bytes are not those of {n_documents:,} documents")
    table = read_table(file, start, 4 * n_blocks, crc)
    return n_documents, n_minima, np.frombuffer(table, "<u4")
