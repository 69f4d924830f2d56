"""Worker processes that are forked: they serve again, are replaced where they died, and end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.errors import RunError
from pipeline.runners import forked_workers
from pipeline.runners.forked_workers import ForkServer, WorkerCrew

pytestmark = pytest.mark.slow

MODULES = [
    "pipeline.passes.shards.build",
    "pipeline.passes.first.first_passes",
    "transforms.web.c4_rules",
]
NOWHERE = "localhost:1"  # address at which no runner is, for which a worker waits


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ForkServer]:
    made = ForkServer(str(tmp_path_factory.mktemp("log") / "workers.log"), MODULES)
    yield made
    made.close()


@pytest.fixture
def crew(server: ForkServer) -> Iterator[WorkerCrew]:
    made = WorkerCrew(server)
    yield made
    made.close()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_free_worker_serves_again_and_a_dead_one_is_replaced(crew):
    first = crew.take()
    crew.give_back(first)
    assert crew.take() is first
    crew.give_back(first)
    first.kill()
    assert first.wait(30) == -signal.SIGKILL
    second = crew.take()
    assert second.pid != first.pid and second.poll() is None


def test_the_death_of_a_worker_ends_the_wait_for_it(crew):
    worker = crew.take()
    worker.serve("1-1", NOWHERE)
    worker.kill()
    assert not worker.finished()
    assert worker.wait(30) == -signal.SIGKILL


def test_no_worker_is_left_whether_workers_serve_or_not(server):
    crew = WorkerCrew(server)
    free, serving = crew.take(), crew.take()
    crew.give_back(free)
    serving.serve("1-1", NOWHERE)
    processes = [psutil.Process(worker.pid) for worker in (free, serving)]
    crew.close()
    assert not any(map(is_alive, processes))


def test_no_process_is_left_when_the_server_is_closed(tmp_path):
    server = ForkServer(str(tmp_path / "workers.log"), [])
    processes = [psutil.Process(server.fork().pid)]
    processes += processes[0].parents()[:1]
    server.close()
    deadline = time.monotonic() + 30
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_process_that_forks_has_no_threads_but_those_that_take_care_of_forks(crew):
    server = psutil.Process(crew.take().pid).ppid()
    names = [(task / "comm").read_text() for task in Path(f"/proc/{server}/task").iterdir()]
    assert [name for name in names if not name.startswith("jemalloc")] == ["python\n"]


def test_a_server_that_was_killed_is_started_again(crew):
    worker = crew.take()
    psutil.Process(worker.pid).parent().kill()
    while worker.poll() is None:
        time.sleep(0.01)
    assert crew.take().poll() is None
    assert worker.poll() == -signal.SIGKILL


def test_a_server_that_cannot_start_is_told_with_its_log(tmp_path):
    server = ForkServer(str(tmp_path / "workers.log"), ["there.is.no.such.module"])
    with pytest.raises(RunError, match=r"workers\.log may say why"):
        server.fork()
    server.close()
    assert "No module named 'there'" in (tmp_path / "workers.log").read_text()


def test_a_server_that_began_early_imports_the_rest_and_has_its_log_when_it_starts(tmp_path):
    log = tmp_path / "work" / "workers.log"
    server = ForkServer(str(log), ["there.is.no.such.module"])
    server.begin(["transforms.web.c4_rules"])
    assert not log.parent.exists()  # a command's checks of its folder come first
    server.start()
    with pytest.raises(RunError, match=r"workers\.log may say why"):
        server.fork()
    server.close()
    assert "No module named 'there'" in log.read_text()


def test_a_server_that_began_and_was_never_needed_ends(tmp_path):
    server = ForkServer(str(tmp_path / "workers.log"))
    others = psutil.Process().children()
    server.begin([])
    (process,) = set(psutil.Process().children()) - set(others)
    started = time.monotonic()
    server.close()
    assert not is_alive(process) and time.monotonic() - started < forked_workers._STOP_SECONDS
    assert not (tmp_path / "workers.log").exists()


STARTED = """
import sys, time
from pipeline.output.guard import guarded
from pipeline.runners.forked_workers import ForkServer
with guarded():
    worker = ForkServer(sys.argv[1], []).fork()
    worker.serve("1-1", "localhost:1")
    print(worker.pid, flush=True)
    time.sleep(600)
"""


def test_the_workers_of_a_killed_command_are_killed_by_its_guard(tmp_path):
    command = [sys.executable, "-c", STARTED, str(tmp_path / "workers.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = psutil.Process(int(process.stdout.readline()))
        processes = [worker, worker.parent()]
        process.kill()
    deadline = time.monotonic() + 30
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
