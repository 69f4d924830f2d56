"""Helpers for tests that run whole recipes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import beam_runner
from pipeline.inspection.manifest import statistics
from pipeline.output.ledger import read_ledger
from transforms.registry import LEAVES_TEXTS

ROOT = Path(__file__).resolve().parents[2]
OTHER_SOURCES = "github,wikipedia,books,arxiv,stackexchange"
"""The sources that are not web pages."""


def skip(reason: str) -> NoReturn:
    """Skip the test, but fail it in CI, where everything is installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def slow(batch: pa.RecordBatch, *, seconds: float) -> pa.RecordBatch:
    """A user's step that sleeps, so that a test can kill a run in the middle."""
    time.sleep(seconds)
    return batch


def run_demo(output: Path, *more: str, workers: int = 1) -> int:
    """Run the demo recipe in this process; return the exit status."""
    return beam_runner.main(["--output", str(output), "--workers", str(workers), *more])


def run_samples(output: Path, data: Path, models: Path, *more: str) -> int:
    """Run the recipe of the real samples in this process; return the exit status."""
    return beam_runner.main(
        ["--recipe", str(ROOT / "recipes" / "samples.yaml"), "--output", str(output),
         "--workers", "1", "--set", f"data={data}", "--set", f"models={models}", *more]
    )  # fmt: skip


def start(*arguments: str, module: str = "beam_runner") -> subprocess.Popen[bytes]:
    """Start the command of a module in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Kill the whole process group with SIGKILL as soon as a condition holds."""
    deadline = time.monotonic() + 120
    while not condition():
        if process.poll() is not None:
            output = process.stdout.read().decode() if process.stdout else ""
            raise AssertionError(f"the run ended before it could be killed:\n{output}")
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def digests(output: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run, without those that hold times."""
    names = {path.relative_to(output).as_posix(): path for path in sorted(output.rglob("*"))}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if path.is_file() and not name.startswith("observed/") and name != "report.html"
    }


def assert_steps_leave_texts(output: Path) -> None:
    """Check that the steps of ``LEAVES_TEXTS`` changed no text."""
    changed = read_ledger(str(output)).filter(pc.field("outcome") == "changed")
    assert LEAVES_TEXTS.isdisjoint(changed["step"].to_pylist())


def assert_readme_has_counts_of(output: Path) -> None:
    """Check the README's table of the real samples by a run over them."""
    readme = (ROOT / "README.md").read_text()
    for name, source in statistics(str(output))["sources"].items():
        counts = source["mixture"]
        documents = counts["train_documents"] + counts["validation_documents"]
        line = next(line for line in readme.splitlines() if line.startswith(f"| {name} |"))
        cells = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        entered = sum(r["documents"] for r in source["funnel"] if r["outcome"] == "in")
        tokens = counts["train_tokens"], counts["validation_tokens"]
        assert cells[1:] == [str(n) for n in (entered, documents, *tokens)]
