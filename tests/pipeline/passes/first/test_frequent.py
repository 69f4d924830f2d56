"""Counts in tables of bounded size, compared with plain counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.passes.first.frequent import FrequentItems

BATCHES = st.lists(st.lists(st.integers(0, 12), max_size=12), max_size=12)


def fill(table: FrequentItems, batches: list[list[int]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for batch in batches:
        ones = np.ones((len(batch), 1), np.int64)
        table.add(np.array(batch, np.uint64), ones, lambda i, batch=batch: f"item {batch[i]}")
        counted.update(f"item {key}" for key in batch)
    return counted


@settings(deadline=None)  # the kernel is compiled at its first call
@given(BATCHES)
def test_counts_are_exact_while_everything_fits(batches):
    table = FrequentItems(13)
    counted = fill(table, batches)
    items, others = table.most_frequent(13)
    assert {item.name: item.counts[0] for item in items} == counted
    assert all(item.missed == 0 for item in items) and others == 0


@settings(deadline=None)  # the kernel is compiled at its first call
@given(BATCHES, st.integers(1, 5), st.integers(0, 5))
def test_what_is_said_of_counts_holds_when_items_are_evicted(batches, capacity, n):
    table = FrequentItems(capacity)
    counted = fill(table, batches)
    items, others = table.most_frequent(n)
    assert len(items) <= min(n, capacity)
    assert items == sorted(items, key=lambda item: -item.counts[0])
    for item in items:
        assert item.counts[0] <= counted[item.name] <= item.counts[0] + item.missed
    listed = {item.name for item in items}
    assert all(count <= others for name, count in counted.items() if name not in listed)


def test_further_counts_are_added_up_by_item():
    table = FrequentItems(8, 2)
    keys = np.array([7, 3, 7], np.uint64)
    table.add(keys, np.array([[1, 10], [5, 0], [2, 20]]), lambda i: "abc"[i])
    table.add(np.array([3], np.uint64), np.array([[1, 1]]), lambda i: "never asked for")
    items, _ = table.most_frequent(2)
    assert [(item.name, item.counts) for item in items] == [("b", [6, 1]), ("a", [3, 30])]
