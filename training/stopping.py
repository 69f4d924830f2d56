"""Requests to stop a run, by a signal or Ctrl-C, and processes that they must not reach."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

REQUESTS = {signal.SIGTERM: "SIGTERM", signal.SIGUSR1: "SIGUSR1", signal.SIGINT: "Ctrl-C"}
"""The signals that ask a run to stop with a checkpoint, and what they are called. Schedulers send
SIGUSR1 some time before they end a job."""


class StopRequest:
    """The first request to stop that came, if one did."""

    def __init__(self) -> None:
        self.first: int | None = None

    @property
    def name(self) -> str:
        """What it is called. Where another process was asked, it is taken for the usual signal."""
        return REQUESTS[signal.Signals(self.first or signal.SIGTERM)]

    @property
    def by_ctrl_c(self) -> bool:
        """Whether it was Ctrl-C."""
        return self.first == signal.SIGINT


@contextmanager
def stop_requests(function: Callable[[], None], *, alone: bool) -> Iterator[StopRequest]:
    """Call a function when the process is asked to stop, instead of ending it.

    ``alone`` means that torchrun did not start the process. Then a second Ctrl-C ends it at once.
    Otherwise every Ctrl-C comes twice, from the terminal and from torchrun.
    """
    request = StopRequest()

    def asked(number: int, frame: FrameType | None) -> None:
        request.first = request.first or number
        if number == signal.SIGINT and alone:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        function()

    before = {number: signal.signal(number, asked) for number in REQUESTS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def requests_held() -> Iterator[None]:
    """Hold requests to stop back until the end of the block.

    Processes that are started within it never see them. A terminal, torchrun and schedulers ask
    all processes of a run at once, and those that read ahead must outlive the last checkpoint.
    They end with the process that started them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
