"""Peak memory of the worker processes of a run of the samples' recipe."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def worker_peak_mb(source: str, data: Path, models: Path, output: Path) -> float:
    """Run a source with two worker processes; return the largest resident size that one reached.

    Raises RuntimeError where the run fails.
    """
    command = [
        sys.executable, str(ROOT / "beam_runner.py"), "--workers", "2", "--sources", source,
        "--recipe", str(ROOT / "recipes" / "samples.yaml"), "--output", str(output),
        "--set", f"data={data}", "--set", f"models={models}",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        try:
            for child in psutil.Process(process.pid).children(recursive=True):
                peak = max(peak, child.memory_info().rss)
        except psutil.Error:
            pass  # it ended while being looked at
        time.sleep(0.05)
    if process.returncode:
        assert process.stderr is not None
        raise RuntimeError(process.stderr.read().decode()[-500:])
    return peak / 1e6
