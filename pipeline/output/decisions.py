"""Deduplication decisions of the first pass, in one small file a split, one bit a unit.

A unit is a line or a document, depending on the deduplication. A set bit means that it is dropped.
Beside a file may lie another that says what the documents fell to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from pipeline.files import storage
from pipeline.output import whole_files

_MAGIC = b"LCDECIDE"
_SURVIVORS_MAGIC = b"LCFELLTO"

_SIZES_MAGIC = b"LCSIZES1"

CLUSTER = np.dtype([("unit", "<u4"), ("size", "<u4")])
"""A document, by its number in the split, and how many are in its cluster."""

FELL_TO = np.dtype([("unit", "<u4"), ("survivor", "<u8")])
"""A document that fell to another: its number in the split, and the other's reference
(``transforms.dedup.near.References``)."""


def decision_name(source: str, step: int, split: int) -> str:
    """Return the name of the file with a split's decisions; ``step`` is the step's position."""
    return f"decisions/{source}/step{step}-split{split:06d}.bits"


def survivors_name(source: str, step: int, split: int) -> str:
    """Return the name of the file that says what a split's documents fell to."""
    return f"decisions/{source}/step{step}-split{split:06d}.survivors"


def fell_to(
    units: npt.NDArray[np.uint32], splits: npt.NDArray[Any], survivors: npt.NDArray[np.uint32]
) -> bytes:
    """Pack which documents fell to which, by the numbers of the others' splits and in these."""
    rows = np.empty(len(units), FELL_TO)
    rows["unit"] = units
    rows["survivor"] = splits.astype(np.uint64) << np.uint64(32) | survivors.astype(np.uint64)
    return rows.tobytes()


def write_survivors(output: str, name: str, packed: Iterable[bytes]) -> None:
    """Write what documents fell to: of each the least reference that it is packed with."""
    rows = np.sort(np.frombuffer(b"".join(packed), FELL_TO))
    _, firsts = np.unique(rows["unit"], return_index=True)
    body = zstandard.ZstdCompressor(level=3).compress(rows[firsts].tobytes())
    whole_files.write_bytes(output, name, _SURVIVORS_MAGIC + body)


def read_survivor(output: str, name: str, unit: int) -> int | None:
    """Read the reference of what a document fell to; None where it stays or the file is not there.

    Raises ValueError with the name of the file if it is damaged.
    """
    if not storage.exists(storage.join(output, name)):
        return None
    data = storage.read_bytes(storage.join(output, name))
    try:
        if data[:8] != _SURVIVORS_MAGIC:
            raise ValueError("it does not begin as such a file does")
        rows = np.frombuffer(zstandard.ZstdDecompressor().decompress(data[8:]), FELL_TO)
    except (ValueError, zstandard.ZstdError) as error:
        raise ValueError(f"{name}: damaged decisions: {error}") from None
    at = int(np.searchsorted(rows["unit"], unit))
    return int(rows["survivor"][at]) if at < len(rows) and rows["unit"][at] == unit else None


CLUSTERS_PATTERN = r"decisions/(.+)/step(\d+)-window(\d+)\.clusters\.json"
"""Matches the names of :func:`clusters_name`: source, step and window."""


def clusters_name(source: str, step: int, window: int) -> str:
    """Return the name of the file that says how the clusters of a window were found."""
    return f"decisions/{source}/step{step}-window{window:05d}.clusters.json"


def sizes_name(source: str, step: int, split: int) -> str:
    """Return the name of the file with the sizes of the clusters of a split's documents."""
    return f"decisions/{source}/step{step}-split{split:06d}.sizes"


def packed_sizes(units: npt.NDArray[np.uint32], sizes: npt.NDArray[np.uint32]) -> bytes:
    """Pack the sizes of the clusters of some documents of a split."""
    rows = np.empty(len(units), CLUSTER)
    rows["unit"], rows["size"] = units, sizes
    return rows.tobytes()


def write_sizes(output: str, name: str, packed: Iterable[bytes]) -> None:
    """Write the sizes of the clusters of those of a split's documents that are not alone."""
    rows = np.sort(np.frombuffer(b"".join(packed), CLUSTER))
    body = zstandard.ZstdCompressor(level=3).compress(rows.tobytes())
    whole_files.write_bytes(output, name, _SIZES_MAGIC + body)


def read_sizes(output: str, name: str, n_units: int) -> npt.NDArray[np.uint32]:
    """Read the size of the cluster of each document of a split, 1 where it is alone.

    Raises ValueError with the name of the file if it is damaged.
    """
    data = storage.read_bytes(storage.join(output, name))
    sizes = np.ones(n_units, np.uint32)
    try:
        if data[:8] != _SIZES_MAGIC:
            raise ValueError("it does not begin as such a file does")
        rows = np.frombuffer(zstandard.ZstdDecompressor().decompress(data[8:]), CLUSTER)
        sizes[rows["unit"]] = rows["size"]
    except (ValueError, zstandard.ZstdError, IndexError) as error:
        raise ValueError(f"{name}: damaged decisions: {error}") from None
    return sizes


def write_decisions(
    output: str, name: str, n_units: int, dropped: list[npt.NDArray[np.uint32]]
) -> None:
    """Write which of ``n_units`` units are dropped; ``dropped`` holds their numbers, unordered."""
    is_dropped = np.zeros(n_units, bool)
    for units in dropped:
        is_dropped[units] = True
    body = zstandard.ZstdCompressor(level=3).compress(np.packbits(is_dropped).tobytes())
    whole_files.write_bytes(output, name, _MAGIC + np.uint64(n_units).tobytes() + body)


def read_decisions(output: str, name: str) -> npt.NDArray[np.bool_]:
    """Read which units are kept, true for each that is.

    Raises ValueError with the name of the file if it is damaged.
    """
    data = storage.read_bytes(storage.join(output, name))
    try:
        if data[:8] != _MAGIC:
            raise ValueError("it does not begin as such a file does")
        n_units = int(np.frombuffer(data, np.uint64, 1, 8)[0])
        bits = np.frombuffer(zstandard.ZstdDecompressor().decompress(data[16:]), np.uint8)
        if len(bits) != (n_units + 7) // 8:
            raise ValueError(f"{len(bits)} bytes of bits for {n_units} units")
    except (ValueError, zstandard.ZstdError, IndexError) as error:
        raise ValueError(f"{name}: damaged decisions: {error}") from None
    return ~np.unpackbits(bits, count=n_units).astype(bool)
