"""Deduplication decisions of the first pass, in one small file a split, one bit a unit.

A unit is a line or a document, depending on the deduplication. A set bit means that it is dropped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import zstandard

from pipeline.files import storage
from pipeline.output import whole_files

_MAGIC = b"LCDECIDE"


def decision_name(source: str, step: int, split: int) -> str:
    """Return the name of the file with a split's decisions; ``step`` is the step's position."""
    return f"decisions/{source}/step{step}-split{split:06d}.bits"


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
