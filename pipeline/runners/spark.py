"""Options of Beam's Spark runner: job server, Python workers, memory and number of tasks.

Beam starts the job server, a Java program that submits pipelines to Spark. ``make
spark-job-server`` builds its jar. With a local master, Spark runs inside the job server, and the
Python workers are processes of this machine. On a cluster, a worker pool on the machine of every
executor starts them.
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
from pipeline.runners.forked_workers import loaded_modules
from pipeline.runners.worker_pool import WorkerPool

JOB_SERVER_JAR = Path(__file__).resolve().parents[2] / "build" / "spark-job-server.jar"
"""Path at which ``make spark-job-server`` leaves the job server."""

EXIT_WITHOUT_MEMORY = "-XX:+ExitOnOutOfMemoryError"
"""Option of Java to exit when memory is full; a job server or executor would hang otherwise."""

PARALLELISM = "-Dspark.default.parallelism="
"""Java property with the number of tasks into which Spark divides a stage."""

FEW_TASKS = 4
"""Number of tasks for the sake of memory up to which a cluster's own parallelism is kept.

Each task on a cluster starts a Python process of its own, so small jobs get no more tasks.
"""

MAX_TASKS = 10_000
"""Most tasks of a stage: the driver needs memory for each."""

COMPARED_TEXT_BYTES = 4 * PARTITION_BYTES
"""Bytes of text that a task of a near-duplicate step reads, on average.

If a tenth of the documents have near-duplicates, the task outputs as many bytes of shingles.
"""

WORKER_IDLE_MILLIS = 60_000
"""Milliseconds for which a local master keeps idle Python workers, to use them in the next stage.

On a cluster none are kept. An executor does not notice that an idle worker has died, and would give
it one task after another until the job fails. With a local master, a dead worker ends the job in
any case.
"""


class Tasks(NamedTuple):
    """Numbers from which the number of Spark's tasks of a stage is chosen."""

    for_memory: int  # fewest tasks with which the output of each fits in memory
    n_splits: int  # splits that the longest stage reads, each by one task


def tasks_of(work: Work) -> Tasks:
    """Return the tasks that each output about one partition of the shuffle, on average."""
    tasks = work.shuffle_bytes / PARTITION_BYTES + work.compared_text_bytes / COMPARED_TEXT_BYTES
    return Tasks(math.ceil(tasks), work.n_splits)


def spark_options_by_work(
    arguments: list[str], workers: int | None, log: str
) -> Callable[[Work], list[str]]:
    """Return a function that takes the work of a pipeline and returns the pipeline's options.

    The options are ``arguments`` with what is missing for ``--runner=SparkRunner``: the jar of the
    job server, the number of tasks of a stage, and a local master with ``workers`` cores (all cores
    by default). For a local master they also name a pool of as many Python workers, whose messages
    go to the file ``log``. The pool starts when the function is first called. Raises RunError if
    Java or the jar is missing, or if Spark runs on a cluster and no option says how Python runs
    there.
    """
    options = PipelineOptions(arguments)
    spark = options.view_as(SparkRunnerOptions)
    portable = options.view_as(PortableOptions)
    added = ["--experiments=disable_logging_submission_environment"]  # it would run pip at each job
    starts_java = not (spark.spark_submit_uber_jar or portable.job_endpoint)
    java = options.view_as(JobServerOptions).job_server_jvm_properties
    if starts_java:
        _check_java(options.view_as(JobServerOptions).job_server_java_launcher)
        added += _exit_options(java)
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
        pool = WorkerPool(log, when_killed=_end_job_servers, modules=loaded_modules())
        atexit.register(pool.stop)
        return pool.address

    return lambda work: [*with_tasks(work), f"--environment_config={pool_address()}"]


def _n_tasks(tasks: Tasks, local_cores: int) -> int:
    """Return the number of tasks to ask for; 0 leaves it to Spark, which takes one a core.

    More than one a core are asked for only where memory needs it. The number of cores of a cluster
    is not known here (``local_cores`` is 0), so a large job there gets at least a task a split.
    """
    if tasks.for_memory <= (local_cores or FEW_TASKS):
        return 0
    return min(tasks.for_memory if local_cores else max(tasks), MAX_TASKS)


def _exit_options(given: list[str]) -> list[str]:
    """Return options that make Java exit when memory is full, unless ``given`` sets them."""
    executors = "-Dspark.executor.extraJavaOptions="
    added = []
    if not any(re.match(r"-XX:[+-]ExitOnOutOfMemoryError", one) for one in given):
        added.append(f"--job_server_jvm_properties={EXIT_WITHOUT_MEMORY}")
    if not any(one.startswith(executors) for one in given):
        added.append(f"--job_server_jvm_properties={executors}{EXIT_WITHOUT_MEMORY}")
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
    """Kill the job servers of this process, which would wait for a dead worker for ever."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended by itself
            if child.name() == "java":
                child.kill()
