"""The pool of Python workers: starting and stopping workers on request."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from pipeline.commands.main import main
from pipeline.runners.worker_pool import RESTARTS, WorkerPool
from tests.support.runs import start

pytestmark = pytest.mark.slow

NOWHERE = "localhost:1"  # address of an executor that does not exist, for which a worker waits


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[WorkerPool]:
    made = WorkerPool(str(tmp_path / "workers.log"))
    yield made
    made.stop()


def ask(address: str, *requests: str, control: str = NOWHERE) -> None:
    """Ask a pool to start or stop workers, as by ``start 1-1``."""
    with grpc.insecure_channel(address) as channel:
        stub = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        for request in requests:
            what, worker = request.split()
            if what == "stop":
                stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id=worker), timeout=30)
            else:
                started = beam_fn_api_pb2.StartWorkerRequest(worker_id=worker)
                started.control_endpoint.url = control
                stub.StartWorker(started, timeout=30)


def running(pool: WorkerPool) -> list[str]:
    return [worker for worker, process in pool.workers if process.poll() is None]


def test_workers_start_and_stop_by_their_ids(pool):
    ask(pool.address, "start 1-1", "start 1-2", "stop 1-1")
    assert running(pool) == ["1-2"]


def test_of_two_workers_with_one_id_neither_is_stopped_for_the_other(pool):
    ask(pool.address, "start 1-1", "start 1-1", "stop 1-1")
    assert running(pool) == ["1-1", "1-1"]


def test_workers_that_have_died_are_forgotten(pool):
    ask(pool.address, "start 1-1")
    process = pool.workers[0][1]
    process.kill()
    process.wait()
    ask(pool.address, "start 1-2")
    assert [worker for worker, _ in pool.workers] == ["1-2"]


def kill(pool: WorkerPool) -> None:
    process = pool.workers[0][1]
    process.kill()
    process.wait()


def test_a_killed_worker_is_started_again_while_its_executor_is_there(pool):
    with socket.create_server(("localhost", 0)) as executor:
        ask(pool.address, "start 1-1", control=f"localhost:{executor.getsockname()[1]}")
        for _ in range(RESTARTS):
            killed = pool.workers[0][1]
            kill(pool)
            deadline = time.monotonic() + 30
            while pool.workers[0][1] is killed:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert running(pool) == ["1-1"]
        kill(pool)
        time.sleep(0.5)
        assert running(pool) == []
        ask(pool.address, "start 1-2", control=f"localhost:{executor.getsockname()[1]}")
    kill(pool)  # now the executor is gone
    time.sleep(0.5)
    assert running(pool) == []


def test_a_worker_that_was_started_again_is_stopped_by_its_id(pool):
    with socket.create_server(("localhost", 0)) as executor:
        ask(pool.address, "start 1-1", control=f"localhost:{executor.getsockname()[1]}")
        kill(pool)
        deadline = time.monotonic() + 30
        while not running(pool):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ask(pool.address, "stop 1-1")
        assert running(pool) == []


def test_a_port_that_is_taken_is_told_in_a_line(pool, capsys):
    port = pool.address.partition(":")[2]
    assert main(["worker-pool", "--port", port]) == 2
    assert capsys.readouterr().err == f"error: port {port} of this machine is taken\n"


@pytest.mark.slow
def test_the_command_ends_its_workers_with_itself(tmp_path):
    log = tmp_path / "workers.log"
    arguments = ["worker-pool", "--port", "0", "--log", str(log)]
    process = start(*arguments, module="pipeline.commands.main")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    address = next(line for line in lines if b"serving" in line).decode().split()[4].rstrip(";")
    ask(address, "start 1-1")
    (server,) = psutil.Process(process.pid).children()
    (worker,) = server.children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    deadline = time.monotonic() + 30
    while worker.is_running() or server.is_running():
        assert time.monotonic() < deadline
        time.sleep(0.1)
