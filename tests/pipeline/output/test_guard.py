"""The guard of a run: it ends the run's processes, and keeps the folder locked until then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.errors import RunError
from pipeline.output import guard, output_folder
from pipeline.output.guard import guarded
from pipeline.output.output_folder import locked

STARTED = """
import subprocess, sys, time
from pipeline.output.output_folder import locked
with locked(sys.argv[1]):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                             start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(600)
"""


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def test_a_process_of_a_killed_run_is_gone_before_the_folder_is_free(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", STARTED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    child = psutil.Process(int(run.stdout.readline()))
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with locked(str(tmp_path)):
                assert not _is_alive(child)
            break
        except RunError:
            time.sleep(0.01)
    else:
        pytest.fail("the folder stays locked")


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_block_that_fails_ends_its_processes_and_one_that_ends_well_does_not():
    with pytest.raises(ValueError, match="broken"), guarded():
        left = _sleeper()
        raise ValueError("broken")
    assert left.wait(30) == -signal.SIGKILL
    with guarded():
        kept = _sleeper()
    assert kept.poll() is None
    kept.kill()
    kept.wait()


def test_a_folder_is_free_at_once_after_a_run(tmp_path: Path):
    for _ in range(2):
        with locked(str(tmp_path)):
            assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_folder_whose_guard_still_waits_stays_locked(tmp_path, monkeypatch):
    waits = [sys.executable, "-c", "import time; time.sleep(600)"]
    popen = subprocess.Popen
    guards = []

    def start(command, **settings):
        guards.append(popen(waits, **settings))
        return guards[0]

    monkeypatch.setattr(guard.subprocess, "Popen", start)
    monkeypatch.setattr(guard, "_PATIENCE_SECONDS", 0.1)
    with locked(str(tmp_path)):
        pass
    try:
        with pytest.raises(RunError, match="another run"), locked(str(tmp_path)):
            pass
    finally:
        guards[0].kill()
        guards[0].wait()


@pytest.mark.slow
def test_a_lock_that_its_holder_removed_meanwhile_is_none(tmp_path, monkeypatch):
    path = tmp_path / ".lock"
    flock = output_folder.fcntl.flock
    removed = []

    def flock_late(file, how):
        if not removed:
            removed.append(path.unlink())
        flock(file, how)

    monkeypatch.setattr(output_folder.fcntl, "flock", flock_late)
    with locked(str(tmp_path)), pytest.raises(RunError), locked(str(tmp_path)):
        pass
    assert removed
