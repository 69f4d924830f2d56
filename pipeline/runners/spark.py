"""Beam's Spark runner: its job server, and the Python processes that serve a local master.

Beam starts the job server, a Java program that hands pipelines to Spark, from a jar, which
``make spark-job-server`` builds. With a local master Spark runs inside the job server, and Python
in processes of this machine; on a cluster, a worker pool beside every executor starts them.
"""

from __future__ import annotations

import atexit
import functools
import math
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from apache_beam.options.pipeline_options import (
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
)

from pipeline.errors import RunError
from pipeline.runners.execution import PARTITION_BYTES, Work
from pipeline.runners.worker_pool import WorkerPool

JOB_SERVER_JAR = Path(__file__).resolve().parents[2] / "build" / "spark-job-server.jar"

END_WITHOUT_MEMORY = "-XX:+ExitOnOutOfMemoryError"
"""Java's option to end: a job server or executor whose memory is full waits for ever otherwise."""

PARALLELISM = "-Dspark.default.parallelism="

FEW_TASKS = 4
"""Tasks of a plan that is left to Spark on a cluster: more would each start a Python of its own."""

MAX_TASKS = 10_000
"""Most tasks that a stage is given: the driver keeps the books of each."""

COMPARED_TEXT_BYTES = 4 * PARTITION_BYTES
"""Text that a task of a near-duplicate step reads, on the average. Where a tenth of the documents
have likenesses, the shingles that it puts out are as many bytes."""

WORKER_IDLE_MILLIS = 60_000
"""How long a local master keeps idle Python workers; else every stage of a pass starts its own.

On a cluster each stage had better: an executor does not notice that a worker which it keeps is
dead, and gives it one task after another until the job fails. A local master fails at once anyway.
"""


class Tasks(NamedTuple):
    """Numbers of tasks that there are reasons to divide a stage into."""

    for_memory: int  # with fewer, a task puts out more than Spark should hold
    n_splits: int  # that the longest stage reads, each whole


def tasks_of(work: Work) -> Tasks:
    """Count the tasks that each put out about a partition of the shuffle, on the average."""
    tasks = work.shuffle_bytes / PARTITION_BYTES + work.compared_text_bytes / COMPARED_TEXT_BYTES
    return Tasks(math.ceil(tasks), work.n_splits)


def spark_options(
    arguments: list[str], workers: int | None, log: str
) -> Callable[[Work], list[str]]:
    """Return a function that makes the options of a pipeline on Spark, given what it is for.

    ``arguments`` are the options that the user gave. Those of a pipeline also name the job server's
    jar; a local master of ``workers`` (all cores by default) where no master was given; and how
    many tasks a stage has. A local master gets as many Python processes, whose messages go to the
    file ``log``; their pool starts when the function is first called. Raises RunError where Java or
    the jar is missing, and where Spark runs on a cluster and no option says how Python runs there.
    """
    options = PipelineOptions(arguments)
    spark = options.view_as(SparkRunnerOptions)
    portable = options.view_as(PortableOptions)
    added = ["--experiments=disable_logging_submission_environment"]  # it would run pip at each job
    starts_java = not (spark.spark_submit_uber_jar or portable.job_endpoint)
    java = options.view_as(JobServerOptions).job_server_jvm_properties
    if starts_java:
        _check_java(options.view_as(JobServerOptions).job_server_java_launcher)
        added += _without_memory(java)
    if not (spark.spark_job_server_jar or portable.job_endpoint):
        if not JOB_SERVER_JAR.exists():
            raise RunError(
                f"there is no Spark job server at {JOB_SERVER_JAR}: 'make spark-job-server' builds "
                "it (with Java and Maven), --spark_job_server_jar=JAR takes another"
            )
        added.append(f"--spark_job_server_jar={JOB_SERVER_JAR}")
    elif spark.spark_job_server_jar and not _is_there(spark.spark_job_server_jar):
        raise RunError(f"--spark_job_server_jar: there is no file {spark.spark_job_server_jar}")
    n_workers = workers or os.cpu_count() or 1
    has_master = any(argument.startswith("--spark_master_url") for argument in arguments)
    master = spark.spark_master_url if has_master else f"local[{n_workers}]"
    if not has_master:
        added.append(f"--spark_master_url={master}")
    local = re.fullmatch(r"local(?:\[(\d+|\*)(?:,\d+)?\])?", master)
    given = local.group(1) or "1" if local else ""
    local_cores = os.cpu_count() or 1 if given == "*" else int(given or 0)

    def with_tasks(work: Work) -> list[str]:
        if not starts_java or any(one.startswith(PARALLELISM) for one in java):
            return [*arguments, *added]
        n_tasks = _n_tasks(tasks_of(work), local_cores)
        parallelism = [f"--job_server_jvm_properties={PARALLELISM}{n_tasks}"] if n_tasks else []
        return [*arguments, *added, *parallelism]

    if portable.environment_type:
        return with_tasks
    if portable.job_endpoint or spark.spark_submit_uber_jar or not local:
        raise RunError(
            "on a Spark cluster, say how Python runs beside the executors: start 'corpus "
            "worker-pool --port=50000' on every worker's machine, and give "
            "--environment_type=EXTERNAL --environment_config=localhost:50000 (docs/spark.md)"
        )
    added += [
        "--environment_type=EXTERNAL",
        f"--sdk_worker_parallelism={n_workers if given == '*' else local_cores}",
        f"--environment_cache_millis={WORKER_IDLE_MILLIS}",
    ]

    @functools.cache
    def pool_address() -> str:
        pool = WorkerPool(log, when_killed=_end_job_servers)
        atexit.register(pool.stop)
        return pool.address

    return lambda work: [*with_tasks(work), f"--environment_config={pool_address()}"]


def _n_tasks(tasks: Tasks, local_cores: int) -> int:
    """Return how many tasks to ask for; 0 leaves it to Spark, which takes one a core.

    More than one a core are needed only for the sake of memory. How many cores a cluster has is not
    known here (``local_cores`` is 0): where there is much to do, it gets at least a task a split.
    """
    if tasks.for_memory <= (local_cores or FEW_TASKS):
        return 0
    return min(tasks.for_memory if local_cores else max(tasks), MAX_TASKS)


def _without_memory(given: list[str]) -> list[str]:
    """Return options that end Java where its memory is full, but where others are given."""
    executors = "-Dspark.executor.extraJavaOptions="
    added = []
    if not any(re.match(r"-XX:[+-]ExitOnOutOfMemoryError", one) for one in given):
        added.append(f"--job_server_jvm_properties={END_WITHOUT_MEMORY}")
    if not any(one.startswith(executors) for one in given):
        added.append(f"--job_server_jvm_properties={executors}{END_WITHOUT_MEMORY}")
    return added


def _is_there(jar: str) -> bool:
    return "://" in jar or Path(jar).exists()


def _check_java(launcher: str) -> None:
    if shutil.which(launcher) is None:
        raise RunError(
            "the SparkRunner needs Java 11 or 17, and there is no "
            f"{launcher!r} here: install it (on Debian, 'apt-get install openjdk-17-jre-headless'),"
            " or name it with --job_server_java_launcher"
        )


def _end_job_servers() -> None:
    """End the job servers that this process started: they would wait for a dead worker for ever."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended by itself
            if child.name() == "java":
                child.kill()
