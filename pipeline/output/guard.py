"""A guard process that kills whatever a run has started, once the run has ended.

Runners start worker processes and Java programs. When the command that started them is killed,
they may live on: they write to the folder in which the next run works, or wait for ever. The guard
is a separate process. It notices by a pipe that the command has ended, and kills the run's other
processes. It knows them by a mark, an environment variable that every child process inherits. Until
they are gone the guard holds the lock of the output folder, so that no other run starts meanwhile.
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
"""Name of the environment variable that says which run a process belongs to."""

_FINISHED = b"f"
_PAUSE_SECONDS = 0.02  # between two searches for marked processes
_EMPTY_LOOKS = 2  # searches in a row that must find no process
_PATIENCE_SECONDS = 10.0  # that the command waits for its guard to end


@contextmanager
def guarded(*held: int) -> Iterator[subprocess.Popen[bytes]]:
    """Guard a block: kill the processes it started if it fails or if this process dies.

    After a block without an error, nothing is killed. The guard keeps the file descriptors ``held``
    open until all of those processes are gone. Yields the guard's process. It ends with the block,
    unless some process cannot be killed within seconds.
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
    """Kill the processes with a mark, and those that they start meanwhile, until none is left.

    Two searches in a row must find none. A process that is just starting may not show the mark
    yet, and one that is about to end does not show it any more.
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
