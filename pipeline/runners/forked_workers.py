"""Worker processes of this machine, forked from a process that has imported all they need."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.errors import RunError
from pipeline.runners import zygote

PRELOADED = (
    "pipeline.passes.",
    "pipeline.models.",
    "pipeline.readers.",
    "transforms.",
    "tokenizer.",
)
"""Beginnings of the names of modules that workers need where the command needed them."""

_POLL_SECONDS = 0.02  # between two looks whether a worker has ended
_STOP_SECONDS = 10.0  # that processes have to end


class ForkedWorker:
    """A worker process. It serves the addresses that it is given, one after another."""

    def __init__(self, server: ForkServer, pid: int, orders: socket.socket) -> None:
        self.pid = pid
        self._server = server
        self._orders = orders
        self._answers = orders.makefile("rb")

    def serve(self, worker: str, address: str) -> None:
        """Tell the worker to serve a runner's control address under the id ``worker``."""
        with suppress(OSError):  # it has died: finished() tells
            self._orders.sendall(f"{worker} {address}\n".encode())

    def finished(self) -> bool:
        """Wait until the address is served to the end; returns False where the worker has died."""
        try:
            return self._answers.readline() == zygote.DONE
        except OSError:
            return False

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the worker runs.

        The status of a worker whose server has died is that of a killed one.
        """
        return self._server.status(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the worker's end and return its exit status; raises TimeoutError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} does not end")
            time.sleep(_POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the worker if it runs."""
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the worker."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Let the worker end, which it does when it has nothing to serve."""
        with suppress(OSError):
            self._orders.shutdown(socket.SHUT_RDWR)
        self._answers.close()
        self._orders.close()


class ForkServer:
    """The process that forks workers; it is started at need, and again where it has died.

    What it and its workers print goes to the end of the file ``log``. It imports ``modules`` before
    it forks.
    """

    def __init__(self, log: str, modules: Sequence[str] = ()) -> None:
        self.modules = modules
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._requests: socket.socket | None = None

    def begin(self, modules: Sequence[str]) -> None:
        """Start the process ahead of :meth:`start`: it imports ``modules`` and writes no log yet.

        Starting takes it as long as its command, so both import at the same time.
        """
        with self._lock:
            self._launch(modules)

    def start(self) -> None:
        """Start the process, if it does not run; it imports while this one goes on."""
        with self._lock:
            self._start()

    def _launch(self, early_modules: Sequence[str] = ()) -> socket.socket:
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", zygote.__name__, str(theirs.fileno()), *early_modules],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # or it would start threads
                text=True,
            )  # fmt: skip
        return self._requests

    def _start(self) -> socket.socket:
        requests = self._requests
        if self._process is None or self._process.poll() is not None or requests is None:
            self._end()
            requests = self._launch()
        assert self._process is not None and self._process.stdin is not None
        if not self._process.stdin.closed:  # it waits to be told where its log is
            Path(self._log).parent.mkdir(parents=True, exist_ok=True)
            with suppress(BrokenPipeError), self._process.stdin as told:
                told.write("\n".join((str(Path(self._log).absolute()), *self.modules)))
        return requests

    def fork(self) -> ForkedWorker:
        """Make a worker. Raises RunError where the process that forks cannot do it."""
        for _ in range(2):  # one that was killed may look alive at first
            ours, theirs = socket.socketpair()
            with theirs, self._lock:
                answer = b""
                with suppress(OSError):
                    requests = self._start()
                    socket.send_fds(requests, [zygote.FORK], [theirs.fileno()])
                    answer = requests.recv(zygote.REQUEST_BYTES)
                if answer:
                    return ForkedWorker(self, int(answer), ours)
                self._end()
            ours.close()
        raise RunError(f"no worker process can be started; {self._log} may say why")

    def status(self, pid: int) -> int | None:
        """Return a worker's exit status, or None while it runs."""
        with self._lock:
            answer = b""
            if self._requests is not None:
                with suppress(OSError):
                    self._requests.sendall(zygote.POLL + b"%d" % pid)
                    answer = self._requests.recv(zygote.REQUEST_BYTES)
        if answer == zygote.RUNNING:
            return None
        return int(answer) if answer else -signal.SIGKILL

    def close(self) -> None:
        """End the process. Workers are closed by whoever has them."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._requests = self._process = None


class WorkerCrew:
    """Workers of one command: those that are free serve again, and more are forked at need."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._workers: set[ForkedWorker] = set()
        self._free: list[ForkedWorker] = []

    def take(self) -> ForkedWorker:
        """Return a living worker that serves nothing."""
        with self._lock:
            while self._free:
                worker = self._free.pop()
                if worker.poll() is None:
                    return worker
                self._workers.discard(worker)
                worker.close()
            worker = self._server.fork()
            self._workers.add(worker)
            return worker

    def give_back(self, worker: ForkedWorker) -> None:
        """Take back a worker that has served to the end."""
        with self._lock:
            self._free.append(worker)

    def close(self) -> None:
        """End all workers. The process that forks them goes on."""
        with self._lock:
            for worker in self._workers - set(self._free):
                worker.kill()  # it serves a pass that has failed
            for worker in self._workers:
                worker.close()
            for worker in self._workers:
                try:
                    worker.wait(_STOP_SECONDS)
                except TimeoutError:
                    worker.kill()
            self._workers, self._free = set(), []


def loaded_modules() -> list[str]:
    """Return the modules that this process has loaded and that workers will need too."""
    return sorted(name for name in sys.modules if name.startswith(PRELOADED))
