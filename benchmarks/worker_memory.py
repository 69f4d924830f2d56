"""Memory of forked workers: what each has for itself, and what it shares with the others.

    python benchmarks/worker_memory.py [--workers 2] [OPTIONS OF beam_runner.py]

Runs a recipe, the demo by default, and looks at its processes five times a second. *Private* is
memory that no other process has, *resident* all that a process has, shared or not. Each is the
largest value seen of a process. A worker that was started anew would have for itself what the
process that forks shares with it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PAUSE_SECONDS = 0.2


def peaks(command: list[str]) -> dict[int, tuple[str, int, int]]:
    """Run a command; return kind, private and resident bytes of its processes by their ids."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    driver = psutil.Process(process.pid)
    largest: dict[int, tuple[str, int, int]] = {}
    while process.poll() is None:
        with suppress(psutil.Error):  # a process ended while it was being read
            for one in (driver, *driver.children(recursive=True)):
                memory = one.memory_full_info()
                _, private, resident = largest.get(one.pid, ("", 0, 0))
                largest[one.pid] = (
                    kind_of(one, driver), max(private, memory.uss), max(resident, memory.rss)
                )  # fmt: skip
        time.sleep(PAUSE_SECONDS)
    if process.returncode:
        sys.exit("the run failed")
    return largest


def kind_of(process: psutil.Process, driver: psutil.Process) -> str:
    """Name a process by what it does."""
    if process == driver:
        return "driver"
    if "pipeline.runners.zygote" not in " ".join(process.cmdline()):
        return ""
    return "forks workers" if process.ppid() == driver.pid else "worker"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        found = peaks(
            [sys.executable, str(ROOT / "beam_runner.py"), "--workers", str(options.workers),
             "--output", f"{name}/out", *more]
        )  # fmt: skip
    print(f"{'process':<16}{'private MB':>12}{'resident MB':>13}")
    for kind, private, resident in found.values():
        if kind:
            print(f"{kind:<16}{private / 1e6:>12.0f}{resident / 1e6:>13.0f}")


if __name__ == "__main__":
    main()
