"""The script for Slurm, with a stand-in for ``srun`` that starts its one node on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.support.runs import ROOT, digests, run_demo, skip

pytestmark = pytest.mark.slow

SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
SLURM_PROCID=0 exec "$@"
"""
C4 = ["--sources", "c4", "--no_report"]


def free_port() -> str:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_run_in_an_allocation_has_the_bytes_of_a_local_one_and_leaves_nothing(tmp_path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "mine").touch()  # of the user, beside what the job needs
    if shutil.which("java") is None or not (ROOT / "build" / "spark-job-server.jar").exists():
        skip("needs Java, and the job server that 'make spark-job-server' makes")
    import pyspark

    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "srun").write_text(SRUN)
    (programs / "srun").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_DIRS": str(tmp_path / "local"), "SPARK_LOCAL_IP": "127.0.0.1",
        "MASTER_HOST": "127.0.0.1", "MASTER_PORT": free_port(), "POOL_PORT": free_port(),
        "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "2", "EXECUTOR_MEMORY": "1g",
        "LOGS": str(tmp_path / "logs"), "MARK_OF_TEST": str(tmp_path),
    }  # fmt: skip
    script = ["bash", str(ROOT / "scripts" / "spark.sbatch")]
    ended = subprocess.run(
        [*script, *C4, "--recipe", str(ROOT / "recipes" / "demo.yaml"),
         "--output", str(tmp_path / "out")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    logs = "".join(path.read_text()[-1000:] for path in (tmp_path / "logs").iterdir())
    assert ended.returncode == 0, ended.stderr[-2000:] + logs
    assert left(str(tmp_path)) == []
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["mine"]

    assert run_demo(tmp_path / "here", *C4, "--workers", "1") == 0
    there, here = (
        {name: digest for name, digest in digests(folder).items() if name.startswith("shards/")}
        for folder in (tmp_path / "out", tmp_path / "here")
    )
    assert there == here and len(here) > 3
    mistaken = subprocess.run([*script, "--recipe", "nowhere.yaml"], cwd=ROOT, env=environment,
                              capture_output=True, text=True, timeout=100)  # fmt: skip
    assert mistaken.returncode == 2 and "no such recipe" in mistaken.stderr
    assert left(str(tmp_path)) == []


def left(mark: str) -> list[str]:
    """Return the commands of processes that have the test's mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARK_OF_TEST") == mark:
                found.append(" ".join(process.cmdline())[:200])
        except psutil.Error:
            continue
    return found
