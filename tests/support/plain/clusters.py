"""Connected components in plain Python, by union-find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def cluster_sizes(pairs: Iterable[tuple[Node, Node]]) -> dict[Node, int]:
    """Return of every node in a pair how many are connected with it, itself counted."""
    parents: dict[Node, Node] = {}

    def root(node: Node) -> Node:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for a, b in pairs:
        parents[root(a)] = root(b)
    counts = Counter(root(node) for node in list(parents))
    return {node: counts[root(node)] for node in parents}
