"""Commands in forks of a process that has already imported all modules.

Most of the time of a small run is spent on imports. In forks, fifty kills take a third of the time.
The forking process must not have started a thread, so the tests themselves run whole commands.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import beam_runner

_PAUSE_SECONDS = 0.02


class WarmCommand:
    """``beam_runner`` in its own process group, with the methods of ``Popen`` that tests use."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.returncode: int | None = None
        self._log = log
        self.pid = os.fork()
        if not self.pid:
            os._exit(_command(arguments, environment, log))

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, None while the command runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for the end of the command; return its output."""
        deadline = time.monotonic() + (timeout or float("inf"))
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("beam_runner", timeout or 0)
            time.sleep(_PAUSE_SECONDS)
        return self._log.read_text(), None


def _command(arguments: list[str], environment: Mapping[str, str], log: Path) -> int:
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    status = 1
    try:
        status = beam_runner.main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return status
