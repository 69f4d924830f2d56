"""Worker processes of the DirectRunner, which serve all passes and whose death ends the run.

This replaces Beam's ``--direct_running_mode=multi_processing``, which starts Python anew for every
worker of every pass. It also lets workers print their starts and stops to the terminal, with
warnings about clouds that are not used, and may wait for ever for a worker that was killed.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, worker_handlers
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.worker import data_plane
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipeline.runners.forked_workers import ForkServer, WorkerCrew, loaded_modules

_PAUSE_SECONDS = 0.2  # between two looks for requests to a dead worker
_STOP_SECONDS = 10.0  # that a worker has to serve to the end

_crews: dict[str, WorkerCrew] = {}  # by the text that Beam hands to the handlers of their workers


class WorkerProcesses:
    """The worker processes of a command's DirectRunners, forked by a server of its own."""

    def __init__(self, server: ForkServer) -> None:
        # The line that the command prints at its end says how a worker ended.
        for module in (worker_handlers, data_plane):
            logging.getLogger(module.__name__).setLevel(logging.CRITICAL)
        self._name = f"workers {id(self)}"
        self._server = server

    def runner(self) -> FnApiRunner:
        """Make a DirectRunner for one pipeline; the processes start with the first one."""
        if self._name not in _crews:
            self._server.modules = loaded_modules()
            self._server.start()  # it imports while Beam makes the pipeline
            _crews[self._name] = WorkerCrew(self._server)
        return FnApiRunner(SubprocessSDKEnvironment.from_command_string(self._name))

    def close(self) -> None:
        """End the processes; a later pipeline would start others."""
        if crew := _crews.pop(self._name, None):
            crew.close()


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _WatchedWorker(GrpcWorkerHandler):
    """A worker in one pipeline. After its death, every request is answered with an error."""

    def __init__(
        self, crew: bytes, state: Any, provision_info: Any, grpc_server: Any
    ) -> None:  # fmt: skip
        super().__init__(state, provision_info, grpc_server)
        self._crew = _crews[crew.decode()]
        self._is_stopped = threading.Event()

    def start_worker(self) -> None:
        """Let a process serve, and a thread wait for the end of that.

        It is a daemon thread, since Beam may fail at the broken connection to a dead worker before
        it calls :meth:`stop_worker`.
        """
        self._thread = threading.Thread(target=self._run, name="run_worker", daemon=True)
        self._thread.start()

    def stop_worker(self) -> None:
        """Wait some seconds for the process to serve to the end.

        When one worker has died, another may never be told to end. It is killed with the crew.
        """
        self._is_stopped.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            worker = self._crew.take()
        except ValueError as error:
            reason = str(error)
        else:
            worker.serve(self.worker_id, self.control_address)
            if worker.finished():
                self._crew.give_back(worker)
                return
            reason = _reason_of_end(worker.wait())
        while not self._is_stopped.wait(_PAUSE_SECONDS):
            for instruction, future in list(self.control_conn._futures_by_id.items()):
                future.set(
                    beam_fn_api_pb2.InstructionResponse(instruction_id=instruction, error=reason)
                )


def _reason_of_end(exit_status: int) -> str:
    """Return an error message about a worker's end.

    A worker that was killed was most often killed because memory ran out.
    """
    if exit_status < 0:
        try:
            name = signal.Signals(-exit_status).name
        except ValueError:  # it has no name
            name = f"signal {-exit_status}"
        return f"a worker process was killed ({name}): by the system, if memory ran out"
    return f"a worker process ended with exit status {exit_status}"
