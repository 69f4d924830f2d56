"""Parts that the passes' pipelines have in common: their input, and the DoFns that write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam

from pipeline.output import whole_files


class FromPlan(beam.PTransform):
    """What a function lists of an output folder's plan, spread over the workers.

    ``list_elements`` is called with the folder and with ``arguments``, on a worker: the list is
    never part of the graph, whose size does not depend on the input.
    """

    def __init__(
        self, output: str, list_elements: Callable[..., Iterable[Any]], *arguments: Any
    ) -> None:
        super().__init__()
        self.output = output
        self.list_elements = list_elements
        self.arguments = arguments

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """List on one worker, and spread."""
        return (
            root
            | "Start" >> beam.Create([self.output])
            | "List" >> beam.FlatMap(self.list_elements, *self.arguments)
            | "SpreadSplits" >> beam.Reshuffle()
        )


class WritingDoFn(beam.DoFn):
    """A DoFn that writes to ``output`` as long as the attempt that it was made in is the last."""

    def __init__(self, output: str) -> None:
        self.output = output
        self._attempt = whole_files.attempt_of(output)

    def start_bundle(self) -> None:
        """Write for the attempt, in whatever process this is."""
        whole_files.join_attempt(self.output, self._attempt)
