"""Python's garbage collection at the same steps in all processes.

A process that collects keeps all others waiting. Left to itself, each one collects at a time of its
own, and with many processes there is always one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collected_every(steps: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is to be called after each step, and collects after every ``steps``.

    Within the block nothing else collects. With 0, Python collects when it likes.
    """
    was_enabled = gc.isenabled()
    if steps:
        gc.collect()
        gc.disable()

    def after(step: int) -> None:
        if steps and step % steps == 0:
            gc.collect()

    try:
        yield after
    finally:
        if was_enabled:
            gc.enable()
