"""Counts of the most frequent items of a stream in bounded memory.

As in lossy counting (Manku and Motwani, 2002, "Approximate Frequency Counts over Data Streams"),
the number of times that an item may have come before it got into the table is known to be under a
bound. So every count says how exact it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit


class Frequent(NamedTuple):
    """An item with its counts."""

    name: str
    counts: list[int]  # never too many
    missed: int  # by how much the first count may be too few; 0: it is exact


@njit(cache=True, nogil=True)
def _grouped(keys, counts):  # type: ignore[no-untyped-def]
    """Return the first row of each key, in order, and the sums of its counts."""
    size = 16
    while size < 2 * keys.size:
        size *= 2
    slots = np.full(size, -1, np.int64)  # of a hash table; keys are hashes themselves
    rows = np.empty(keys.size, np.int64)
    sums = np.zeros(counts.shape, np.int64)
    n = 0
    for i in range(keys.size):
        slot = np.int64(keys[i] & np.uint64(size - 1))
        while slots[slot] >= 0 and keys[rows[slots[slot]]] != keys[i]:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = n
            rows[n] = i
            n += 1
        for column in range(counts.shape[1]):
            sums[slots[slot], column] += counts[i, column]
    return rows[:n], sums[:n]


class FrequentItems:
    """The items with the highest counts, at most ``capacity`` of them.

    An item is known by a 64-bit key and may have several counts, by the first of which it is kept.
    """

    def __init__(self, capacity: int, n_counts: int = 1) -> None:
        self.capacity = capacity
        self.evicted_at_most = 0  # most times that an item outside the table can have come
        self._keys = np.zeros(0, np.uint64)
        self._counts = np.zeros((0, n_counts), np.int64)
        self._missed = np.zeros(0, np.int64)
        self._names = np.zeros(0, object)

    def add(
        self,
        keys: npt.NDArray[np.uint64],
        counts: npt.NDArray[np.int64],
        name_of: Callable[[int], str],
    ) -> None:
        """Count items: ``counts[i]`` (n_counts) is added to the item ``keys[i]``, which may repeat.

        ``name_of(i)`` gives the name of item ``i``, and is called where it is new in the table.
        """
        rows, counts = _grouped(keys, counts)
        keys = keys[rows]
        places = np.searchsorted(self._keys, keys)
        there = np.append(self._keys, np.uint64(0))[places] == keys
        there &= places < len(self._keys)
        self._counts[places[there]] += counts[there]
        keys, rows, counts = keys[~there], rows[~there], counts[~there]
        bar = self._bar(np.append(self._counts[:, 0], counts[:, 0]))
        missed = np.full(len(keys), self.evicted_at_most)
        gone = [self._counts[:, 0] <= bar, counts[:, 0] <= bar]
        most = [self._counts[:, 0] + self._missed, counts[:, 0] + missed]
        for its_most, its_gone in zip(most, gone, strict=True):
            self.evicted_at_most = int(its_most[its_gone].max(initial=self.evicted_at_most))
        old, new = ~gone[0], ~gone[1]
        names = np.array([name_of(i) for i in rows[new].tolist()], object)
        all_keys = np.append(self._keys[old], keys[new])
        by_key = np.argsort(all_keys)
        self._keys = all_keys[by_key]
        self._counts = np.concatenate([self._counts[old], counts[new]])[by_key]
        self._missed = np.append(self._missed[old], missed[new])[by_key]
        self._names = np.append(self._names[old], names)[by_key]

    def _bar(self, counts: npt.NDArray[np.int64]) -> int:
        """Return the count up to which items go: that of the first one too many.

        That is mostly 1, so that few names are asked for.
        """
        place = len(counts) - 1 - self.capacity
        return int(np.partition(counts, place)[place]) if place >= 0 else -1

    def most_frequent(self, n: int) -> tuple[list[Frequent], int]:
        """Return the ``n`` items with the highest counts, and how often any other came at most."""
        order = np.lexsort((self._keys, -self._counts[:, 0]))
        most = self._counts[:, 0] + self._missed
        others = int(most[order[n:]].max(initial=self.evicted_at_most))
        return list(self._items(order[:n])), others

    def _items(self, order: npt.NDArray[np.int64]) -> Iterator[Frequent]:
        for i in order.tolist():
            yield Frequent(self._names[i], self._counts[i].tolist(), int(self._missed[i]))
