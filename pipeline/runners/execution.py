"""How a command's pipelines run: what makes them, and in how much memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import apache_beam as beam


class Tasks(NamedTuple):
    """What a plan says of the tasks that Spark divides a stage into."""

    for_memory: int  # with fewer, a task puts out more than Spark should hold
    n_splits: int  # that the longest stage reads, each whole


class Execution(NamedTuple):
    """Where and how pipelines run."""

    make_pipeline: Callable[[Tasks], beam.Pipeline]
    holds_shuffle_in_memory: bool  # the DirectRunner does
    memory_bytes: int  # that the shuffle may take, then
    tasks: Tasks = Tasks(0, 0)

    def pipeline(self) -> beam.Pipeline:
        """Make an empty pipeline, which runs at the end of its ``with`` block."""
        return self.make_pipeline(self.tasks)
