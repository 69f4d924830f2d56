"""Requests to stop a run, by SIGTERM or Ctrl-C, and processes that they must not reach."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

REQUESTS = (signal.SIGTERM, signal.SIGINT)
"""The signals that ask a run to stop with a checkpoint."""


class StopRequest:
    """The first request to stop that came, if one did."""

    def __init__(self) -> None:
        self.by_ctrl_c = False


@contextmanager
def stop_requests(function: Callable[[], None], *, alone: bool) -> Iterator[StopRequest]:
    """Call a function when the process is asked to stop, instead of ending it.

    ``alone`` means that torchrun did not start the process. Then a second Ctrl-C ends it at once.
    Otherwise every Ctrl-C comes twice, from the terminal and from torchrun.
    """
    request = StopRequest()

    def asked(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            request.by_ctrl_c = True
            if alone:
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
