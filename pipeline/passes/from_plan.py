"""The input of the passes' pipelines: what is listed of the plan, spread over workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.files import storage
from pipeline.passes.dealing import TakeTurns, hands


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
        """List on one worker, and spread or deal out."""
        start = root | "Start" >> beam.Create([self.output])
        n_workers = _processes_here(root.pipeline)
        if n_workers == 1 or storage.is_remote(self.output):
            return (
                start
                | "List" >> beam.FlatMap(self.list_elements, *self.arguments)
                | "SpreadSplits" >> beam.Reshuffle()
            )
        return (
            start
            | "List" >> beam.FlatMap(hands, self.list_elements, self.arguments, n_workers)
            | "SpreadLists" >> beam.Reshuffle()
            | "TakeTurns" >> beam.ParDo(TakeTurns(self.output))
        )


def _processes_here(pipeline: beam.Pipeline) -> int:
    """Return the number of worker processes on this machine; 1 on runners that may use others."""
    if not isinstance(pipeline.runner, FnApiRunner):
        return 1
    return int(pipeline.options.view_as(DirectOptions).direct_num_workers)
