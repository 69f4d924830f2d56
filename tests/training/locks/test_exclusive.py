"""Locks, and the leases that take their place where the file system has none."""

from __future__ import annotations

import errno
import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from training.locks import exclusive as module
from training.locks import lease
from training.locks.exclusive import exclusive
from training.locks.lease import leased
from training.run_folder import locked


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have no locks, as Lustre without its option, and leases be quick."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(module.fcntl, "flock", refused)
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.1)
    monkeypatch.setattr(lease, "SETTLING_SECONDS", 0.05)
    module._say.cache_clear()


def test_a_run_is_locked_by_a_lease(no_locks, tmp_path: Path, capsys) -> None:
    with locked(tmp_path):
        assert (tmp_path / ".lock.lease").exists()
        with pytest.raises(ValueError, match="another process is training there"), locked(tmp_path):
            pass
        assert (tmp_path / ".lock.lease").exists()
    assert not (tmp_path / ".lock.lease").exists()
    with locked(tmp_path):
        pass
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{tmp_path}: no locks on this file system (Function not implemented); a lease" in said


def test_other_errors_of_locks_are_not_taken_for_none(tmp_path: Path, monkeypatch) -> None:
    def failed(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module.fcntl, "flock", failed)
    with pytest.raises(OSError, match="Input/output"), exclusive(tmp_path / "lock", wait=True):
        pass
    assert not (tmp_path / "lock.lease").exists()


def held(path: str, ready: object) -> None:
    with leased(Path(path), wait=False):
        ready.set()  # type: ignore[attr-defined]
        time.sleep(60)


def test_the_lease_of_a_killed_process_is_taken_over(no_locks, tmp_path: Path) -> None:
    path = tmp_path / "lease"
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=held, args=(str(path), ready))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(BlockingIOError, match=f"renewed by process {holder.pid} on "):
        leased(path, wait=False).__enter__()
    holder.kill()
    holder.join()
    with leased(path, wait=False):
        assert f"process {holder.pid} " not in path.read_text()


def test_waiting_for_a_lease(no_locks, tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with exclusive(tmp_path / "lock", wait=True):
            order.append("second")

    with exclusive(tmp_path / "lock", wait=True):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.6)  # longer than a lease lasts that is not renewed
        order.append("first")
    other.join(20)
    assert order == ["first", "second"]


def test_a_holder_that_slept_learns_that_it_lost(no_locks, tmp_path: Path) -> None:
    lost: list[str] = []
    path = tmp_path / "lease"
    with leased(path, wait=False, lost=lost.append):
        path.write_bytes(lease._content("process 1 on elsewhere", 7))
        deadline = time.monotonic() + 20
        while not lost and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "taken over by process 1 on elsewhere" in lost[0]
    assert path.exists()
