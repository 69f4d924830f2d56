"""A side of a comparison: a command that is timed as a whole, from its start to its result."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = "here"


@dataclass(frozen=True)
class Side:
    """A system at its work; ``command`` takes the input's folder and a fresh output folder."""

    name: str
    command: Callable[[Path, Path], list[str]]
    read: Callable[[Path], dict[str, Any]]  # from the output folder to what came out


@dataclass
class Timed:
    """What was measured of a side: seconds of every repeat, and what came out of the last."""

    name: str
    seconds: list[float] = field(default_factory=list)
    core_seconds: list[float] = field(default_factory=list)
    start: float | None = None  # seconds of the command over next to nothing
    found: dict[str, Any] = field(default_factory=dict)

    def median(self) -> float:
        """Return the median of the repeats."""
        return statistics.median(self.seconds)

    def figures(self) -> dict[str, Any]:
        """Return all but what came out, with the median."""
        made = {**asdict(self), "median": self.median()}
        del made["found"]
        return made


@dataclass(frozen=True)
class Bench:
    """Where and how often sides are run."""

    scratch: Path
    repeats: int
    with_starts: bool = True
    warmed: set[tuple[str, Path]] = field(default_factory=set)  # what has compiled all it has to

    def run(self, side: Side, source: Path, cores: int) -> tuple[float, float, dict[str, Any]]:
        """Run a side on the first so many cores; returns its seconds, processor time and result.

        Raises RuntimeError with the end of what it said where it fails.
        """
        output = self.scratch / "output"
        shutil.rmtree(output, ignore_errors=True)
        allowed = sorted(os.sched_getaffinity(0))[:cores]
        environment = {**os.environ, "HF_ASSETS_CACHE": str(self.scratch / "assets"),
                       "HF_HUB_OFFLINE": "1", "PEERS_STARTED": str(time.time())}  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        with (self.scratch / "said.txt").open("wb") as said:
            code = subprocess.run(
                side.command(source, output), stdout=said, stderr=said, env=environment,
                cwd=self.scratch, check=False,
                preexec_fn=lambda: os.sched_setaffinity(0, allowed),
            ).returncode  # fmt: skip
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if code:
            last = (self.scratch / "said.txt").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{side.name} ended with {code}:\n{last}")
        core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, core, side.read(output)

    def compare(self, sides: Sequence[Side], source: Path, cores: int, tiny: Path) -> list[Timed]:
        """Run sides in turn, round after round, so that what slows the machine slows all.

        First of all each goes over ``tiny``, an input of one page, which compiles what there is to
        compile, where it has not before. Every round times it over ``tiny`` again, as its start.
        """
        timed = [Timed(side.name) for side in sides]
        starts: list[list[float]] = [[] for _ in sides]
        for side in sides:
            if self.with_starts and (side.name, tiny) not in self.warmed:
                self.run(side, tiny, cores)
                self.warmed.add((side.name, tiny))
        for round_number in range(self.repeats):
            for one, side, began in zip(timed, sides, starts, strict=True):
                if self.with_starts:
                    began.append(self.run(side, tiny, cores)[0])
                    one.start = statistics.median(began)
                seconds, core, one.found = self.run(side, source, cores)
                one.seconds.append(seconds)
                one.core_seconds.append(core)
                print(f"  {one.name}, {cores} core, round {round_number + 1}: {seconds:.1f} s",
                      file=sys.stderr)  # fmt: skip
        return timed


def beam_runner(
    recipe: Path, settings: dict[str, Any], *, source: str, cores: int
) -> Callable[[Path, Path], list[str]]:
    """Return what makes the command of a run here; the input is the recipe's ``data``."""

    def command(data: Path, output: Path) -> list[str]:
        given = {"data": data, **settings}
        sets = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
        return [
            sys.executable, str(ROOT / "beam_runner.py"), "--runner=DirectRunner", "--workers",
            str(cores), "--recipe", str(recipe), "--sources", source, "--output", str(output),
            "--no_report", *sets,
        ]  # fmt: skip

    return command


def read_done(output: Path) -> dict[str, Any]:
    """Read what a side's program says that it has done."""
    return dict(json.loads((output / "done.json").read_text()))
