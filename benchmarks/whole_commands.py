"""Whole commands, from start to end: one worker and two, the demo, help, and a misspelt key.

    python benchmarks/whole_commands.py [--sizes 16 64] [--rounds 3] [--json FILE]

The runs are those of ``benchmarks/scale.py``: N copies of the WET samples, in which lines are as
often repeated as in one, through ``recipes/samples.yaml``. Runs with one worker and with two take
turns. What is told is the median, with the range; processor time is that of all processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import samples_parser
from benchmarks.run_cost import cost_of, run_cost
from benchmarks.scale_inputs import SOURCE, make_wet

RUNNER = [sys.executable, str(ROOT / "beam_runner.py")]

Seconds = tuple[float, float]
"""Elapsed time, and processor time."""


def run_seconds(data: Path, models: Path, workers: int) -> Seconds:
    """Run the WET source once."""
    with tempfile.TemporaryDirectory() as name:
        cost = run_cost(SOURCE, data, models, Path(name) / "output", workers=workers)
    return cost.seconds, cost.core_seconds


def demo_seconds(*options: str) -> Seconds:
    """Run the bundled samples once."""
    with tempfile.TemporaryDirectory() as name:
        cost = cost_of([*RUNNER, "--output", f"{name}/out", *options])
    return cost.seconds, cost.core_seconds


def message_seconds(*options: str) -> Seconds:
    """Run a command that says something and ends."""
    started = time.monotonic()
    subprocess.run([*RUNNER, *options], capture_output=True, check=False)
    elapsed = time.monotonic() - started
    return elapsed, elapsed


def commands(folders: dict[int, Path], models: Path) -> dict[str, Callable[[], Seconds]]:
    """Return what is timed, by name. ``folders`` hold the input of each size."""
    runs = {
        f"{size}x, {workers} worker{'s' * (workers > 1)}": lambda folder=folder, n=workers: (
            run_seconds(folder, models, n)
        )
        for size, folder in folders.items()
        for workers in (1, 2)
    }
    return {
        "--help": lambda: message_seconds("--help"),
        "a misspelt key": lambda: message_seconds("--set", "token_budgt=1"),
        "demo": demo_seconds,
        "demo, 1 worker": lambda: demo_seconds("--workers", "1"),
        **runs,
    }


def told(values: list[float]) -> str:
    """Return the median and the range."""
    return f"{median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def main() -> None:
    """Measure, round after round, and print a table."""
    parser = samples_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write the figures to a file as well")  # fmt: skip
    options = parser.parse_args()
    if options.sizes and not options.data.is_dir():
        sys.exit(f"needs the real samples in {options.data}; --sizes alone leaves them out")
    demo_seconds("--workers", "1")  # which compiles the kernels
    with tempfile.TemporaryDirectory() as name:
        folders = {size: Path(name) / str(size) for size in options.sizes}
        for size, folder in folders.items():
            make_wet(options.data.resolve(), size, folder)
        timed = commands(folders, options.models.resolve())
        rounds = [
            {what: time_it() for what, time_it in timed.items()} for _ in range(options.rounds)
        ]
    print("| command | s | processor, s |\n| --- | --- | --- |")
    for what in timed:
        elapsed, processor = zip(*(one[what] for one in rounds), strict=True)
        print(f"| {what} | {told(list(elapsed))} | {told(list(processor))} |")
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=1) + "\n")


if __name__ == "__main__":
    main()
