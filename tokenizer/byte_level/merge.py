"""The merges of a BPE over the bytes of new words, as a kernel.

A word begins as its bytes. Of all pairs of neighbours that have a merge, the one of the best rank
is merged, the leftmost of several, until none is left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.string_table import StringTable, find_entry

NO_RANK = 0x7FFFFFFF
"""The rank of a pair without a merge."""

NO_PAIR = 0xFFFFFFFFFFFFFFFF
"""The key of a free place of the table of merges."""

SHORT = 48
"""Most bytes of a word whose pairs are all looked at for every merge. Longer words have a heap."""


class Merges(NamedTuple):
    """A hash table from pairs of ids to their rank and the id that they become."""

    keys: npt.NDArray[np.uint64]  # left << 32 | right; their number is a power of two
    ranks: npt.NDArray[np.int32]
    made: npt.NDArray[np.int32]


class Vocabulary(NamedTuple):
    """A vocabulary as arrays for the kernel."""

    byte_ids: npt.NDArray[np.int32]
    merges: Merges
    words: StringTable  # words that are one token, whatever merges say; empty where there are none
    word_ids: npt.NDArray[np.int32]


def merge_table(
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    ranks: npt.NDArray[np.int32],
    made: npt.NDArray[np.int32],
) -> Merges:
    """Make the table of merges. Of several for the same pair, the last one counts."""
    size = 1 << max(4, int(2.5 * len(left)).bit_length())
    table = Merges(
        np.full(size, NO_PAIR, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32)
    )
    _insert_all(table, left, right, ranks, made)
    return table


@njit(cache=True, nogil=True, forceinline=True)
def _place(keys, key):  # type: ignore[no-untyped-def]
    """Return the place of a key, or the free place where it belongs."""
    mask = np.uint64(keys.size - 1)
    at = (key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    at &= mask
    while keys[at] != key and keys[at] != np.uint64(NO_PAIR):
        at = (at + np.uint64(1)) & mask
    return at


@njit(cache=True, nogil=True, forceinline=True)
def _key(left, right):  # type: ignore[no-untyped-def]
    return (np.uint64(left) << np.uint64(32)) | np.uint64(right)


@njit(cache=True, nogil=True)
def _insert_all(table, left, right, ranks, made):  # type: ignore[no-untyped-def]
    for i in range(left.size):
        key = _key(left[i], right[i])
        at = _place(table.keys, key)
        table.keys[at] = key
        table.ranks[at] = ranks[i]
        table.made[at] = made[i]


@njit(cache=True, nogil=True, forceinline=True)
def _rank(merges, left, right):  # type: ignore[no-untyped-def]
    """Return the rank of a pair, and the id that it becomes."""
    at = _place(merges.keys, _key(left, right))
    if merges.keys[at] == np.uint64(NO_PAIR):
        return np.int32(NO_RANK), np.int32(-1)
    return merges.ranks[at], merges.made[at]


@njit(cache=True, nogil=True)
def encode_words(vocabulary, arena, ends, first, last, ids, id_ends):  # type: ignore[no-untyped-def]
    """Encode the entries of a table of words from ``first`` up to ``last``.

    ``ids`` has room for an id a byte. ``id_ends[first]`` says where the ids of the first one begin;
    the ends of all are written behind it.
    """
    longest = 1
    for entry in range(first, last):
        longest = max(longest, ends[entry + 1] - ends[entry])
    parts, ranks = np.empty(longest, np.int32), np.empty(longest, np.int32)
    made = np.empty(longest, np.int32)
    to = id_ends[first]
    for entry in range(first, last):
        start, stop = ends[entry], ends[entry + 1]
        whole = find_entry(vocabulary.words, arena, start, stop)
        if whole >= 0:
            ids[to] = vocabulary.word_ids[whole]
            to += 1
        else:
            length = stop - start
            for i in range(length):
                parts[i] = vocabulary.byte_ids[arena[start + i]]
            for i in range(length - 1):
                ranks[i], made[i] = _rank(vocabulary.merges, parts[i], parts[i + 1])
            ranks[length - 1] = NO_RANK
            if length <= SHORT:
                length = _merge_short(vocabulary.merges, parts, ranks, made, length)
            else:
                length = _merge_long(vocabulary.merges, parts, ranks, made, length)
            for i in range(length):
                ids[to] = parts[i]
                to += 1
        id_ends[entry + 1] = to


@njit(cache=True, nogil=True)
def _merge_short(merges, parts, ranks, made, length):  # type: ignore[no-untyped-def]
    """Merge the parts of a word in place, by looking at all pairs. Returns how many are left."""
    while True:
        best, at = np.int32(NO_RANK), 0
        for i in range(length - 1):
            if ranks[i] < best:
                best, at = ranks[i], i
        if best == NO_RANK:
            return length
        parts[at] = made[at]
        length -= 1
        for i in range(at + 1, length):
            parts[i], ranks[i], made[i] = parts[i + 1], ranks[i + 1], made[i + 1]
        ranks[at] = NO_RANK
        if at + 1 < length:
            ranks[at], made[at] = _rank(merges, parts[at], parts[at + 1])
        if at:
            ranks[at - 1], made[at - 1] = _rank(merges, parts[at - 1], parts[at])


@njit(cache=True, nogil=True)
def _push(heap, size, value):  # type: ignore[no-untyped-def]
    at = size
    while at:
        above = (at - 1) >> 1
        if heap[above] <= value:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = value
    return size + 1


@njit(cache=True, nogil=True)
def _pop(heap, size):  # type: ignore[no-untyped-def]
    """Take the least value from a heap. Returns it, and the size that is left."""
    least = heap[0]
    size -= 1
    value = heap[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= value:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = value
    return least, size


@njit(cache=True, nogil=True)
def _merge_long(merges, parts, ranks, made, length):  # type: ignore[no-untyped-def]
    """Merge the parts of a word in place, with a heap of the pairs. Returns how many are left.

    An entry of the heap is a rank and a place. It counts if the pair there has this rank still.
    """
    heap = np.empty(3 * length, np.int64)
    following, before = np.arange(1, length + 1), np.arange(-1, length - 1)
    size = 0
    for i in range(length - 1):
        if ranks[i] != NO_RANK:
            size = _push(heap, size, (np.int64(ranks[i]) << 32) | i)
    while size:
        entry, size = _pop(heap, size)
        at = entry & 0xFFFFFFFF
        if ranks[at] != entry >> 32:
            continue
        parts[at] = made[at]
        gone = following[at]
        after = following[gone]
        ranks[gone] = NO_RANK
        following[at] = after
        ranks[at] = NO_RANK
        if after < length:
            before[after] = at
            ranks[at], made[at] = _rank(merges, parts[at], parts[after])
            if ranks[at] != NO_RANK:
                size = _push(heap, size, (np.int64(ranks[at]) << 32) | at)
        left = before[at]
        if left >= 0:
            ranks[left], made[left] = _rank(merges, parts[left], parts[at])
            if ranks[left] != NO_RANK:
                size = _push(heap, size, (np.int64(ranks[left]) << 32) | left)
    n_parts, at = 0, 0
    while at < length:
        parts[n_parts] = parts[at]
        n_parts += 1
        at = following[at]
    return n_parts
