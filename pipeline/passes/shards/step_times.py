"""Times that the steps take, in seconds of processor and of clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from transforms.documents import text_buffers

SECONDS = ("processor_seconds", "elapsed_seconds", "first_processor_seconds")
"""What is measured of a step; the last is of its first use in a process, and in the first as well.

A step loads its model when it is first used.
"""

_used: set[str] = set()
"""Steps that this process has used."""


class StepTimes:
    """Times of the steps, taken by laps: each lap ends the time of the step that it names."""

    def __init__(self) -> None:
        self._steps: dict[str, dict[str, Any]] = {}
        self.restart()

    def restart(self) -> None:
        """Begin a lap; the time since the last one counts for no step."""
        self._processor, self._elapsed = time.thread_time(), time.perf_counter()

    def lap(self, step: str, batch: pa.RecordBatch | None = None) -> None:
        """End a lap of a step, which has worked on a batch."""
        processor, elapsed = time.thread_time(), time.perf_counter()
        times = self._of(step)
        times["processor_seconds"] += processor - self._processor
        times["elapsed_seconds"] += elapsed - self._elapsed
        if step not in _used:
            _used.add(step)
            times["first_processor_seconds"] += processor - self._processor
        if batch is not None:
            _, offsets = text_buffers(batch["text"])
            times["calls"] += 1
            times["text_bytes"] += int(offsets[-1] - offsets[0])
        self._processor, self._elapsed = processor, elapsed

    def add(self, earlier: Iterable[Mapping[str, Any]]) -> None:
        """Add the seconds of rows that were measured before; what is counted in them is not."""
        for row in earlier:
            for name in SECONDS:
                self._of(row["step"])[name] += row.get(name, 0.0)

    def rows(self) -> list[dict[str, Any]]:
        """Return the steps in the order in which they came first."""
        return [{"step": step, **times} for step, times in self._steps.items()]

    def _of(self, step: str) -> dict[str, Any]:
        nothing = {"calls": 0, "text_bytes": 0, **dict.fromkeys(SECONDS, 0.0)}
        return self._steps.setdefault(step, nothing)
