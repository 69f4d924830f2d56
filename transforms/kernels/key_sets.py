"""Sorted sets of 64-bit keys that are looked up by many documents at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers
from transforms.kernels.hashing import xxh64
from transforms.kernels.lines import document_keys

KeySet = npt.NDArray[np.uint64]
"""Keys, ascending."""


def key_set(texts: pa.StringArray) -> KeySet:
    """Make the set of some hosts or pages; nulls are left out."""
    return np.sort(document_keys(texts.drop_null()))


def in_key_set(texts: pa.StringArray, keys: KeySet) -> npt.NDArray[np.bool_]:
    """Tell which texts the set holds; nulls are in no set."""
    data, offsets = text_buffers(texts)
    return _whole_in(data, offsets, keys) & texts.is_valid().to_numpy(zero_copy_only=False)


@njit(cache=True, nogil=True)
def place_of(keys, key):  # type: ignore[no-untyped-def]
    """Return where ascending ``keys`` hold ``key`` first, or -1 where they do not."""
    low, high = 0, keys.size
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < keys.size and keys[low] == key else -1


@njit(cache=True, nogil=True)
def holds(keys, key):  # type: ignore[no-untyped-def]
    """Tell whether ascending ``keys`` hold ``key``."""
    return place_of(keys, key) >= 0


@njit(cache=True, nogil=True)
def _whole_in(data, offsets, keys):  # type: ignore[no-untyped-def]
    found = np.zeros(offsets.size - 1, np.bool_)
    for t in range(offsets.size - 1):
        found[t] = holds(keys, xxh64(data, offsets[t], offsets[t + 1]))
    return found
