"""How pipelines run: on which runner, with how many processes, in how much memory."""

from __future__ import annotations

import argparse
import logging
import os
import threading
from pathlib import Path

import apache_beam as beam
import grpc
import psutil
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.errors import RunError, nearest
from pipeline.files import storage
from pipeline.recipe.recipe import Recipe
from pipeline.runners.dataflow import check_options, check_paths
from pipeline.runners.execution import Execution
from pipeline.runners.spark import spark_options
from pipeline.runners.worker_processes import worker_processes

DIRECT_RUNNERS = ("DirectRunner", "FnApiRunner", "BundleBasedDirectRunner")

RUNNERS = ("DirectRunner", "SparkRunner", "FlinkRunner", "DataflowRunner", "PortableRunner")
"""Those to be named where one is misspelt."""


def execution(
    options: argparse.Namespace, beam_arguments: list[str], output: str, recipe: Recipe, *,
    with_files: bool = True,
) -> Execution:  # fmt: skip
    """Say how the pipelines of a command run, which writes to the folder ``output``.

    ``options`` are those of :func:`pipeline.commands.run_options.add_run_options`. Beam's
    DirectRunner would try other runners first; the one meant is named here. Raises RunError on a
    number of workers that cannot be, and RecipeError where the workers cannot see what ``recipe``
    names: the inputs, and the models and lists, but without ``with_files``.
    """
    if options.runner == "DataflowRunner":
        check_paths(recipe, with_files=with_files)
    if options.workers is not None and options.workers < 1:
        raise RunError(f"--workers: expected a number above 0, found {options.workers}")
    if options.runner not in DIRECT_RUNNERS:
        try:
            beam.runners.create_runner(options.runner)
        except (ValueError, ImportError):
            known = nearest(options.runner, RUNNERS)
            raise RunError(f"--runner: there is no runner {options.runner!r}{known}") from None
    memory = int(options.memory_bytes or available_memory())
    # What stops a run is told by the command in a line, and whole in a file.
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)
    threading.excepthook = _unless_a_connection_broke
    if options.runner not in DIRECT_RUNNERS:
        beam_options = [f"--runner={options.runner}", *beam_arguments]
        if options.runner == "SparkRunner":
            completed = spark_options(beam_options, options.workers, worker_log(output))
            return Execution(
                lambda work: beam.Pipeline(options=PipelineOptions(completed(work))),
                False,
                memory,
            )
        if options.runner == "DataflowRunner":
            check_options(beam_options, output)
        return Execution(
            lambda _: beam.Pipeline(options=PipelineOptions(beam_options)), False, memory
        )
    workers = options.workers or os.cpu_count() or 1
    beam_options = [f"--direct_num_workers={workers}", *beam_arguments]
    return Execution(
        lambda _: beam.Pipeline(
            FnApiRunner() if workers == 1 else worker_processes(worker_log(output)),
            PipelineOptions(beam_options),
        ),
        True,
        memory,
    )


def _unless_a_connection_broke(failed: threading.ExceptHookArgs) -> None:
    """Leave to the command what Beam's threads would say as well, in many lines."""
    if not issubclass(failed.exc_type, grpc.RpcError):
        threading.__excepthook__(failed)


def worker_log(output: str) -> str:
    """Return the file for what workers on this machine have to say."""
    return os.devnull if storage.is_remote(output) else str(Path(output, "work", "workers.log"))


def available_memory() -> int:
    """Return the bytes of memory that are free to use now."""
    return int(psutil.virtual_memory().available)
