"""The order of samples, compared with brute force and with exact rational numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.order import MAX_SAMPLES, Schedule, epoch_keys, exact_shares, permuted

LLAMA = [Fraction(p) for p in ("0.67", "0.15", "0.045", "0.045", "0.045", "0.025", "0.02")]


def permutation(size: int, key: int = 7) -> np.ndarray:
    indices = np.arange(size)
    return permuted(indices, np.full(size, size), np.full(size, key, np.uint64))


@pytest.mark.parametrize("key", [0, 2**64 - 1])
def test_every_size_up_to_2000_is_permuted(key: int) -> None:
    for size in range(1, 2001):
        assert np.array_equal(np.sort(permutation(size, key)), np.arange(size)), size


def test_positions_of_many_sizes_are_permuted_together() -> None:
    sizes = np.repeat(np.arange(1, 60), np.arange(1, 60))
    indices = np.concatenate([np.arange(size) for size in range(1, 60)])
    keys = sizes.astype(np.uint64) * np.uint64(31)
    together = permuted(indices, sizes, keys)
    for size in range(1, 60):
        assert np.array_equal(together[sizes == size], permutation(size, 31 * size))


@pytest.mark.parametrize("size", [1_000_003, 1 << 20, (1 << 20) + 1])
def test_large_permutations_are_whole(size: int) -> None:
    assert np.bincount(permutation(size), minlength=size).max() == 1


@pytest.mark.parametrize("size", [683_593_750, ((1 << 26) - 1) ** 2 + 1, MAX_SAMPLES])
@pytest.mark.parametrize("first", [0, 0.5, 1])
def test_parts_of_huge_permutations_have_no_repeats(size: int, first: float) -> None:
    n = 200_000
    indices = np.arange(n) + int((size - n) * first)
    values = permuted(indices, np.full(n, size), np.full(n, 3, np.uint64))
    assert len(np.unique(values)) == n
    assert values.min() >= 0 and values.max() < size
    # The order is spread evenly: each 64th of the range gets its share, within 5 sigma.
    counts = np.bincount(values // -(-size // 64), minlength=64)
    assert np.abs(counts - n / 64).max() < 5 * (n / 64) ** 0.5


def test_permutations_look_random() -> None:
    sizes, rounds = 1000, 200
    orders = np.array([permutation(sizes, key) for key in range(rounds)])
    fixed = (orders == np.arange(sizes)).sum()
    assert abs(fixed - rounds) < 5 * rounds**0.5  # one fixed point a permutation is expected
    steps = np.diff(orders, axis=1)
    assert abs((steps == 1).mean() - 1 / sizes) < 5 * (1 / sizes / steps.size) ** 0.5
    where_first = np.bincount(orders[:, 0] // 100, minlength=10)
    assert np.abs(where_first - rounds / 10).max() < 5 * (rounds / 10) ** 0.5


def test_keys_of_epochs_and_sources_differ() -> None:
    sources = np.repeat(np.array([5, 6], np.uint64), 1000)
    keys = epoch_keys(sources, np.tile(np.arange(1000), 2))
    assert len(np.unique(keys)) == 2000


counts = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(sum)


@settings(max_examples=100, deadline=None)
@given(counts=counts)
def test_every_draw_once_and_every_prefix_in_proportion(counts: list[int]) -> None:
    schedule = Schedule(counts)
    total = sum(counts)
    sources, earlier = schedule.draws(np.arange(total))
    seen = [0] * len(counts)
    for k, (source, before) in enumerate(zip(sources.tolist(), earlier.tolist(), strict=True), 1):
        assert before == seen[source]
        seen[source] += 1
        for drawn, count in zip(seen, counts, strict=True):
            assert abs(drawn - Fraction(k * count, total)) <= Fraction(schedule.depth, 2)
    assert seen == counts


def test_prefixes_of_the_papers_mixture() -> None:
    counts = exact_shares(100_000, LLAMA)
    sources, _ = Schedule(counts).draws(np.arange(100_000))
    drawn = np.cumsum(sources[:, None] == np.arange(7), axis=0)
    exact = np.arange(1, 100_001)[:, None] * np.array(counts) / 100_000
    assert np.abs(drawn - exact).max() <= 1.5


@settings(max_examples=300, deadline=None)
@given(total=st.integers(1, MAX_SAMPLES), data=st.data())
def test_positions_of_huge_runs_are_exact(total: int, data: st.DataObject) -> None:
    left = data.draw(st.integers(0, total))
    positions = np.array(data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=20)))
    sources, earlier = Schedule([left, total - left]).draws(positions)
    for k, source, before in zip(
        positions.tolist(), sources.tolist(), earlier.tolist(), strict=True
    ):
        of_left = [(2 * i * left + total) // (2 * total) for i in (k, k + 1)]
        assert source == (of_left[0] == of_left[1])
        assert before == (k - of_left[0] if source else of_left[0])


@settings(max_examples=200, deadline=None)
@given(
    total=st.integers(0, 10**15),
    weights=st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(sum),
)
def test_shares_by_largest_remainder(total: int, weights: list[int]) -> None:
    proportions = [Fraction(w, sum(weights)) for w in weights]
    shares = exact_shares(total, proportions)
    assert sum(shares) == total
    remainders = [total * p - int(total * p) for p in proportions]
    up = [share - int(total * p) for share, p in zip(shares, proportions, strict=True)]
    assert set(up) <= {0, 1}
    rounded_up = [r for r, u in zip(remainders, up, strict=True) if u]
    rounded_down = [r for r, u in zip(remainders, up, strict=True) if not u]
    assert not rounded_up or not rounded_down or min(rounded_up) >= max(rounded_down)
    assert all(u == 0 for u, r in zip(up, remainders, strict=True) if r == 0)
