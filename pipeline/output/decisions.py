"""What the first pass decided about a split: one bit a unit, in a small file of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import zstandard

from pipeline.files import storage
from pipeline.output import whole_files

_MAGIC = b"LCDECIDE"


def decision_name(source: str, step: int, split: int) -> str:
    """Return the file of a split's decisions at the deduplication at position ``step``."""
    return f"decisions/{source}/step{step}-split{split:06d}.bits"


def write_decisions(
    output: str, name: str, n_units: int, dropped: list[npt.NDArray[np.uint32]]
) -> None:
    """Write which of ``n_units`` units go; ``dropped`` holds their numbers in any order."""
    goes = np.zeros(n_units, bool)
    for units in dropped:
        goes[units] = True
    body = zstandard.ZstdCompressor(level=3).compress(np.packbits(goes).tobytes())
    whole_files.write_bytes(output, name, _MAGIC + np.uint64(n_units).tobytes() + body)


def read_decisions(output: str, name: str) -> npt.NDArray[np.bool_]:
    """Read which units are kept: true stands for kept.

    Raises ValueError, naming the file, where it is damaged.
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
