"""Sets of texts (urls, domains, ids) as sorted 64-bit hashes, looked up for a column at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers
from transforms.kernels.hashing import xxh64
from transforms.kernels.lines import document_keys

KeySet = npt.NDArray[np.uint64]
"""XXH64 hashes of a set's texts, ascending."""


def key_set(texts: pa.StringArray) -> KeySet:
    """Make the set of a column's texts. Nulls are left out."""
    return np.sort(document_keys(texts.drop_null()))


def in_key_set(texts: pa.StringArray, keys: KeySet) -> npt.NDArray[np.bool_]:
    """Tell which texts are in the set. Nulls are in no set."""
    data, offsets = text_buffers(texts)
    return _whole_in(data, offsets, keys) & texts.is_valid().to_numpy(zero_copy_only=False)


@njit(cache=True, nogil=True)
def holds(keys, key):  # type: ignore[no-untyped-def]
    """Tell whether ``key`` is among ``keys``, which are ascending."""
    low, high = 0, keys.size
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low < keys.size and keys[low] == key


@njit(cache=True, nogil=True)
def _whole_in(data, offsets, keys):  # type: ignore[no-untyped-def]
    is_in_set = np.zeros(offsets.size - 1, np.bool_)
    for t in range(offsets.size - 1):
        is_in_set[t] = holds(keys, xxh64(data, offsets[t], offsets[t + 1]))
    return is_in_set
