"""How a command's pipelines run: what makes them, and how much of a shuffle fits in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import apache_beam as beam

PARTITION_BYTES = 64 << 20
"""Fingerprints that one reducer holds and sorts; Spark holds a key's values in memory."""

SHUFFLE_MEMORY_FACTOR = 4
"""Bytes of memory that the DirectRunner and its workers take for a byte of fingerprints, which stay
in files: decisions, their groups, and copies (docs/scale.md)."""


class Work(Protocol):
    """Sizes of what pipelines are for: a plan has them, and a runner asks for those it needs."""

    @property
    def shuffle_bytes(self) -> int:
        """Fingerprints that all deduplications together shuffle, by estimate."""

    @property
    def compared_text_bytes(self) -> float:
        """Text that near-duplicate steps read again to compare documents, by estimate."""

    @property
    def n_splits(self) -> int:
        """Splits that the longest stage reads, each whole."""

    @property
    def core_seconds(self) -> float:
        """Processor time of all passes together, by estimate."""


def _nothing() -> None:
    """There are no processes."""


class Execution(NamedTuple):
    """How pipelines are made, and the memory that they may use."""

    make_pipeline: Callable[[Work], beam.Pipeline]  # an empty one, which runs as its block ends
    holds_shuffle_in_memory: bool  # true of the DirectRunner only
    memory_bytes: int  # bytes that such a shuffle may take
    close: Callable[[], None] = _nothing  # ends the processes that pipelines have left for others
    begin: Callable[[], None] = _nothing  # lets processes start that the first pipeline will need

    @property
    def shuffle_limit(self) -> float:
        """Bytes that fit into a shuffle at a time: infinitely many where it is on disks."""
        if not self.holds_shuffle_in_memory:
            return math.inf
        return self.memory_bytes // SHUFFLE_MEMORY_FACTOR
