"""A pool that starts Python workers when Spark's executors on this machine ask for them.

An executor asks at the beginning of a stage, by Beam's protocol for external workers, and asks to
stop its workers at the end. If a worker dies before it has connected, the executor waits for ever,
so the pool starts the worker again. Beam's own pool runs the first ``python`` on PATH, once a
worker, and lets workers print to the terminal. Here workers are forked from one process that has
imported what they need. They run in the pool's environment and folder, and their output goes to one
file.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent import futures

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from pipeline.runners.forked_workers import ForkedWorker, ForkServer

RESTARTS = 3
"""Times that a killed worker is started again. After that, the machine seems short of memory."""


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """A gRPC service on a port of this machine; ``log`` is the file for the workers' output.

    ``modules`` are imported before the first worker is forked. With port 0, any free port is taken,
    and :attr:`address` has it. The service starts processes for any caller, so only programs on
    this machine can reach it. If a worker is killed by a signal that the pool did not send,
    ``when_killed`` is called. Without ``when_killed`` the worker is started again, as long as its
    executor lives. Raises ValueError if the port is taken.
    """

    def __init__(
        self,
        log: str,
        port: int = 0,
        when_killed: Callable[[], None] | None = None,
        modules: Sequence[str] = (),
    ) -> None:
        self.workers: list[tuple[str, ForkedWorker]] = []  # ids and processes
        self._forks = ForkServer(log, modules)
        self._when_killed = when_killed
        self._stopped: set[ForkedWorker] = set()
        self._is_over = False
        self._lock = threading.Lock()  # requests are served by several threads
        self.server = grpc.server(  # it stops when it is garbage-collected
            futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)]
        )
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(self, self.server)
        try:
            self.address = f"localhost:{self.server.add_insecure_port(f'localhost:{port}')}"
        except RuntimeError:
            raise ValueError(f"port {port} of this machine is taken") from None
        self._forks.start()
        self.server.start()

    def StartWorker(  # noqa: N802  (the protocol's name)
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Start a worker process."""
        self._start(request.worker_id, request.control_endpoint.url, RESTARTS)
        return beam_fn_api_pb2.StartWorkerResponse()

    def _start(self, worker: str, control: str, restarts: int) -> None:
        process = self._forks.fork()
        process.serve(worker, control)
        with self._lock:  # workers of a killed executor end by themselves
            running = [known for known in self.workers if known[1].poll() is None]
            self.workers = [*running, (worker, process)]
        threading.Thread(
            target=self._watch, args=(process, worker, control, restarts), daemon=True
        ).start()

    def _watch(self, process: ForkedWorker, worker: str, control: str, restarts: int) -> None:
        process.finished()
        process.close()
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
        """Stop a worker process, unless several workers have its id.

        Each executor numbers its own workers, so workers of two executors may have the same id.
        Such workers end by themselves when their executor closes the connection.
        """
        named = [process for id_, process in self.workers if id_ == request.worker_id]
        if len(named) == 1:
            self._stop(named[0])
        return beam_fn_api_pb2.StopWorkerResponse()

    def stop(self) -> None:
        """Stop the service, then all workers that still run."""
        self._is_over = True
        self.server.stop(grace=None).wait()  # finishes requests in progress
        with self._lock:
            running = self.workers
        for _, process in running:
            self._stop(process)
        self._forks.close()

    def _stop(self, process: ForkedWorker) -> None:
        self._stopped.add(process)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except TimeoutError:
            process.kill()
            process.wait()


def _is_served(address: str) -> bool:
    """Tell whether a program listens at ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def serve(port: int, log: str, modules: Sequence[str]) -> None:
    """Run a pool until this process receives SIGTERM or SIGINT."""
    pool = WorkerPool(log, port, modules=modules)
    asked_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_end.set())
    print(f"serving Python workers at {pool.address}; they write to {log}", flush=True)
    asked_to_end.wait()
    pool.stop()
