"""Work of a known size, in place of a plan's."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.runners.execution import PARTITION_BYTES


class SizedWork(NamedTuple):
    """What a runner may ask of a plan."""

    shuffle_bytes: int
    compared_text_bytes: float
    n_splits: int


def work(n_partitions: int, n_splits: int) -> SizedWork:
    """Make work that fills so many partitions, in so many splits."""
    return SizedWork(n_partitions * PARTITION_BYTES, 0.0, n_splits)
