"""Small corpora whose tokens are all different, and stages over them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from tests.support.samples.corpora import write_corpus
from training.stages.staged_mixture import StageDraws

BATCH = 24
"""Tokens of a step."""


def corpus(folder: Path, sizes: dict[str, list[int]]) -> None:
    """Write shards of so many tokens, all different, in documents of up to five tokens."""
    train: dict[str, list[list[range]]] = {}
    first = 1
    for source, of_shards in sizes.items():
        train[source] = []
        for size in of_shards:
            edges = [*range(first, first + size, 5), first + size]
            train[source].append([range(a, b) for a, b in pairwise(edges)])
            first += size
    write_corpus(folder, train, {source: 1 / len(sizes) for source in sizes}, 1000)


def stage(name: str, steps: int, length: int, **shares: int) -> StageDraws:
    total = sum(shares.values())
    return StageDraws(
        name, steps, length, {source: Fraction(w, total) for source, w in shares.items() if w}, {}
    )
