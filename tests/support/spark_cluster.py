"""A standalone Spark cluster on this machine: a master, two workers, and a pool of Python workers.

Its programs come from the ``pyspark`` package and this project. They use free ports, and write logs
to one folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.runs import ROOT

WORKER_MEMORY = "2g"
EXECUTOR_MEMORY = "768m"

KEEP_PYTHON = "--environment_cache_millis=60000"
"""Option with which Python starts once a pass, not once a stage. For runs whose Python is not
killed."""


# The kernel ends a program when its parent dies, so a killed test leaves no process.
WITH_ITS_PARENT = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


class Program:
    """A long-running program of the cluster and its log."""

    def __init__(self, name: str, command: list[str], folder: Path, **environment: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*WITH_ITS_PARENT, *command], cwd=ROOT, env={**os.environ, **environment},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait_for(self, pattern: str) -> str:
        """Wait until the log has a line that matches; return the pattern's first group."""
        deadline = time.monotonic() + 120
        while not (found := re.search(pattern, self.log.read_text(errors="replace"))):
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            time.sleep(0.1)
        return found.group(1)

    def end(self) -> None:
        """End the program and all processes that it started, whatever their state."""
        if self.process.poll() is not None:
            return  # the id may belong to another process now
        processes = _descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else []


def _runs(process: psutil.Process, program: str) -> bool:
    try:
        return program in " ".join(process.cmdline())
    except psutil.Error:  # the process has just ended
        return False


class Cluster:
    """The cluster, with the addresses for runs and the processes for kills."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.master = self._spark("master", "master.Master", "--port", "0")
        self.url = self.master.wait_for(r"Starting Spark master at (spark://\S+)")
        self.workers = [self._worker(number) for number in range(2)]
        pool = ["worker-pool", "--port", "0", "--log", str(folder / "python.log")]
        self.pool = self._start("pool", [sys.executable, "-m", "pipeline.commands.main", *pool])
        self.pool_address = self.pool.wait_for(r"at (localhost:\d+)")
        for worker in self.workers:
            worker.wait_for(r"(Successfully registered) with master")

    @property
    def options(self) -> tuple[str, ...]:
        """The options with which the SparkRunner uses this cluster."""
        return (
            f"--spark_master_url={self.url}",
            "--environment_type=EXTERNAL",
            f"--environment_config={self.pool_address}",
            f"--job_server_jvm_properties=-Dspark.executor.memory={EXECUTOR_MEMORY}",
        )

    def executors(self) -> list[psutil.Process]:
        """Return the executors, which are Java programs that the workers started."""
        programs = [one for worker in self.workers for one in _descendants(worker.process.pid)]
        return [one for one in programs if _runs(one, "CoarseGrainedExecutorBackend")]

    def python_workers(self) -> list[psutil.Process]:
        """Return the Python workers of the pool that are running."""
        started = _descendants(self.pool.process.pid)  # what forks the workers is the first of them
        return [one for one in started[1:] if _runs(one, "pipeline.runners.zygote")]

    def kill_worker(self, number: int) -> None:
        """Kill a worker with its executors, and start another in its place."""
        self.workers[number].end()
        self.workers[number] = self._worker(number)

    def _worker(self, number: int) -> Program:
        return self._spark(
            f"worker{number}", "worker.Worker", "--port", "0", "--cores", "1",
            "--memory", WORKER_MEMORY, "--work-dir", str(self.folder / f"work{number}"), self.url,
        )  # fmt: skip

    def _spark(self, name: str, program: str, *arguments: str) -> Program:
        import pyspark

        spark = Path(pyspark.__file__).parent
        return self._start(
            name,
            [str(spark / "bin" / "spark-class"), f"org.apache.spark.deploy.{program}",
             "--host", "127.0.0.1", "--webui-port", "0", *arguments],
            SPARK_HOME=str(spark), SPARK_LOCAL_IP="127.0.0.1", SPARK_DAEMON_MEMORY="256m",
            SPARK_LOCAL_DIRS=str(self.folder / "local"),
        )  # fmt: skip

    def _start(self, name: str, command: list[str], **environment: str) -> Program:
        program = Program(name, command, self.folder, **environment)
        self._stack.callback(program.end)
        return program


@contextmanager
def spark_cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster whose logs and files are in ``folder``. All its processes end afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield Cluster(folder, stack)
