"""The order of samples: which source a position draws from, and which of the source's samples.

Both are closed forms, so nothing is shuffled or kept in memory, and any position is as near as the
next. Arrays are over positions; all arithmetic is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

ROUNDS = 6
"""Rounds of the Feistel network; four make it pseudo-random (Luby and Rackoff)."""

MAX_SAMPLES = 1 << 52
"""Samples of a run or of an epoch: quotients and roots are taken in float64."""


def exact_shares(total: int, proportions: Sequence[Fraction]) -> list[int]:
    """Divide ``total`` in these proportions, which add up to one, by largest remainder.

    Every share is its exact value rounded up or down, and they add up to ``total``. Of equal
    remainders the earlier is rounded up.
    """
    exact = [total * proportion for proportion in proportions]
    shares = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


class Schedule:
    """Spreads draws from several sources evenly over all positions.

    The sources are the leaves of a balanced binary tree, a node's count the draws from all sources
    below it. Of the first ``k`` draws that come to a node of ``m`` draws, the left child, of ``a``
    draws, takes ``k a / m`` rounded to the nearest integer (Bresenham's line), the right child the
    rest. So every source gets its draws to the last one, and a prefix of ``k`` of ``N`` positions
    holds ``k counts[i] / N`` draws from source ``i`` to within ``depth / 2``: each level adds at
    most one half to the error that it inherits, and scales that by ``a / m``, at most 1.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        """Take the number of draws from each source; they add up to the number of positions."""
        self.depth = (len(counts) - 1).bit_length()
        n_leaves = 1 << self.depth
        tree = [0] * n_leaves + list(counts) + [0] * (n_leaves - len(counts))
        for node in range(n_leaves - 1, 0, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        self.n_positions = tree[1]
        assert self.n_positions <= MAX_SAMPLES
        self._draws = np.array(tree, np.int64)  # node n has the children 2n and 2n + 1; the root, 1

    def draws(self, positions: Int64s) -> tuple[Int64s, Int64s]:
        """Return each position's source and how many earlier positions drew from that source."""
        earlier = positions
        node = np.ones_like(positions)
        for _ in range(self.depth):
            of_node, of_left = self._draws[node], self._draws[2 * node]
            left = _rounded_share(earlier, of_left, of_node)
            goes_left = _rounded_share(earlier + 1, of_left, of_node) > left
            earlier = np.where(goes_left, left, earlier - left)
            node = 2 * node + ~goes_left
        return node - (1 << self.depth), earlier


def _rounded_share(k: Int64s, a: Int64s, m: Int64s) -> Int64s:
    """Return ``k a / m``, halves rounded up, exactly, though ``k a`` may overflow.

    The quotient is estimated in float64, off by one at most; the remainder is then small, so
    arithmetic modulo 2^64 gives it exactly.
    """
    quotient = (k * (a / m)).astype(np.int64)
    remainder = k * a - quotient * m
    return quotient + (2 * remainder + m) // (2 * m)


def epoch_keys(source_keys: UInt64s, epochs: Int64s) -> UInt64s:
    """Return the key of the permutation of each source's epoch."""
    return _mixed(source_keys ^ _mixed(epochs.astype(np.uint64)))


def permuted(indices: Int64s, sizes: Int64s, keys: UInt64s) -> Int64s:
    """Return where pseudo-random permutations of ``range(size)`` send the indices.

    A Feistel network over two digits of base ``ceil(sqrt(size))``; what falls outside the size is
    sent on until it is inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
    The base's square is so close to the size that most indices pass once.
    """
    size = sizes.astype(np.uint64)
    base = np.ceil(np.sqrt(sizes)).astype(np.uint64)  # exact up to MAX_SAMPLES
    result = _network(indices.astype(np.uint64), base, keys)
    while (outside := np.flatnonzero(result >= size)).size:
        result[outside] = _network(result[outside], base[outside], keys[outside])
    return result.astype(np.int64)


def _network(values: UInt64s, base: UInt64s, keys: UInt64s) -> UInt64s:
    left, right = values % base, values // base
    for round_key in _ROUND_KEYS:
        left, right = right, (left + _mixed(right + keys + round_key) % base) % base
    return left + base * right


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUND_KEYS = np.arange(ROUNDS, dtype=np.uint64) * _GOLDEN


def _mixed(values: UInt64s) -> UInt64s:
    """Mix the bits of each value (the finaliser of SplitMix64)."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: npt.NDArray[Any] = values ^ (values >> np.uint64(31))
    return result
