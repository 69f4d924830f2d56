"""Clusters by stars, compared with union-find over planted chains, stars and cliques."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from tests.support.plain.clusters import cluster_sizes
from transforms.dedup.clusters import (
    Rows,
    both_ways,
    large_stars,
    rows_by_partition,
    small_stars,
    star_sizes,
)

N_PARTITIONS = 7


def planted(n_nodes: int, largest: int) -> tuple[np.ndarray, Rows]:
    """Return nodes, and pairs of them: chains, stars, rings, cliques, trees and single nodes."""
    random = np.random.default_rng(11)
    nodes = random.choice(n_nodes * 20, n_nodes, replace=False).astype(np.uint64) << np.uint64(9)
    kinds = ["sorted chain", "chain", "star", "tree", "ring", "clique"]
    pairs: list[tuple[int, int]] = []
    begin, n_made = 0, 0
    while begin < 0.9 * n_nodes:
        kind = kinds[n_made % len(kinds)]
        size = largest if n_made < 4 else int(min(2 ** random.uniform(1, 8), largest))
        size = min(size, 40) if kind == "clique" else size
        mine = nodes[begin : begin + size]
        if kind == "sorted chain":
            mine.sort()
        members = mine.tolist()
        if kind == "star":
            pairs += [(members[0], other) for other in members[1:]]
        elif kind == "tree":
            pairs += [(members[(i - 1) // 2], members[i]) for i in range(1, len(members))]
        elif kind == "clique":
            pairs += combinations(members, 2)
        else:
            pairs += zip(members[1:], members[:-1], strict=True)
        if kind == "ring":
            pairs.append((members[0], members[-1]))
        begin += size
        n_made += 1
    made = np.array(pairs, np.uint64).reshape(-1, 2)
    turned = random.random(len(made)) < 0.5
    made[turned] = made[turned][:, ::-1]
    return nodes, np.concatenate([made, made[: len(made) // 3]])[random.permutation(len(made))]


def by_stars(pairs: Rows, n_partitions: int) -> tuple[dict[int, int], int, list[int]]:
    """Return sizes, the number of turns, and the pairs after each, as the passes find them."""
    turns, left = 0, [len(pairs)]
    while True:
        turns += 1
        stars = [large_stars(rows) for _, rows in rows_by_partition(both_ways(pairs), n_partitions)]
        told = np.concatenate([pairs[:0], *(star.pairs for star in stars)])
        parts = [small_stars(rows) for _, rows in rows_by_partition(told, n_partitions)]
        pairs = np.concatenate([pairs[:0], *parts])
        left.append(len(pairs))
        if not sum(star.unsettled for star in stars):
            break
    sizes: dict[int, int] = {}
    for _, rows in rows_by_partition(both_ways(pairs), n_partitions):
        found = star_sizes(rows)
        assert not sizes.keys() & set(found.nodes.tolist())
        sizes |= dict(zip(found.nodes.tolist(), found.sizes.tolist(), strict=True))
    return sizes, turns, left


def test_100_000_documents_have_the_sizes_of_union_find():
    nodes, pairs = planted(100_000, 10_000)
    sizes, turns, left = by_stars(pairs, N_PARTITIONS)
    expected = cluster_sizes(pairs.tolist())
    assert sizes == expected and max(sizes.values()) == 10_000
    assert Counter(sizes.values())[10_000] == 40_000 and len(sizes) < len(nodes)
    print(f"{turns} turns, {left} pairs")
    assert turns < 20 and left == sorted(left, reverse=True)


@pytest.mark.parametrize("n_partitions", [1, 2, 64])
def test_small_graphs_have_the_sizes_of_union_find(n_partitions):
    for seed in range(40):
        random = np.random.default_rng(seed)
        pairs = random.integers(0, 30, (random.integers(0, 40), 2)).astype(np.uint64)
        sizes, _, _ = by_stars(pairs, n_partitions)
        assert sizes == {node: n for node, n in cluster_sizes(pairs.tolist()).items() if n > 1}


def test_pairs_that_are_stars_already_take_one_turn():
    pairs = np.array([[5, 1], [9, 1], [7, 2]], np.uint64)
    sizes, turns, _ = by_stars(pairs, 3)
    assert turns == 1 and sizes == {1: 3, 5: 3, 9: 3, 2: 2, 7: 2}
