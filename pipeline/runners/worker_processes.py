"""Worker processes of the DirectRunner, which log to a file and whose death ends the run.

This replaces Beam's ``--direct_running_mode=multi_processing``. That mode lets workers print their
starts and stops to the terminal, with warnings about clouds that are not used. It may also wait for
ever for a worker that was killed.
"""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2, beam_provision_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.worker import data_plane
from apache_beam.transforms.environments import SubprocessSDKEnvironment

_PAUSE_SECONDS = 0.2  # between two looks for requests to a dead worker
_STOP_SECONDS = 10.0  # that a worker has to end


def worker_processes(log: str) -> FnApiRunner:
    """Make a DirectRunner with worker processes, which log to the file ``log``."""
    # The line that the command prints at its end says how a worker ended.
    for module in (local_job_service, worker_handlers, data_plane):
        logging.getLogger(module.__name__).setLevel(logging.CRITICAL)
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"]
    provision = beam_provision_api_pb2.ProvisionInfo()
    provision.pipeline_options.update({"default_sdk_harness_log_level": "ERROR"})
    return FnApiRunner(
        SubprocessSDKEnvironment.from_command_string(
            f"exec {shlex.join(command)} 2>> {shlex.quote(log)}"
        ),
        provision_info=ExtendedProvisionInfo(provision),
    )


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _WatchedWorker(SubprocessSdkWorkerHandler):
    """A worker process. After its death, every request to it is answered with an error."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._command: bytes = arguments[0]
        self._is_stopped = threading.Event()

    def start_worker(self) -> None:
        """Start the process, and a thread that waits for its end.

        It is a daemon thread, since Beam may fail at the broken connection to a dead worker before
        it calls :meth:`stop_worker`.
        """
        self.worker_thread = threading.Thread(target=self._run, name="run_worker", daemon=True)
        self.worker_thread.start()

    def stop_worker(self) -> None:
        """Wait some seconds for the process to end.

        When one worker has died, another may never be told to end. The run's guard kills it.
        """
        self._is_stopped.set()
        self.worker_thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        worker = local_job_service.SubprocessSdkWorker(
            self._command, self.control_address, self.provision_info, self.worker_id
        )
        try:
            worker.run()
            reason = _reason_of_end("0")
        except RuntimeError as error:
            reason = _reason_of_end(str(error))
        while not self._is_stopped.wait(_PAUSE_SECONDS):
            for instruction, future in list(self.control_conn._futures_by_id.items()):
                future.set(
                    beam_fn_api_pb2.InstructionResponse(instruction_id=instruction, error=reason)
                )


def _reason_of_end(ended: str) -> str:
    """Return an error message from Beam's about a worker's end, whose last word is the exit status.

    A worker that was killed was most often killed because memory ran out.
    """
    try:
        exit_status = int(ended.rsplit(" ", 1)[-1])
        if exit_status < 0:
            name = signal.Signals(-exit_status).name
            return f"a worker process was killed ({name}): by the system, if memory ran out"
    except ValueError:  # other words, or a signal without a name
        return f"a worker process ended: {ended}"
    return f"a worker process ended with exit status {exit_status}"
