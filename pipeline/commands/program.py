"""How the programs end that are not asked to end: a closed pipe, and Ctrl-C."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.output.again import again

INTERRUPTED = 130
"""Exit status after Ctrl-C, as that of any program which SIGINT ends."""

TERMINATED = 143
"""Exit status after SIGTERM, as that of any program which it ends."""

_STATUSES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class _Outlet(io.FileIO):
    """A standard stream. What is written after its reader has gone is lost, and is no error."""

    def write(self, data: Any, /) -> int:
        """Write bytes, into nothing where nobody reads them any more."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            return super().write(data)


def survive_closed_pipes() -> None:
    """Let the program go on, and keep its exit status, where ``| head`` has read enough of it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):  # of a test, or closed
            continue
        stream.flush()
        raw = _Outlet(stream.fileno(), "w", closefd=False)
        wrapped = io.TextIOWrapper(
            io.BufferedWriter(raw), stream.encoding, stream.errors,
            line_buffering=name == "stderr" or stream.isatty(),
        )  # fmt: skip
        setattr(sys, name, wrapped)


@contextmanager
def noted_interrupts(*, also_sigterm: bool = False) -> Iterator[Callable[[], int]]:
    """Tell within the block, by the function that is given, the exit status that Ctrl-C calls for.

    It is 0 until Ctrl-C is pressed. That raises KeyboardInterrupt as ever, of which Beam makes an
    error like others. Pressed again, it ends the program at once: what it leaves is what a kill
    leaves, from which a run goes on too. With ``also_sigterm``, SIGTERM counts as Ctrl-C does.
    """
    statuses: list[int] = []

    def note(number: int, _: object) -> None:
        statuses.append(_STATUSES[signal.Signals(number)])
        if len(statuses) > 1:
            os._exit(statuses[0])
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield lambda: 0
        return
    signals = (signal.SIGINT, signal.SIGTERM) if also_sigterm else (signal.SIGINT,)
    before = {number: signal.signal(number, note) for number in signals}
    try:
        yield lambda: statuses[0] if statuses else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted(
    arguments: Sequence[str] | None, *, goes_on: bool, status: int = INTERRUPTED
) -> int:
    """Say that the program was stopped, and what goes on from there; return the exit status.

    ``arguments`` are those of the program, None for those of the command line.
    """
    line = f"stopped; to go on from here: {again(arguments)}" if goes_on else "stopped"
    print(line, file=sys.stderr, flush=True)
    return status
