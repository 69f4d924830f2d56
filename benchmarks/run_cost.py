"""The cost of a run of the samples' recipe: time, processor time, memory of its processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from pipeline.commands.runs.run import NOTHING_KEPT

ROOT = Path(__file__).resolve().parents[1]


class RunCost(NamedTuple):
    """Measurements of a run. Memory is resident memory of the largest process of a kind, in MB."""

    seconds: float
    core_seconds: float  # processor time of all processes together
    worker_peak_mb: float
    driver_peak_mb: float
    java_peak_mb: float  # Spark's virtual machine; 0 without one


def run_cost(
    source: str, data: Path, models: Path, output: Path, *, runner: str = "DirectRunner",
    workers: int = 2, settings: dict[str, str] | None = None,
    recipe: Path = ROOT / "recipes" / "samples.yaml",
) -> RunCost:  # fmt: skip
    """Run a source with some worker processes, and measure it. ``settings`` override recipe values.

    Raises RuntimeError where the run fails.
    """
    command = [
        sys.executable, str(ROOT / "beam_runner.py"), f"--runner={runner}",
        "--workers", str(workers),
        "--sources", source, "--recipe", str(recipe),
        "--output", str(output), "--set", f"data={data}", "--set", f"models={models}",
        *(word for name, text in (settings or {}).items() for word in ("--set", f"{name}={text}")),
    ]  # fmt: skip
    return cost_of(command)


def cost_of(command: list[str]) -> RunCost:
    """Run a command, and measure it whole. Raises RuntimeError where it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as errors:  # a pipe that nobody reads would fill
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        core_seconds, peaks = _watch(process)
        if process.returncode not in (0, NOTHING_KEPT):
            errors.seek(0)
            raise RuntimeError(errors.read().decode()[-500:])
    return RunCost(
        time.monotonic() - started,
        core_seconds,
        *(peaks[kind] / 1e6 for kind in ("worker", "driver", "java")),
    )


def _watch(process: subprocess.Popen[bytes]) -> tuple[float, dict[str, int]]:
    """Watch a process and its children until it ends.

    Returns the processor time in seconds, and the largest memory in bytes by kind of process.
    """
    driver = psutil.Process(process.pid)
    core_seconds: dict[int, float] = {}
    peaks = {"worker": 0, "driver": 0, "java": 0}
    while process.poll() is None:
        try:
            for member in (driver, *driver.children(recursive=True)):
                with member.oneshot():
                    times, name = member.cpu_times(), member.name()
                    memory = member.memory_info().rss
                kind = "driver" if member == driver else "java" if name == "java" else "worker"
                peaks[kind] = max(peaks[kind], memory)
                core_seconds[member.pid] = times.user + times.system
        except psutil.Error:
            pass  # a process ended while it was being read
        time.sleep(0.05)
    return sum(core_seconds.values()), peaks
