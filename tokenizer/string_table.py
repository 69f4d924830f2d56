"""A hash table from byte strings to small integers, for numba kernels over text.

Words repeat, so kernels keep the results for a word (its token ids, its fastText features) under
the word's number in such a table. Entries are compared by their bytes, so different strings always
have different numbers. The caller bounds a table's memory: it starts a new table when
``table.arena`` has grown too large.

The table is a tuple of plain arrays. Before it inserts, a kernel calls :func:`lacks_room`. If there
is no room, it returns the position that it has reached. Its caller continues there with a
:func:`grown` table. (A kernel that rebinds the table in its own loop is ten times slower, because
numba then counts references to five arrays in every iteration.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit


class StringTable(NamedTuple):
    """A hash table with open addressing. The bytes of all entries stand together in an arena."""

    slots: npt.NDArray[np.int32]  # entry numbers, -1 where free; their number is a power of two
    hashes: npt.NDArray[np.uint64]  # hash of each entry
    ends: npt.NDArray[np.int64]  # entry e is arena[ends[e]:ends[e + 1]]
    arena: npt.NDArray[np.uint8]
    count: npt.NDArray[np.int64]  # type: ignore[assignment]  # one element: the number of entries


def empty_table(slots: int = 1 << 16) -> StringTable:
    """Make a table without entries. ``slots`` must be a power of two."""
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
    """Tell whether the table has no room for one more entry of ``n_bytes`` bytes."""
    n_entries = table.count[0]
    is_full = n_entries >= table.hashes.size
    return is_full or table.ends[n_entries] + n_bytes > table.arena.size


@njit(cache=True, nogil=True)
def grown(table, n_bytes):  # type: ignore[no-untyped-def]
    """Return a larger table with the same entries, and room for one more of ``n_bytes`` bytes."""
    slots, hashes, ends, arena, count = table
    n_entries = count[0]
    if n_entries + 1 > hashes.size:
        slots = np.full(slots.size * 2, np.int32(-1), np.int32)
        mask = np.uint64(slots.size - 1)
        for entry in range(n_entries):
            at = hashes[entry] & mask
            while slots[at] != -1:
                at = (at + np.uint64(1)) & mask
            slots[at] = entry
        grown_hashes = np.empty(slots.size // 2, np.uint64)
        grown_hashes[:n_entries] = hashes[:n_entries]
        grown_ends = np.zeros(slots.size // 2 + 1, np.int64)
        grown_ends[: n_entries + 1] = ends[: n_entries + 1]
        hashes, ends = grown_hashes, grown_ends
    used = ends[n_entries]
    if used + n_bytes > arena.size:
        grown_arena = np.empty(max(arena.size * 2, used + n_bytes), np.uint8)
        grown_arena[:used] = arena[:used]
        arena = grown_arena
    return StringTable(slots, hashes, ends, arena, count)


@njit(cache=True, nogil=True, inline="always")
def _place_of(slots, hashes, ends, arena, value, data, start, end):  # type: ignore[no-untyped-def]
    """Return the slot of ``data[start:end]``, whose hash is ``value``, or the free one for it."""
    mask = np.uint64(slots.size - 1)
    at = value & mask
    length = end - start
    while True:
        entry = slots[at]
        if entry == -1:
            return at
        if hashes[entry] == value:
            first = ends[entry]
            if ends[entry + 1] - first == length:
                same = True
                for i in range(length):
                    if arena[first + i] != data[start + i]:
                        same = False
                        break
                if same:
                    return at
        at = (at + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def find_entry(table, data, start, end):  # type: ignore[no-untyped-def]
    """Return the entry number of ``data[start:end]``, -1 where the table does not have it."""
    slots, hashes, ends, arena, _ = table
    value = hash_bytes(data, start, end)
    return slots[_place_of(slots, hashes, ends, arena, value, data, start, end)]


@njit(cache=True, nogil=True)
def find_or_insert(table, data, start, end):  # type: ignore[no-untyped-def]
    """Return the entry number of ``data[start:end]``, after adding the string if it is new.

    The table must have room. A new string's number is the count before the call.
    """
    slots, hashes, ends, arena, count = table
    value = hash_bytes(data, start, end)
    at = _place_of(slots, hashes, ends, arena, value, data, start, end)
    if slots[at] != -1:
        return slots[at]
    entry = np.int32(count[0])
    slots[at] = entry
    hashes[entry] = value
    first = ends[entry]
    for i in range(end - start):
        arena[first + i] = data[start + i]
    ends[entry + 1] = first + end - start
    count[0] += 1
    return entry


def table_of(strings: Sequence[bytes]) -> StringTable:
    """Make a table of distinct strings. The number of each is its position."""
    slots = 1 << max(4, (2 * len(strings)).bit_length())
    data = np.frombuffer(b"".join(strings), np.uint8)
    table = empty_table(slots)._replace(arena=np.empty(len(data), np.uint8))
    _insert_all(table, data, np.cumsum([0, *map(len, strings)], dtype=np.int64))
    return table


@njit(cache=True, nogil=True)
def _insert_all(table, data, ends):  # type: ignore[no-untyped-def]
    for i in range(ends.size - 1):
        find_or_insert(table, data, ends[i], ends[i + 1])
