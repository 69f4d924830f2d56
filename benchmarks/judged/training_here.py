"""The trainer, called in this process: hundreds of small models do without hundreds of starts."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pipeline.errors import RunError
from training.score import main as train_and_score
from training.train import FINISHED, INTERRUPTED, STOPPED


def train_here(arguments: list[str], log: Path) -> None:
    """Train and score; what is printed goes to ``log``. Raises RunError where it fails.

    A training that was stopped has left a checkpoint, and ends this process as it would its own.
    """
    with log.open("w") as output, redirect_stdout(output), redirect_stderr(output):
        status = train_and_score(arguments)
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status == STOPPED:
        sys.exit(STOPPED)
    if status != FINISHED:
        raise RunError(f"the trainer ended with status {status}: {log.read_text()[-300:].strip()}")
