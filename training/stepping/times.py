"""The time that each process takes for the same work, by which slow ones are known.

The time of a step is the same in all processes, as each waits for the slowest. So a part of a step
is timed in which a process waits for no other: head and loss of every micro-batch. The wait for
data is told apart, because its reasons are others.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.processes import Processes

SLOW_RATIO = 1.2
"""Times the middle process's time for the same work, from which on a process is slow."""

SLOW_WAIT = 0.1
"""Share of the time that a process waits for data, from which on it is slow."""

SLOW_NAMED = 8
"""Most slow processes that are named at once."""


STEPS_QUEUED = 2
"""Most steps that a GPU has not done when the next one is queued."""


class Span(NamedTuple):
    """A piece of work, from one time or event to another."""

    began: Any
    ended: Any
    n_tokens: int


class StepTimes:
    """The times of all processes since they were last told."""

    def __init__(self, head: nn.Module, own: Processes) -> None:
        """Time a module's work from now on. All processes must call this.

        The module is to wait for no other process, and to be given one row for each token.
        """
        self._own = own
        self._on_gpu = own.device.type == "cuda"
        self._spans: list[Span] = []  # of the step under way
        self._steps: deque[list[Span]] = deque()  # of steps before that are not told
        self._worked = [0.0] * own.n_processes
        self._waited = [0.0] * own.n_processes
        self._n_steps, self._began = 0, time.perf_counter()
        self._machines = [""] * own.n_processes
        if own.n_processes == 1:
            return
        dist.all_gather_object(self._machines, socket.gethostname(), own.for_messages)
        began: list[Any] = []
        # Between what gathers weights for the module and what frees them.
        head.register_forward_pre_hook(lambda *_: began.append(self._now()))
        head.register_forward_hook(
            lambda _, given, __: self._add_span(began.pop(), len(given[0])), prepend=True
        )

    def of_step(self, waited: float) -> Tensor:
        """Return this process's times in a step, to be added up over all processes.

        ``waited`` is for data, in seconds. The work is that of the second step before on a GPU,
        which has done it. There is nothing to tell where there is one process.
        """
        n_processes, rank = self._own.n_processes, self._own.rank
        if n_processes == 1:
            return torch.zeros(0, device=self._own.device)
        self._steps.append(self._spans)
        self._spans = []
        done = self._steps.popleft() if len(self._steps) > STEPS_QUEUED * self._on_gpu else []
        seconds = sum(self._seconds(span) for span in done)
        times = torch.zeros(2, n_processes, device=self._own.device)
        times[0, rank].fill_(seconds / max(1, sum(span.n_tokens for span in done)))
        times[1, rank].fill_(waited)
        return times.flatten()

    def add(self, times: Sequence[float]) -> None:
        """Add the times of a step, which :meth:`of_step` returned, added up over all processes."""
        half = len(times) // 2
        for number, (worked, waited) in enumerate(zip(times[:half], times[half:], strict=True)):
            self._worked[number] += worked
            self._waited[number] += waited
        self._n_steps += 1

    def tell(self) -> dict[str, float]:
        """Return the middle and the longest time since the last call, and whose it is.

        The first process names those that are slow.
        """
        now = time.perf_counter()
        seconds, n_steps = now - self._began, max(1, self._n_steps)
        worked, waited = self._worked, self._waited
        self._worked, self._waited = [0.0] * len(worked), [0.0] * len(waited)
        self._n_steps, self._began = 0, now
        if len(worked) == 1:
            return {}
        if self._own.is_first:
            for line in slow_ones(worked, waited, seconds, self._machines):
                print(line, flush=True)
        return {
            "work_us_per_token": 1e6 * statistics.median_low(worked) / n_steps,
            "slowest_work_us_per_token": 1e6 * max(worked) / n_steps,
            "slowest_rank": worked.index(max(worked)),
        }

    def _now(self) -> Any:
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _add_span(self, began: Any, n_tokens: int) -> None:
        if torch.is_grad_enabled():  # validation has other shapes
            self._spans.append(Span(began, self._now(), n_tokens))

    def _seconds(self, span: Span) -> float:
        if not self._on_gpu:
            return float(span.ended - span.began)
        return float(span.began.elapsed_time(span.ended)) / 1e3


def slow_ones(
    worked: Sequence[float], waited: Sequence[float], seconds: float, machines: Sequence[str]
) -> list[str]:
    """Return a line about each slow process, the slowest first, with its rank and machine.

    ``worked`` is the time of every process for the same work, and ``waited`` what it waited for
    data of all the ``seconds``.
    """
    middle = statistics.median_low(worked)
    found = []
    for rank, (work, wait) in enumerate(zip(worked, waited, strict=True)):
        name = f"rank {rank} on {machines[rank]} is slow:"
        if work > SLOW_RATIO * middle > 0:
            ratio = work / middle
            line = f"{name} it takes {ratio:.1f} times as long as most for the same work"
            found.append((ratio / SLOW_RATIO, line))
        if wait > SLOW_WAIT * seconds > 0:
            share = wait / seconds
            found.append((share / SLOW_WAIT, f"{name} it waits for data {share:.0%} of the time"))
    found.sort(key=lambda one: -one[0])
    lines = [line for _, line in found[:SLOW_NAMED]]
    if len(found) > SLOW_NAMED:
        lines.append(f"and {len(found) - SLOW_NAMED} more are slow")
    return lines
