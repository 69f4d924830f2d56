"""How the work of a function grows with its input, told apart from how fast a machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 2
SLACK = 3
"""How many times more than in proportion the work may grow: far less than with the square."""


def assert_linear(work: Callable[[int], object], size: int, *, times: int = 8) -> None:
    """Check that ``work(times * size)`` takes about ``times`` the processor time of ``work(size)``.

    One round in proportion is enough, for what else a machine does slows work down and never speeds
    it up. ``work(size)`` should take a millisecond or more.
    """
    growth = min(_growths(work, size, times))
    assert growth <= SLACK * times, f"{growth:.0f} times the time for {times} times the size"


def _growths(work: Callable[[int], object], size: int, times: int) -> list[float]:
    """Measure rounds until one of them is in proportion."""
    growths: list[float] = []
    while len(growths) < ROUNDS and min(growths, default=float("inf")) > SLACK * times:
        of_small, of_large = _seconds(work, size), _seconds(work, times * size)
        growths.append(of_large / max(of_small, 1e-3))
    return growths


def _seconds(work: Callable[[int], object], size: int) -> float:
    begin = time.process_time()
    work(size)
    return time.process_time() - begin
