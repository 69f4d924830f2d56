"""Training on several nodes: the script for Slurm, with stand-ins for Slurm's own programs.

The stand-in for ``srun`` starts two nodes on this machine, and the second one again if it is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch

from tests.support.runs import ROOT
from tests.support.training_runs import arguments, rows, wait_until
from training.checkpoint import newest_whole
from training.run_folder import METRICS_NAME
from training.train import FINISHED, main

SRUN = f"""#!{sys.executable}
import os, signal, subprocess, sys

command = sys.argv[1:]
while command[0].startswith("--"):
    command.pop(0)


def started(node):
    return subprocess.Popen(command, env={{**os.environ, "SLURM_NODEID": str(node)}})


nodes = [started(0), started(1)]
signal.signal(signal.SIGUSR1, lambda *_: [node.send_signal(signal.SIGUSR1) for node in nodes])
if nodes[1].wait() == -signal.SIGKILL:
    nodes[1] = started(1)
sys.exit(any([node.wait() for node in nodes]))
"""

SCONTROL = """#!/usr/bin/env bash
if [[ $1 == show ]]; then printf '127.0.0.1\\nsecond\\n'; else echo "$@" >> "$CALLS"; fi
"""

TORCHRUN = """#!/usr/bin/env bash
echo "$SLURM_NODEID $PYTORCH_ALLOC_CONF $NCCL_SOCKET_IFNAME $*" >> "$CALLS"
trap 'echo "$SLURM_NODEID asked" >> "$CALLS"; exit 1' USR1
if [[ $* == *"--status"* ]]; then exit "${!#}"; fi
for _ in {1..300}; do sleep 0.1; done
"""


@pytest.fixture
def allocation(tmp_path: Path) -> dict[str, str]:
    """The environment of a job on two nodes, with the stand-ins but that for torchrun."""
    programs = tmp_path / "bin"
    programs.mkdir()
    stand_in(programs / "srun", SRUN)
    stand_in(programs / "scontrol", SCONTROL)
    return {
        **os.environ, "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"), "SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_NODELIST": "first,second", "SLURMD_NODENAME": "127.0.0.1", "INTERFACE": "lo",
        "PROCESSES": "1",
    }  # fmt: skip


def stand_in(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@contextmanager
def submitted(given: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the script; of what is left of it at the end, nothing stays."""
    job = subprocess.Popen(
        ["bash", str(ROOT / "scripts" / "train.sbatch"), *given], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield job
    finally:
        if job.poll() is None:
            for process in [*psutil.Process(job.pid).children(recursive=True), job]:
                process.kill()
            job.communicate()


def calls(environment: dict[str, str]) -> list[str]:
    path = Path(environment["CALLS"])
    return path.read_text().splitlines() if path.exists() else []


def test_every_node_starts_torchrun_and_is_asked_to_stop(allocation) -> None:
    """The job is put into the queue again when it was asked to stop, and not when it failed."""
    torchrun = Path(allocation["CALLS"]).with_name("bin") / "torchrun"
    stand_in(torchrun, TORCHRUN)
    with submitted(["--data", "a folder"], allocation) as job:
        wait_until(job, lambda: len(calls(allocation)) == 2)
        first, second = sorted(calls(allocation))
        assert first.startswith("0 expandable_segments:True lo --nnodes 2 --nproc-per-node 1 ")
        assert "--rdzv-endpoint 127.0.0.1:20007 --rdzv-id 7 --rdzv-conf is_host=1" in first
        assert first.endswith("-m training.train --data a folder")
        assert second == first.replace("0 exp", "1 exp").replace("is_host=1", "is_host=0")
        job.send_signal(signal.SIGUSR1)
        job.communicate(timeout=20)
    assert job.returncode != 0
    assert sorted(calls(allocation)[2:4]) == ["0 asked", "1 asked"]
    assert calls(allocation)[4:] == ["requeue 7"]

    for status in ("0", "2"):
        Path(allocation["CALLS"]).unlink()
        with submitted(["--status", status], allocation) as ended:
            ended.communicate(timeout=20)
        assert (ended.returncode == 0) == (status == "0")
        assert len(calls(allocation)) == 2


N_STEPS = 20
STEPS = ["--max_steps", str(N_STEPS), "--learning_rate", "1e-4", "--within_documents"]


@pytest.mark.slow
def test_a_node_is_lost_and_back_and_the_job_ends_and_goes_on(
    demo_run: Path, tmp_path: Path, allocation
) -> None:
    """At every step the loss is that of a run which nothing disturbed."""
    run, alone = tmp_path / "run", tmp_path / "alone"
    given = arguments(demo_run, run, *STEPS, "--checkpoint_every", "4")
    with submitted(given, allocation) as job:
        wait_until(job, lambda: newest_whole(run) is not None and len(rows(run)) >= 6)
        second = next(
            process
            for process in psutil.Process(job.pid).children(recursive=True)
            if process.environ().get("SLURM_NODEID") == "1"
            and "torchrun" in " ".join(process.cmdline())
        )
        for process in [*second.children(recursive=True), second]:
            process.kill()
        before, metrics = losses(run), run / METRICS_NAME
        number = metrics.stat().st_ino
        wait_until(job, lambda: metrics.stat().st_ino != number)  # written anew by the next start
        wait_until(job, lambda: len(rows(run)) > len(before))
        job.send_signal(signal.SIGUSR1)
        printed, _ = job.communicate(timeout=120)
    assert calls(allocation) == ["requeue 7"], printed
    saved = newest_whole(run)
    assert f"stopped by SIGUSR1 with a checkpoint of step {saved}; the same" in printed, printed
    resumed = int(printed.split("going on after step ")[1].split()[0])
    assert resumed < len(before), "no step was done again"
    assert {n: losses(run)[n] for n in before} == before
    assert saved is not None and len(before) < saved < N_STEPS

    torch.set_num_threads(1)
    assert main(arguments(demo_run, run, *STEPS)) == FINISHED
    assert main(arguments(demo_run, alone, *STEPS)) == FINISHED
    assert list(losses(run)) == list(range(1, N_STEPS + 1))
    assert losses(run) == pytest.approx(losses(alone), rel=2e-4)


def losses(run: Path) -> dict[int, float]:
    """Return the loss of every step."""
    return {row["step"]: row["loss"] for row in rows(run)}
