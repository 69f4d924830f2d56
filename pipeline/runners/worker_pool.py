"""The pool that starts Python workers as Spark's executors on this machine ask for them.

An executor asks when it begins with a stage, by Beam's protocol for external workers, and has its
workers stopped behind it. It waits for ever for one that dies before it has called, so the pool
starts such a worker again. Beam's own pool starts whatever ``python`` is first on the path, and
lets it print its comings and goings; here workers run in the pool's own environment and folder, and
what they have to say goes to one file.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

WORKER_PROGRAM = (
    "import logging; logging.basicConfig(level=logging.ERROR); "
    "from apache_beam.runners.worker.sdk_worker import SdkHarness; "
    "SdkHarness({control!r}, worker_id={worker!r}, state_cache_size=0).run()"
)

RESTARTS = 3
"""How often a worker that was killed is started again; behind them, the machine has no room."""


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Serves on a port of this machine; ``log`` is the file for what workers have to say.

    Port 0 is any free one; :attr:`address` tells which. Only programs of this machine reach it: it
    starts processes for whoever asks. Where a worker has died of a signal that is not the pool's,
    ``when_killed`` is called, or without it the worker started again, as long as its executor is
    there. Raises ValueError where the port is taken.
    """

    def __init__(
        self, log: str, port: int = 0, when_killed: Callable[[], None] | None = None
    ) -> None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.workers: list[tuple[str, subprocess.Popen[bytes]]] = []  # with their ids
        self._when_killed = when_killed
        self._stopped: set[subprocess.Popen[bytes]] = set()
        self._is_over = False
        self._lock = threading.Lock()  # requests come in several threads
        self.server = grpc.server(  # it stops when nobody holds it
            futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)]
        )
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(self, self.server)
        try:
            self.address = f"localhost:{self.server.add_insecure_port(f'localhost:{port}')}"
        except RuntimeError:
            raise ValueError(f"port {port} of this machine is taken") from None
        self.server.start()

    def StartWorker(  # noqa: N802  (the protocol's name)
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Start a worker process."""
        self._start(request.worker_id, request.control_endpoint.url, RESTARTS)
        return beam_fn_api_pb2.StartWorkerResponse()

    def _start(self, worker: str, control: str, restarts: int) -> None:
        program = WORKER_PROGRAM.format(control=control, worker=worker)
        with Path(self.log).open("ab") as log:
            process = subprocess.Popen([sys.executable, "-c", program], stdout=log, stderr=log)
        with self._lock:  # those of an executor that was killed have ended by themselves
            running = [known for known in self.workers if known[1].poll() is None]
            self.workers = [*running, (worker, process)]
        threading.Thread(
            target=self._watch, args=(process, worker, control, restarts), daemon=True
        ).start()

    def _watch(
        self, process: subprocess.Popen[bytes], worker: str, control: str, restarts: int
    ) -> None:
        status = process.wait()
        if process in self._stopped:
            self._stopped.discard(process)
        elif status < 0 and self._when_killed:
            self._when_killed()
        elif status < 0 and restarts and not self._is_over and _is_served(control):
            self._start(worker, control, restarts - 1)

    def StopWorker(  # noqa: N802
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Stop a worker process, unless several have its id.

        An id is an executor's own, so those of two executors may be the same. Such workers end by
        themselves when their executor lets go of them.
        """
        named = [process for id_, process in self.workers if id_ == request.worker_id]
        if len(named) == 1:
            self._stop(named[0])
        return beam_fn_api_pb2.StopWorkerResponse()

    def stop(self) -> None:
        """Take no more requests, and stop the workers that are left."""
        self._is_over = True
        self.server.stop(grace=None).wait()  # for requests that are being answered
        with self._lock:
            left = self.workers
        for _, process in left:
            self._stop(process)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._stopped.add(process)
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_served(address: str) -> bool:
    """Tell whether anybody listens at an address of this machine."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def serve(port: int, log: str) -> None:
    """Serve a pool until this process gets SIGTERM or SIGINT."""
    pool = WorkerPool(log, port)
    asked_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_end.set())
    print(f"serving Python workers at {pool.address}; they write to {log}", flush=True)
    asked_to_end.wait()
    pool.stop()
