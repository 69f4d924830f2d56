"""Counts of the most frequent items of a stream in bounded memory.

As in lossy counting (Manku and Motwani, 2002, "Approximate Frequency Counts over Data Streams"),
an item that came into the table late is known to have been missed so often at most. So every count
says how exact it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Frequent(NamedTuple):
    """An item with its counts."""

    name: str
    counts: list[int]  # never too many
    missed: int  # by how much the first count may be too few; 0: it is exact


class FrequentItems:
    """The items with the highest counts, at most ``capacity`` of them.

    An item is known by a 64-bit key and may have several counts, by the first of which it is kept.
    """

    def __init__(self, capacity: int, n_counts: int = 1) -> None:
        self.capacity = capacity
        self.evicted_at_most = 0  # so often at most came what is not in the table
        self._keys = np.zeros(0, np.uint64)
        self._counts = np.zeros((0, n_counts), np.int64)
        self._missed = np.zeros(0, np.int64)
        self._names: dict[int, str] = {}

    def add(
        self,
        keys: npt.NDArray[np.uint64],
        counts: npt.NDArray[np.int64],
        name_of: Callable[[int], str],
    ) -> None:
        """Count items: ``counts[i]`` (n_counts) is added to the item ``keys[i]``, which may repeat.

        ``name_of(i)`` is asked for the names of items that are new in the table.
        """
        new_keys, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        new_counts = np.zeros((len(new_keys), counts.shape[1]), np.int64)
        np.add.at(new_counts, inverse, counts)
        there = np.isin(new_keys, self._keys, assume_unique=True)
        self._counts[np.searchsorted(self._keys, new_keys[there])] += new_counts[there]
        is_new = ~there
        all_keys = np.concatenate([self._keys, new_keys[is_new]])
        all_counts = np.concatenate([self._counts, new_counts[is_new]])
        all_missed = np.concatenate(
            [self._missed, np.full(int(is_new.sum()), self.evicted_at_most, np.int64)]
        )
        index = np.concatenate([np.full(len(self._keys), -1), first[is_new]])
        if len(all_keys) > self.capacity:
            most = all_counts[:, 0] + all_missed
            order = np.lexsort((all_keys, -most))
            self.evicted_at_most = max(self.evicted_at_most, int(most[order[self.capacity]]))
            kept = order[: self.capacity]
        else:
            kept = np.arange(len(all_keys))
        kept = kept[np.argsort(all_keys[kept])]
        self._keys, self._counts = all_keys[kept], all_counts[kept]
        self._missed, index = all_missed[kept], index[kept]
        self._names = {
            key: self._names[key] if i < 0 else name_of(i)
            for key, i in zip(self._keys.tolist(), index.tolist(), strict=True)
        }

    def most_frequent(self, n: int) -> tuple[list[Frequent], int]:
        """Return the ``n`` items with the highest counts, and how often any other came at most."""
        order = np.lexsort((self._keys, -self._counts[:, 0]))
        most = self._counts[:, 0] + self._missed
        others = int(most[order[n:]].max(initial=self.evicted_at_most))
        return list(self._items(order[:n])), others

    def _items(self, order: npt.NDArray[np.int64]) -> Iterator[Frequent]:
        for i in order.tolist():
            yield Frequent(
                self._names[int(self._keys[i])], self._counts[i].tolist(), int(self._missed[i])
            )
