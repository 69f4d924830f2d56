"""No process that a run started lives longer than the run, however it ends.

Runners start worker processes and Java programs, each in its own way, and where the command that
started them is killed they may go on: writing into the folder that the next run works in, or
waiting for ever. A guard is a process of its own that sees the command end, by a pipe, and kills
what is left. What belongs to a run is told by a mark in its environment, which every process
inherits. The guard also holds the lock of the output folder until then, so that no run starts
beside a process that is left of another.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

MARK = "LLAMA_CORPUS_RUN"
"""The environment variable that tells which run a process belongs to."""

_FINISHED = b"f"
_PAUSE_SECONDS = 0.02
_EMPTY_LOOKS = 2
_PATIENCE_SECONDS = 10.0


@contextmanager
def guarded(*held: int) -> Iterator[subprocess.Popen[bytes]]:
    """Kill every process started within, once this process is gone or the block has failed.

    The guard keeps the file descriptors ``held`` open until none of those processes is left. A
    block that ends well leaves its processes alone. Yields the guard, which ends with the block,
    but for processes that cannot be killed within seconds.
    """
    mark = uuid.uuid4().hex
    guard = subprocess.Popen(
        [sys.executable, "-m", "pipeline.output.guard", mark],
        stdin=subprocess.PIPE, pass_fds=held, start_new_session=True,
    )  # fmt: skip
    assert guard.stdin is not None
    before = os.environ.get(MARK)
    os.environ[MARK] = mark
    try:
        yield guard
        with suppress(BrokenPipeError):
            guard.stdin.write(_FINISHED)
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before
        with suppress(BrokenPipeError):
            guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            guard.wait(_PATIENCE_SECONDS)


def kill_marked(mark: str) -> None:
    """Kill the processes of a run and those that they start meanwhile, until none is left.

    Two looks in a row must find none: a process that was starting at the first has its parent's
    environment until its own program runs. One that is about to end has no environment any more.
    """
    looks = 0
    killed: set[psutil.Process] = set()
    while looks < _EMPTY_LOOKS:
        marked = {process for process in psutil.process_iter() if _is_marked(process, mark)}
        for process in marked:
            with suppress(psutil.Error):
                process.kill()
        killed = {process for process in killed | marked if _is_alive(process)}
        looks = 0 if marked or killed else looks + 1
        time.sleep(_PAUSE_SECONDS)


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except psutil.Error:  # of another user, or gone
        return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


if __name__ == "__main__":
    if sys.stdin.buffer.read() != _FINISHED:
        kill_marked(sys.argv[1])
