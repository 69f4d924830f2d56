"""The settings with which a command runs its pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import apache_beam as beam


class Tasks(NamedTuple):
    """Numbers of a plan from which the number of Spark's tasks of a stage is chosen."""

    for_memory: int  # fewest tasks with which the output of each fits in memory
    n_splits: int  # splits that the longest stage reads, each by one task


class Execution(NamedTuple):
    """How pipelines are made, and the memory that they may use."""

    make_pipeline: Callable[[Tasks], beam.Pipeline]
    holds_shuffle_in_memory: bool  # true of the DirectRunner only
    memory_bytes: int  # bytes that such a shuffle may take
    tasks: Tasks = Tasks(0, 0)

    def pipeline(self) -> beam.Pipeline:
        """Make an empty pipeline; it runs at the end of its ``with`` block."""
        return self.make_pipeline(self.tasks)
