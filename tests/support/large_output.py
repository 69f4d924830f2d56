"""A pipeline for a local Spark master. One task emits more messages than Beam's queue holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.runners.spark import spark_options_by_work
from tests.support.work import work

N_MESSAGES = 140
"""Number of messages. Beam's queue holds 100, and Python about 20 more."""

MESSAGE_BYTES = 10 << 20


def values(_: None) -> Iterator[tuple[int, bytes]]:
    """Yield values that are one message each."""
    for number in range(N_MESSAGES):
        yield number, bytes([number]) * MESSAGE_BYTES


def check(element: tuple[int, list[bytes]]) -> None:
    """Raise ValueError where a value is not the one that was emitted."""
    number, (value,) = element[0], list(element[1])
    if value != bytes([number]) * MESSAGE_BYTES:
        raise ValueError(f"value {number} came out changed")


if __name__ == "__main__":
    options = spark_options_by_work(["--runner=SparkRunner"], 1, sys.argv[1])(work(0, 0))
    with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
        grouped = pipeline | beam.Create([None]) | beam.FlatMap(values) | beam.GroupByKey()
        _ = grouped | beam.Map(check)
    print("done")
