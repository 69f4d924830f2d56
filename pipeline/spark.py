"""Beam's Spark runner: its job server, and the Python processes that serve a local master.

Beam starts the job server, a Java program that hands pipelines to Spark, from a jar, which
``make spark-job-server`` builds. With a local master Spark runs inside the job server, and Python
in processes of this machine; on a cluster, a worker pool beside every executor starts them.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
import psutil
from apache_beam.options.pipeline_options import (
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
)
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from pipeline.execution import RunError

JOB_SERVER_JAR = Path(__file__).resolve().parents[1] / "build" / "spark-job-server.jar"

WORKER_PROGRAM = (
    "import logging; logging.basicConfig(level=logging.ERROR); "
    "from apache_beam.runners.worker.sdk_worker import SdkHarness; "
    "SdkHarness({control!r}, worker_id={worker!r}, state_cache_size=0).run()"
)


def spark_options(arguments: list[str], workers: int | None, log: str) -> list[str]:
    """Complete the options of ``--runner=SparkRunner``.

    Adds the job server's jar, a local master of ``workers`` (all cores by default) where none is
    given, and for a local master as many Python processes, whose messages go to the file ``log``.
    Raises RunError where Java or the jar is missing.
    """
    options = PipelineOptions(arguments)
    spark = options.view_as(SparkRunnerOptions)
    added = []
    if not (spark.spark_submit_uber_jar or options.view_as(PortableOptions).job_endpoint):
        _check_java(options.view_as(JobServerOptions).job_server_java_launcher)
    if not (spark.spark_job_server_jar or options.view_as(PortableOptions).job_endpoint):
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
    local = re.fullmatch(r"local(?:\[(\d+|\*)\])?", master)
    if local and not options.view_as(PortableOptions).environment_type:
        given = local.group(1) or "1"
        n_processes = n_workers if given == "*" else int(given)
        added += [
            "--environment_type=EXTERNAL",
            f"--environment_config={_start_pool(log)}",
            f"--sdk_worker_parallelism={n_processes}",
        ]
    return [*arguments, *added]


def _is_there(jar: str) -> bool:
    return "://" in jar or Path(jar).exists()


def _check_java(launcher: str) -> None:
    if shutil.which(launcher) is None:
        raise RunError(
            "the SparkRunner needs Java 11 or 17, and there is no "
            f"{launcher!r} here: install it (on Debian, 'apt-get install openjdk-17-jre-headless'),"
            " or name it with --job_server_java_launcher"
        )


class _Pool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts and stops Python workers as the job server asks for them.

    Beam's own pool starts whatever ``python`` is first on the path, and lets it print its comings
    and goings.
    """

    def __init__(self, log: str) -> None:
        self.log = log
        self.server = grpc.server(futures.ThreadPoolExecutor(4))  # which stops when nobody holds it
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def StartWorker(  # noqa: N802  (the protocol's name)
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Start a worker process."""
        control, worker = request.control_endpoint.url, request.worker_id
        program = WORKER_PROGRAM.format(control=control, worker=worker)
        with Path(self.log).open("ab") as log:
            process = subprocess.Popen([sys.executable, "-c", program], stdout=log, stderr=log)
        self.processes[worker] = process
        threading.Thread(target=self._watch, args=(worker, process), daemon=True).start()
        return beam_fn_api_pb2.StartWorkerResponse()

    def _watch(self, worker: str, process: subprocess.Popen[bytes]) -> None:
        """End the job server where a worker of it is killed: it would wait for it for ever."""
        was_killed = process.wait() < 0
        if was_killed and self.processes.pop(worker, None) is not None:
            for child in psutil.Process().children():
                if child.name() == "java":
                    child.kill()

    def StopWorker(  # noqa: N802
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Stop a worker process."""
        if process := self.processes.pop(request.worker_id, None):
            _stop(process)
        return beam_fn_api_pb2.StopWorkerResponse()

    def stop_all(self) -> None:
        """Stop all that is left when the command ends."""
        while self.processes:
            _stop(self.processes.popitem()[1])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start_pool(log: str) -> str:
    """Serve a pool on a free port of this machine until the command ends; returns its address."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    pool = _Pool(log)
    port = pool.server.add_insecure_port("localhost:0")
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, pool.server)
    pool.server.start()
    atexit.register(pool.stop_all)
    return f"localhost:{port}"
