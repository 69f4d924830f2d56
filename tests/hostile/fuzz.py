"""A fuzzer of all readers: ``python -m tests.hostile.fuzz --files 10000``.

A seed determines each mutated file. A file that breaks a promise is kept, with its seed, its
mutations, and the command that reads it again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.hostile.harness import Harness, Outcome
from tests.hostile.mutations import Mutant, mutant


class Failure(NamedTuple):
    """A file that broke a promise."""

    seed: int
    made: Mutant
    error: str
    kept: Path

    def __str__(self) -> str:
        again = f"python -m tests.hostile.fuzz --seed {self.seed} --reader {self.made.reader}"
        head = f"seed {self.seed}, {self.made.reader}: {self.made.story}"
        return f"{head}\n  kept as {self.kept}; again by: {again}\n{self.error}"


class Totals:
    """Counts over the files that were read."""

    def __init__(self) -> None:
        self.files = self.documents_in = self.documents_out = 0
        self.slowest = (0.0, -1)
        self.largest = (0, -1)
        self.seconds = 0.0

    def add(self, seed: int, outcome: Outcome) -> None:
        """Count a file."""
        self.files += 1
        self.documents_in += outcome.counts.get("in", 0)
        self.documents_out += outcome.counts.get("out", 0)
        self.seconds += outcome.seconds
        self.slowest = max(self.slowest, (outcome.seconds, seed))
        self.largest = max(self.largest, (outcome.memory_bytes, seed))

    def __str__(self) -> str:
        return (
            f"{self.files} files, {self.documents_in} rows in, {self.documents_out} documents out, "
            f"{self.seconds:.0f} s of processor time; slowest {self.slowest[0]:.1f} s (seed "
            f"{self.slowest[1]}), most memory {self.largest[0] >> 20} MB (seed {self.largest[1]})"
        )


def fuzz(seeds: range, reader: str | None, keep: Path, totals: Totals) -> Iterator[Failure]:
    """Read the files of seeds, by all readers in turn or by one; yield those that fail."""
    with Harness() as harness:
        for seed in seeds:
            made = mutant(seed, reader)
            small = seed // 10 % 3 == 0
            outcome = harness.run(made.reader, made.name, made.data, small=small)
            totals.add(seed, outcome)
            if outcome.error:
                kept = keep / f"seed{seed}-{made.reader}-{Path(made.name).name}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(made.data)
                yield Failure(seed, made, outcome.error, kept)


def main() -> int:
    """Run from the command line; return 1 where a file failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000, help="how many files (1000)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one (0)")
    parser.add_argument("--seed", type=int, help="read the file of this seed alone")
    parser.add_argument("--reader", help="read all files by this reader; all in turn otherwise")
    parser.add_argument(
        "--keep", type=Path, default=Path("out/hostile"), help="for files that fail"
    )
    given = parser.parse_args()
    first, count = (given.first, given.files) if given.seed is None else (given.seed, 1)
    totals, failures = Totals(), 0
    begin = time.monotonic()
    for failure in fuzz(range(first, first + count), given.reader, given.keep, totals):
        failures += 1
        print(failure, flush=True)
    print(
        f"seeds {first} to {first + count - 1}: {totals}; {time.monotonic() - begin:.0f} s in all"
    )
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
