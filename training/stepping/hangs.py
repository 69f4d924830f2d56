"""The end of a process that hangs, which says where it stood."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STACKS_NAME = "stacks"

HANG_SECONDS = 1800
"""Default time without a step after which a process hangs. A step on few devices takes minutes."""


@contextmanager
def ended_if_hung(seconds: int, run: Path, rank: int) -> Iterator[Callable[[], None]]:
    """Yield a function that is to be called whenever the process gets on.

    If it is not called for ``seconds``, the stacks of all threads are written to
    ``stacks/rank-N.txt`` in the run's folder, and the process ends with status 1, whatever it waits
    for. With 0 it may wait for ever. What an earlier run wrote there is kept.
    """
    if not seconds:
        yield lambda: None
        return
    path = run / STACKS_NAME / f"rank-{rank}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:

        def gets_on() -> None:
            # It is a thread without Python's lock that waits, and each call begins its time anew.
            faulthandler.dump_traceback_later(seconds, file=file, exit=True)

        gets_on()
        try:
            yield gets_on
        finally:
            faulthandler.cancel_dump_traceback_later()
            if not path.stat().st_size:
                path.unlink()
