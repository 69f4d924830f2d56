"""A program that works for this one, and does not outlive it.

It is in a process group of its own, so that a terminal's Ctrl-C comes to this program alone, which
then asks the other one to stop. Where this program is killed, its guard kills the other one.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.output.guard import guarded

PATIENCE_SECONDS = 60.0
"""Time in which a program that was asked to stop may write a checkpoint."""


def run_to_end(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
    """Run a program to its end and return its exit status; what it prints goes to ``log``.

    ``environment`` has variables beside those of this process. If this is interrupted, the program
    and all that it started have ended when the error goes on.
    """
    with guarded(), log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait()
        except BaseException:
            stop(process)
            raise


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a program's process group to stop by SIGTERM, and kill what is left of it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
