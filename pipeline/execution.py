"""How pipelines run: on which runner, with how many processes, in how much memory."""

from __future__ import annotations

import argparse
import logging
import os
import re
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import grpc
import psutil
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline import storage
from pipeline.checked import nearest
from pipeline.worker_processes import worker_processes

DIRECT_RUNNERS = ("DirectRunner", "FnApiRunner", "BundleBasedDirectRunner")

RUNNERS = ("DirectRunner", "SparkRunner", "FlinkRunner", "DataflowRunner", "PortableRunner")
"""Those to be named where one is misspelt."""

ERROR_NAME = "error.txt"
"""Where a command leaves the traceback of what stopped it, until it is complete."""

MAX_REASON_CHARS = 300
AROUND = r"^[\w.]*\bStepError: | \[while running '[^']*'\]$"
"""What Python and Beam put around the line of a step's error."""

JAVA_PLACE = r"at \S+\(|\.\.\. \d+ more$|Driver stacktrace:$"


class RunError(ValueError):
    """A reason not to start, told in one line."""


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


def execution(options: argparse.Namespace, beam_arguments: list[str], output: str) -> Execution:
    """Say how the pipelines of a command run, which writes to the folder ``output``.

    ``options`` are those of :func:`pipeline.run_options.add_run_options`. Beam's DirectRunner
    would try other runners first; the one meant is named here. Raises RunError on a number of
    workers that cannot be.
    """
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
            from pipeline.spark import spark_options

            completed = spark_options(beam_options, options.workers, worker_log(output))
            return Execution(
                lambda tasks: beam.Pipeline(options=PipelineOptions(completed(tasks))),
                False,
                memory,
            )
        if options.runner == "DataflowRunner":
            from pipeline.dataflow import check_options

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


def note_stop(output: str, error: Exception) -> str:
    """Write the traceback of what stopped a command to its output; return the line to print."""
    whole = "".join(traceback.format_exception(error))
    more = f"{output}/{ERROR_NAME} has more"
    try:
        storage.write_bytes(output, ERROR_NAME, whole.encode())
    except Exception:  # a full disk, say, which may be what stopped the command
        name = Path(tempfile.gettempdir(), f"llama-corpus-{os.getpid()}-{ERROR_NAME}")
        try:
            name.write_text(whole)
            more = f"{name} has more"
        except OSError:
            more = "there was no room for more"
    return (
        f"error: the run stopped: {_reason(error)} ({more}). "
        "Once that is mended, the same command goes on from here"
    )


def _reason(error: Exception) -> str:
    """Return the last line of what an error says, but for the places of a Java stack trace."""
    if isinstance(error, grpc.FutureTimeoutError):
        return "no job server answers: is one at the address that --job_endpoint gives?"
    text = str(error)
    if isinstance(error, grpc.Call):
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return (
                "the job server is gone: it, or a worker process that it waits for, was killed, or "
                "Java's memory ran out (docs/spark.md, Memory)"
            )
        text = error.details() or text
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not re.match(JAVA_PLACE, line)]
    if (said and "StepError: " in said[-1]) or type(error).__name__ == "StepError":
        return re.sub(AROUND, "", said[-1])  # which is short already, but for its paths
    return said[-1][:MAX_REASON_CHARS] if said else repr(error)
