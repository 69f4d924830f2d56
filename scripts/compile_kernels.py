"""Compiles the kernels ahead of the first run, for this machine's processor, as set-up does.

numba keeps what it compiles beside the modules, and compiles anew for another processor, so the
files are not shipped. Two runs over the bundled samples share the work, side by side.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HALVES = ("commoncrawl,c4,github", "commoncrawl_warc,wikipedia,books,arxiv,stackexchange")


def main() -> int:
    """Run both halves of the demo into a folder that goes away; return whether one failed."""
    with tempfile.TemporaryDirectory() as folder:
        started = [
            subprocess.Popen(
                [sys.executable, str(ROOT / "beam_runner.py"), "--workers", "1", "--no_report",
                 "--sources", sources, "--output", f"{folder}/{number}"],
                cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for number, sources in enumerate(HALVES)
        ]  # fmt: skip
        return max(process.wait() != 0 for process in started)


if __name__ == "__main__":
    sys.exit(main())
