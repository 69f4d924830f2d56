"""A hash table from byte strings to small integers, for numba kernels over text.

Words repeat. What a kernel works out for a word (its token ids, its fastText features) is worth
keeping under the word's number in such a table. Entries are compared by their bytes, so no two
strings ever share a number. The caller bounds a table's memory by starting a new one when
``table.arena`` has grown too large.

The table is a tuple of plain arrays. A kernel that inserts asks :func:`lacks_room` first, and
where there is none returns the position it has reached, for its caller to go on from there with a
:func:`grown` table. (A kernel that rebinds the table in its own loop runs ten times slower: numba
then counts references to five arrays at every turn.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit


class StringTable(NamedTuple):
    """Open addressing over entries whose bytes lie one after the other in an arena."""

    slots: npt.NDArray[np.int32]  # entry number, -1 where free; a power of two of them
    hashes: npt.NDArray[np.uint64]  # of each entry
    ends: npt.NDArray[np.int64]  # entry e is arena[ends[e]:ends[e + 1]]
    arena: npt.NDArray[np.uint8]
    count: npt.NDArray[np.int64]  # type: ignore[assignment]  # one element: how many entries


def empty_table(slots: int = 1 << 16) -> StringTable:
    """Make a table without entries; ``slots`` is a power of two."""
    return StringTable(
        np.full(slots, -1, np.int32),
        np.empty(slots // 2, np.uint64),
        np.zeros(slots // 2 + 1, np.int64),
        np.empty(slots * 8, np.uint8),
        np.zeros(1, np.int64),
    )


@njit(cache=True, nogil=True, forceinline=True)
def hash_bytes(data, start, end):  # type: ignore[no-untyped-def]
    """Hash ``data[start:end]`` to 64 bits (FNV-1a with a final mix)."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, end):
        value = (value ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    value ^= value >> np.uint64(32)
    value *= np.uint64(0xD6E8FEB86659FD93)
    return value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True, forceinline=True)
def lacks_room(table, n_bytes):  # type: ignore[no-untyped-def]
    """Tell whether one more entry of ``n_bytes`` does not fit."""
    n = table.count[0]
    return n >= table.hashes.size or table.ends[n] + n_bytes > table.arena.size


@njit(cache=True, nogil=True)
def grown(table, n_bytes):  # type: ignore[no-untyped-def]
    """Return a larger table with the same entries and room for one more entry of ``n_bytes``."""
    slots, hashes, ends, arena, count = table
    n = count[0]
    if n + 1 > hashes.size:
        slots = np.full(slots.size * 2, np.int32(-1), np.int32)
        mask = np.uint64(slots.size - 1)
        for entry in range(n):
            at = hashes[entry] & mask
            while slots[at] != -1:
                at = (at + np.uint64(1)) & mask
            slots[at] = entry
        grown_hashes = np.empty(slots.size // 2, np.uint64)
        grown_hashes[:n] = hashes[:n]
        grown_ends = np.zeros(slots.size // 2 + 1, np.int64)
        grown_ends[: n + 1] = ends[: n + 1]
        hashes, ends = grown_hashes, grown_ends
    if ends[n] + n_bytes > arena.size:
        grown_arena = np.empty(max(arena.size * 2, ends[n] + n_bytes), np.uint8)
        grown_arena[: ends[n]] = arena[: ends[n]]
        arena = grown_arena
    return StringTable(slots, hashes, ends, arena, count)


@njit(cache=True, nogil=True)
def find_or_insert(table, data, start, end):  # type: ignore[no-untyped-def]
    """Return the entry number of ``data[start:end]``; a new string gets ``count`` and is added.

    Room must have been reserved. The entry is new when the number equals the count before the call.
    """
    slots, hashes, ends, arena, count = table
    value = hash_bytes(data, start, end)
    mask = np.uint64(slots.size - 1)
    at = value & mask
    length = end - start
    while True:
        entry = slots[at]
        if entry == -1:
            break
        if hashes[entry] == value:
            first = ends[entry]
            if ends[entry + 1] - first == length:
                same = True
                for i in range(length):
                    if arena[first + i] != data[start + i]:
                        same = False
                        break
                if same:
                    return entry
        at = (at + np.uint64(1)) & mask
    entry = np.int32(count[0])
    slots[at] = entry
    hashes[entry] = value
    first = ends[entry]
    for i in range(length):
        arena[first + i] = data[start + i]
    ends[entry + 1] = first + length
    count[0] += 1
    return entry


def entry_bytes(table: StringTable, entry: int) -> bytes:
    """Return the bytes of an entry."""
    return table.arena[table.ends[entry] : table.ends[entry + 1]].tobytes()
