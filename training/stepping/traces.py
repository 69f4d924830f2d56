"""Traces of some steps by PyTorch's profiler, one file for each process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

TRACES_NAME = "profile"
FIRST_STEPS = 10
"""Steps before the traced ones, in which kernels are compiled and memory is allocated."""


@contextmanager
def traced(steps: int, run: Path, rank: int) -> Iterator[Callable[[], None]]:
    """Yield a function that is to be called after each step.

    The ``steps`` after the first ten are traced to ``profile/rank-N.json.gz`` in the run's folder,
    which Perfetto and chrome://tracing show. A block that ends before them leaves no trace.
    """
    if not steps:
        yield lambda: None
        return
    folder = run / TRACES_NAME
    folder.mkdir(parents=True, exist_ok=True)
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with profile(
        activities=activities,
        # A step ahead of the traced ones starts the profiler, which takes a while.
        schedule=schedule(wait=FIRST_STEPS - 1, warmup=1, active=steps, repeat=1),
        on_trace_ready=lambda done: done.export_chrome_trace(str(folder / f"rank-{rank}.json.gz")),
    ) as profiler:
        yield profiler.step
