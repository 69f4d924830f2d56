"""Small corpora and runs of the training command in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus
from training.run_folder import METRICS_NAME

SETTINGS = [
    "--model", "10M", "--device", "cpu", "--sequence_length", "16", "--batch_tokens", "64",
    "--validate_every", "0", "--workers", "0", "--log_every", "1",
]  # fmt: skip


def small_corpus(folder: Path, validation: dict[str, Any] | None = None) -> Path:
    """Write a corpus of two sources whose tokens are numbers below 500."""
    folder.mkdir(parents=True, exist_ok=True)
    train = {"c4": [[range(3, 403)] * 8], "books": [[range(100, 500)] * 8]}
    write_corpus(folder, train, {"c4": 0.5, "books": 0.5}, 6_000, validation)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["tokenizer"]["vocabulary_size"] = 500
    path.write_text(json.dumps(manifest))
    return folder


def arguments(corpus: Path, run: Path, *more: str) -> list[str]:
    return ["--data", str(corpus), "--output", str(run), *SETTINGS, *more]


def start(
    given: list[str], n_processes: int, module: str = "training.train"
) -> subprocess.Popen[str]:
    """Start the training command, or a module like it, in a process group of its own."""
    command = ["-m", module]
    if n_processes > 1:
        command = ["-m", "torch.distributed.run", "--nproc_per_node", str(n_processes), *command]
    return subprocess.Popen(
        [sys.executable, *command, *given], cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds while a process runs."""
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.01)


def rows(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics."""
    path = run / METRICS_NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
