"""Leases: files that stand for locks where the file system has none.

The holder of a lease renews its file every few seconds. Another process that finds the file watches
it for some renewals, by its own clock: if it changes, it is held; if not, its holder is gone, and
the lease is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

RENEWAL_SECONDS = 10.0
"""Time from one renewal to the next."""

RENEWALS_MISSED = 3
"""Renewals after which a lease that does not change is taken over."""

SETTLING_SECONDS = 2.0
"""Time after which a taker looks whether another one took the same lease."""


@contextmanager
def leased(path: Path, *, wait: bool, lost: Callable[[str], Any] | None = None) -> Iterator[None]:
    """Hold the lease of a file, and renew it.

    Raises BlockingIOError where another process holds it, unless it is to ``wait`` for that. A
    holder that was asleep for too long may lose its lease. Then ``lost`` is called with a line that
    says so; by default this process ends at once, because another one does its work.
    """
    own = f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4().hex}"
    while not _taken(path, own):
        if not wait:
            raise BlockingIOError(f"{path}: renewed by {_holder(path)}")
    ended = Event()
    renewer = Thread(target=_renew, args=(path, own, ended, lost or _end), daemon=True)
    renewer.start()
    try:
        yield
    finally:
        ended.set()
        renewer.join()
        if _holder(path) == own:
            path.unlink()


def _taken(path: Path, own: str) -> bool:
    """Try to take a lease. Where there is one, this takes as long as it may be unchanged."""
    there = _read(path)
    try:
        if there is None:
            with path.open("xb") as file:
                file.write(_content(own, 0))
        elif _is_renewed(path, there):
            return False
        else:
            _write(path, own, 0)
    except FileExistsError:
        return False
    sleep(SETTLING_SECONDS)
    return _holder(path) == own


def _is_renewed(path: Path, there: bytes) -> bool:
    deadline = monotonic() + RENEWALS_MISSED * RENEWAL_SECONDS
    while monotonic() < deadline:
        sleep(RENEWAL_SECONDS / 10)
        now = _read(path)
        if now is None:
            return False
        if now != there:
            return True
    return False


def _renew(path: Path, own: str, ended: Event, lost: Callable[[str], Any]) -> None:
    count = 0
    while not ended.wait(RENEWAL_SECONDS):
        if (holder := _holder(path)) != own:
            lost(f"{path}: taken over by {holder}, as this process had not renewed it for too long")
            return
        count += 1
        _write(path, own, count)


def _end(line: str) -> None:
    print(f"error: {line}", file=sys.stderr, flush=True)
    os._exit(1)


def _content(holder: str, count: int) -> bytes:
    return json.dumps({"holder": holder, "renewals": count}).encode()


def _write(path: Path, holder: str, count: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(_content(holder, count))
    temporary.replace(path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _holder(path: Path) -> str | None:
    try:
        return str(json.loads(_read(path) or b"")["holder"])
    except ValueError:
        return None
