"""What several benchmarks measure on and with: the text of the WET pages, and processor time."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.plain.web_path import read_pages

ROUNDS = 3


def samples_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows where the real samples are; ``doc`` begins with what it is for."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    for name in ("data", "models"):
        parser.add_argument(f"--{name}", type=Path, default=ROOT.parent / "shared" / name)
    return parser


def check_samples(options: argparse.Namespace) -> None:
    """End the command, in a line, where there are no samples."""
    if not options.data.is_dir() or not options.models.is_dir():
        sys.exit(f"needs the real samples in {options.data} and models in {options.models}")


def best_seconds(function: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the least processor time of several calls: the one least disturbed by other work."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def best_seconds_in_turns(
    first: Callable[[], Any], second: Callable[[], Any], rounds: int = ROUNDS
) -> tuple[float, float]:
    """Return the same of two functions that take turns, as what disturbs them changes."""
    times = [[best_seconds(function, 1) for function in (first, second)] for _ in range(rounds)]
    return min(one for one, _ in times), min(other for _, other in times)


def wet_files(data: Path) -> list[Path]:
    """Return the WET files of the samples."""
    return sorted((data / "commoncrawl" / "wet").rglob("*.wet.gz"))


def wet_texts(data: Path) -> list[str]:
    """Return the texts of all their pages."""
    return ["\n".join(page.lines) for path in wet_files(data) for page in read_pages(path, "wet")]
