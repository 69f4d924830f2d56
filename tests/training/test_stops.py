"""A run that is asked to stop, or fails, in every process, and what it says and leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.training_runs import arguments, rows, small_corpus, start, wait_until
from training.checkpoint import newest_whole, steps_with_checkpoints
from training.train import FAILED, FINISHED, INTERRUPTED, MISTAKEN, STOPPED, main

pytestmark = pytest.mark.slow

LONG = ["--max_steps", "5000", "--learning_rate", "1e-4"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"))


def stopped(process: subprocess.Popen[str], number: signal.Signals, run: Path) -> str:
    """Send a signal to a whole process group after three steps; return what was printed."""
    wait_until(process, lambda: len(rows(run)) >= 3)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)
    printed, _ = process.communicate(timeout=120)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive, f"{alive} outlive the run"
    return printed


@pytest.mark.parametrize(("number", "n_processes"), [(signal.SIGUSR1, 1), (signal.SIGTERM, 2)])
def test_a_signal_to_the_group_leaves_a_checkpoint(corpus, tmp_path, number, n_processes) -> None:
    """Processes that read ahead are in the group, too. All signals have one handler."""
    process = start(arguments(corpus, tmp_path, *LONG, "--workers", "2"), n_processes)
    printed = stopped(process, number, tmp_path)
    step = newest_whole(tmp_path)
    assert step is not None and step == rows(tmp_path)[-1]["step"], printed
    assert f"stopped by {number.name} with a checkpoint of step {step}; the same" in printed
    if n_processes == 1:
        assert process.returncode == STOPPED
        assert "Traceback" not in printed


@pytest.mark.parametrize("n_processes", [1, 2])
def test_ctrl_c_leaves_a_checkpoint_and_a_line(corpus, tmp_path, n_processes) -> None:
    process = start(arguments(corpus, tmp_path, *LONG, "--workers", "1"), n_processes)
    printed = stopped(process, signal.SIGINT, tmp_path)
    step = newest_whole(tmp_path)
    assert step is not None and step == rows(tmp_path)[-1]["step"], printed
    line = f"stopped by Ctrl-C with a checkpoint of step {step}; the same command goes on"
    assert printed.splitlines().count(line) == 1
    if n_processes == 1:
        assert process.returncode == INTERRUPTED
        assert "Traceback" not in printed


def test_a_loss_that_is_not_finite_while_a_checkpoint_is_written(
    corpus, tmp_path, monkeypatch
) -> None:
    """The names of documents are gathered while each process writes its part."""
    monkeypatch.setenv("DISTURBANCE", "slow checkpoints")
    given = arguments(
        corpus, tmp_path, "--max_steps", "50", "--checkpoint_every", "1", "--learning_rate", "1e30",
        "--max_gradient_norm", "1e30", "--warmup_steps", "0",
    )  # fmt: skip
    process = start(given, 2, "tests.support.disturbed_training")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "the loss is" in printed and "In 4 of its samples, documents: " in printed, printed
    assert sum(line.startswith("error: step ") for line in printed.splitlines()) == 1
    bad = int(printed.split("error: step ")[1].split(":")[0])
    assert steps_with_checkpoints(tmp_path) == list(range(1, bad))[-3:]
    assert newest_whole(tmp_path) == bad - 1


@pytest.mark.parametrize(
    ("disturbance", "message", "status"),
    [
        ("mistake", "error: c4/train-00000.bin: damaged here", MISTAKEN),
        ("bug", "RuntimeError: out of memory here", FAILED),
    ],
)
def test_an_error_of_another_rank_is_told(
    corpus, tmp_path, monkeypatch, disturbance, message, status
) -> None:
    """Its rank and machine are told, it does not wait for the others, and torchrun names it.

    The one with the mistake is slow before, which is told, too.
    """
    monkeypatch.setenv("DISTURBANCE", disturbance)
    given = arguments(corpus, tmp_path, *LONG, "--checkpoint_every", "1")
    process = start(given, 2, "tests.support.disturbed_training")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    lines = printed.splitlines()
    first = next(line for line in lines if line.startswith(f"rank 1 on {os.uname().nodename}: "))
    assert message in (first if status == MISTAKEN else printed)
    if disturbance == "mistake":
        assert f"rank 1 on {os.uname().nodename} is slow: it takes " in printed
    summary = printed[printed.index("Root Cause") :]
    assert "rank      : 1" in summary and f"exitcode  : {status}" in summary
    assert message.removeprefix("error: ") in summary


def test_a_mistake_of_all_is_told_once(corpus, tmp_path) -> None:
    process = start(arguments(corpus, tmp_path, "--batch_tokens", "40"), 2)
    printed, _ = process.communicate(timeout=120)
    assert sum(line.startswith(("error:", "rank ")) for line in printed.splitlines()) == 1
    assert "error: --batch_tokens 40: must be a multiple" in printed


def test_a_run_after_a_failed_one_in_the_same_process(corpus, tmp_path) -> None:
    run = tmp_path / "run"
    assert main(arguments(corpus, run, "--max_steps", "2")) == FINISHED
    assert main(arguments(corpus, run, "--max_steps", "2", "--seed", "3")) == MISTAKEN
    assert main(arguments(corpus, run, "--max_steps", "2")) == FINISHED


def test_ctrl_c_before_the_first_step(corpus, tmp_path, monkeypatch, capsys) -> None:
    def interrupted(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["training.train"], "make_plan", interrupted)
    assert main(arguments(corpus, tmp_path)) == INTERRUPTED
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and "the same command goes on" in printed.err
