"""The order of samples: the source that a position draws from, and the sample of that source.

Both are computed directly from the position. So nothing is shuffled or kept in memory, and any
position takes the same time. Arrays have one entry a position. All arithmetic is exact.
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
"""Rounds of the Feistel network. Four make it pseudo-random (Luby and Rackoff)."""

MAX_SAMPLES = 1 << 52
"""Most samples of a run or of an epoch. Above it, quotients and roots in float64 are not exact."""


def exact_shares(total: int, proportions: Sequence[Fraction]) -> list[int]:
    """Divide ``total`` into whole shares by the method of the largest remainder.

    The proportions add up to one. Every share is its exact value rounded up or down, and the shares
    add up to ``total``. Of equal remainders the first is rounded up.
    """
    exact = [total * proportion for proportion in proportions]
    shares = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


class Schedule:
    """A schedule of draws from several sources, spread evenly over all positions.

    The sources are the leaves of a balanced binary tree. The count of a node is the number of draws
    from all sources below it. Let a node have ``m`` draws and its left child ``a``. Of the first
    ``k`` draws at the node, the left child takes ``k a / m``, rounded to the nearest integer
    (Bresenham's line), and the right child takes the rest. So every source gets exactly its number
    of draws. The first ``k`` of ``N`` positions hold ``k counts[i] / N`` draws from source ``i``,
    with an error of at most ``depth / 2``: each level scales the error from above by ``a / m``,
    which is at most 1, and adds at most one half.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        """Make the schedule for a number of draws from each source.

        The numbers add up to the number of positions.
        """
        self.depth = (len(counts) - 1).bit_length()
        n_leaves = 1 << self.depth
        tree = [0] * n_leaves + list(counts) + [0] * (n_leaves - len(counts))
        for node in range(n_leaves - 1, 0, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        self.n_positions = tree[1]
        assert self.n_positions <= MAX_SAMPLES
        # The children of node n are 2n and 2n + 1. The root is node 1.
        self._draws = np.array(tree, np.int64)

    def draws(self, positions: Int64s) -> tuple[Int64s, Int64s]:
        """Return each position's source, and the number of earlier positions with that source."""
        earlier = positions
        node = np.ones_like(positions)
        for _ in range(self.depth):
            of_node, of_left = self._draws[node], self._draws[2 * node]
            left = _rounded_share(earlier, of_left, of_node)
            goes_left = _rounded_share(earlier + 1, of_left, of_node) > left
            earlier = np.where(goes_left, left, earlier - left)
            node = 2 * node + ~goes_left
        return node - (1 << self.depth), earlier


def _rounded_share(draws: Int64s, part: Int64s, whole: Int64s) -> Int64s:
    """Return ``draws * part / whole``, rounded to the nearest integer, halves up.

    The result is exact, though ``draws * part`` may overflow. The quotient is estimated in float64,
    with an error of at most one. So the remainder is small, and arithmetic modulo 2^64 gives it
    exactly.
    """
    quotient = (draws * (part / whole)).astype(np.int64)
    remainder = draws * part - quotient * whole
    return quotient + (2 * remainder + whole) // (2 * whole)


def epoch_keys(source_keys: UInt64s, epochs: Int64s) -> UInt64s:
    """Return the key of the permutation of each source's epoch."""
    return mixed(source_keys ^ mixed(epochs.astype(np.uint64)))


def permuted(indices: Int64s, sizes: Int64s, keys: UInt64s) -> Int64s:
    """Return the images of indices under pseudo-random permutations of ``range(size)``.

    A permutation is a Feistel network over two digits of base ``ceil(sqrt(size))``. A result that
    is not below the size goes through the network again, until it is (Black and Rogaway, "Ciphers
    with arbitrary finite domains", 2002). Most indices go through once, because the square of the
    base is close to the size.
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
        left, right = right, (left + mixed(right + keys + round_key) % base) % base
    return left + base * right


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUND_KEYS = np.arange(ROUNDS, dtype=np.uint64) * _GOLDEN


def mixed(values: UInt64s) -> UInt64s:
    """Mix the bits of each value, by the finaliser of SplitMix64."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: npt.NDArray[Any] = values ^ (values >> np.uint64(31))
    return result
