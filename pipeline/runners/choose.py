"""The choice of a command's runner, its number of processes and its memory."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline.errors import RunError, nearest
from pipeline.files import storage
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution, Work
from pipeline.runners.forked_workers import ForkServer
from pipeline.runners.names import DIRECT_RUNNERS, RUNNERS, runner_name

if TYPE_CHECKING:
    import apache_beam as beam

    from pipeline.runners.worker_processes import WorkerProcesses

WORTH_SECONDS = 20.0
"""Work, in seconds of one core by estimate, from which on worker processes are worth their start.

The first is there after some four seconds, and saves half of the work at best where there are two.
"""

EARLY_MODULES = ("pipeline.passes.run",)
"""Modules that workers import while the command does, where their number is given."""


def execution(
    options: argparse.Namespace, beam_arguments: list[str], output: str, recipe: Recipe, *,
    with_files: bool = True,
) -> Execution:  # fmt: skip
    """Return how the pipelines of a command run. The command writes to the folder ``output``.

    ``options`` are those of :func:`pipeline.commands.run_options.add_run_options`. Beam's class
    DirectRunner would try other runners first, so FnApiRunner is made here directly. Raises
    RunError if the runner is unknown or the number of workers is below 1, and RecipeError if the
    workers cannot see the inputs that ``recipe`` names or, with ``with_files``, its models and
    lists.
    """
    options = argparse.Namespace(**{**vars(options), "runner": runner_name(options.runner)})
    if options.runner == "DataflowRunner":
        from pipeline.runners.dataflow import check_paths

        check_paths(recipe, with_files=with_files)
    memory = int(options.memory_bytes or available_memory())
    if options.runner in DIRECT_RUNNERS:
        return direct_execution(options.workers, beam_arguments, output, memory)
    _prepare(options.workers)
    return _other_execution(options, beam_arguments, output, memory)


def direct_execution(
    workers: int | None, beam_arguments: list[str], output: str, memory: int
) -> Execution:
    """Return how the pipelines of a command run on this machine alone.

    ``workers`` None leaves their number to the work. Beam is imported when the first pipeline is
    made. Raises RunError if the number is below 1.
    """
    _prepare(workers)
    server = ForkServer(worker_log(output))

    @functools.cache
    def processes() -> WorkerProcesses:
        from pipeline.runners.worker_processes import WorkerProcesses

        return WorkerProcesses(server)

    def begin() -> None:
        if workers and workers > 1:
            server.begin(EARLY_MODULES)

    def make_pipeline(work: Work) -> beam.Pipeline:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        number = workers or worth_of_workers(work.core_seconds)
        return beam.Pipeline(
            FnApiRunner() if number == 1 else processes().runner(),
            PipelineOptions([f"--direct_num_workers={number}", *beam_arguments]),
        )

    def close() -> None:
        if processes.cache_info().currsize:
            processes().close()
        server.close()

    return Execution(make_pipeline, True, memory, close, begin)


def _prepare(workers: int | None) -> None:
    """Check the number of workers, and leave the telling of errors to the command.

    It prints an error that stops a run in one line, and writes it to a file.
    """
    if workers is not None and workers < 1:
        raise RunError(f"--workers: expected a number above 0, found {workers}")
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)
    threading.excepthook = _unless_a_connection_broke


def _other_execution(
    options: argparse.Namespace, beam_arguments: list[str], output: str, memory: int
) -> Execution:
    """Return how pipelines run on Spark, Dataflow, or another runner that Beam knows."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    try:
        beam.runners.create_runner(options.runner)
    except (ValueError, ImportError):
        known = nearest(options.runner, RUNNERS)
        raise RunError(f"--runner: there is no runner {options.runner!r}{known}") from None
    beam_options = [f"--runner={options.runner}", *beam_arguments]
    if options.runner == "SparkRunner":
        from pipeline.runners.spark import spark_options_by_work

        completed = spark_options_by_work(beam_options, options.workers, worker_log(output))
        return Execution(
            lambda work: beam.Pipeline(options=PipelineOptions(completed(work))), False, memory
        )
    if options.runner == "DataflowRunner":
        from pipeline.runners.dataflow import check_options

        check_options(beam_options, output)
    return Execution(lambda _: beam.Pipeline(options=PipelineOptions(beam_options)), False, memory)


def worth_of_workers(core_seconds: float) -> int:
    """Return how many processes are worth their start for work that takes one so many seconds."""
    return 1 if core_seconds < WORTH_SECONDS else os.cpu_count() or 1


def _unless_a_connection_broke(failed: threading.ExceptHookArgs) -> None:
    """Print a thread's exception, unless it is a broken connection, which the command reports."""
    import grpc

    if not issubclass(failed.exc_type, grpc.RpcError):
        threading.__excepthook__(failed)


def worker_log(output: str) -> str:
    """Return the log file of workers on this machine."""
    return os.devnull if storage.is_remote(output) else str(Path(output, "work", "workers.log"))


def available_memory() -> int:
    """Return the bytes of memory that are available now."""
    return int(psutil.virtual_memory().available)
