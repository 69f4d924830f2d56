"""Clusters of near-duplicates: the connected components of the pairs that are alike.

They are found by alternating large and small stars (Kiveris et al. 2014, *Connected Components in
MapReduce and Beyond*). Nodes are documents' references, and every node takes the least that it
knows of for the centre of its cluster. In a *large star* a node tells its greater neighbours of the
least of all its neighbours and itself; in a *small star* it tells its lesser ones. Both keep what
is connected, and neither makes more pairs than there were. After O(log^2 n) turns of both, and few
where clusters are small, each cluster is a star: every other node is paired with the least, and
with no one else. That is seen at each node alone: it has greater neighbours only, or a single one.

The functions work on the rows of some nodes, a row for each neighbour of a node. They need all rows
of a node and those of no other, so nodes may be divided among machines as one likes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.dedup.near import References
from transforms.kernels.hashing import BASE

PAIR_BYTES = 16
"""Bytes of a row in the shuffle: two references."""

Rows = npt.NDArray[np.uint64]
"""A node and one of its neighbours, in each row."""


class LargeStars(NamedTuple):
    """What the nodes of some rows tell their greater neighbours."""

    pairs: Rows  # the greater node first
    unsettled: int  # nodes that are not as in a star; 0 of all nodes: the clusters are found


class Sizes(NamedTuple):
    """Nodes, and of each how many are in its cluster, itself counted."""

    nodes: References
    sizes: npt.NDArray[np.uint32]
    clusters: int  # whose centres are among the nodes


def both_ways(pairs: Rows) -> Rows:
    """Return the rows of both nodes of every pair. Pairs of a node with itself are left out."""
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.concatenate([pairs, pairs[:, ::-1]])


def rows_by_partition(rows: Rows, n_partitions: int) -> list[tuple[int, Rows]]:
    """Divide rows by their nodes' hashes; return the partitions that have some, ascending."""
    hashes = (rows[:, 0] * np.uint64(BASE)) >> np.uint64(40)
    partitions = (hashes % np.uint64(n_partitions)).astype(np.int64)
    order = np.argsort(partitions, kind="stable")
    distinct, starts = np.unique(partitions[order], return_index=True)
    bounds = [*starts.tolist(), len(order)]
    return [
        (partition, rows[order[start:end]])
        for partition, (start, end) in zip(distinct.tolist(), pairwise(bounds), strict=True)
    ]


def large_stars(rows: Rows) -> LargeStars:
    """Pair the greater neighbours of every node with the least of its neighbours and itself."""
    rows, starts = _by_node(rows)
    counts = np.diff(np.append(starts, len(rows)))
    nodes, least = rows[starts].T
    unsettled = int(np.count_nonzero((least < nodes) & (counts > 1)))
    least = np.repeat(np.minimum(nodes, least), counts)
    greater = rows[:, 1] > rows[:, 0]
    return LargeStars(np.column_stack([rows[greater, 1], least[greater]]), unsettled)


def small_stars(rows: Rows) -> Rows:
    """Pair every node and its neighbours, which are all less than it, with the least of these."""
    rows, starts = _by_node(rows)
    counts = np.diff(np.append(starts, len(rows)))
    least = np.repeat(rows[starts, 1], counts)
    others = rows[:, 1] != least
    neighbours = np.column_stack([rows[others, 1], least[others]])
    pairs, _ = _by_node(np.concatenate([neighbours, rows[starts]]))
    return pairs


def star_sizes(rows: Rows) -> Sizes:
    """Measure the clusters whose centres are among the nodes; all clusters must be stars."""
    rows, starts = _by_node(rows)
    counts = np.diff(np.append(starts, len(rows)))
    centres = rows[starts, 1] > rows[starts, 0]
    of_centre = np.repeat(centres, counts)
    nodes = np.concatenate([rows[starts[centres], 0], rows[of_centre, 1]])
    sizes = counts[centres] + 1
    each = np.concatenate([sizes, np.repeat(sizes, counts[centres])])
    return Sizes(nodes, each.astype(np.uint32), int(centres.sum()))


def _by_node(rows: Rows) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Return distinct rows in ascending order, and where those of each node begin."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    rows = rows[is_new]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = rows[1:, 0] != rows[:-1, 0]
    return rows, np.flatnonzero(is_first)
