"""A program that kills runs at random, and prints the outcome of each:

    python -m tests.faults.random_kills --kills 50 --seed 1

Every case has a line: the number of kills so far, the seed that repeats the case (as far as the
machine's speed allows), the victim and the pass, the number of times that the command was given
again, and whether every file equals that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from tests.conftest import SHARED
from tests.faults.kills import (
    CLUSTER_RUNNERS,
    RUNNERS,
    TABLE_HEAD,
    case_of,
    remove_run,
    table_line,
    try_case,
    undisturbed,
    whole_command,
)
from tests.faults.runs import Run, copy_inputs
from tests.faults.warm import WarmCommand
from tests.support.spark_cluster import spark_cluster


def warm(run: Run, environment: dict[str, str]) -> WarmCommand:
    """Start the command in a fork of this process."""
    return WarmCommand(run.arguments(), environment, run.output.with_suffix(".log"))


def main() -> int:
    """Run the program; return 1 where a run has a problem."""
    parser = argparse.ArgumentParser(prog="tests.faults.random_kills")
    parser.add_argument("--kills", type=int, default=50, help="stop after so many (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="of the first case (default: 1)")
    parser.add_argument("--runners", default=",".join(RUNNERS), help="to draw from (default: all)")
    options = parser.parse_args()
    runners = tuple(options.runners.split(","))
    failed = kills = 0
    with (
        tempfile.TemporaryDirectory(prefix="random-kills-") as name,
        spark_cluster(Path(name, "cluster"))
        if set(CLUSTER_RUNNERS) & set(runners)
        else nullcontext() as cluster,
    ):
        folder = Path(name)
        run = Run(folder / "undisturbed", copy_inputs(SHARED / "data", folder / "data"),
                  SHARED / "models", workers=1)  # fmt: skip
        expected = undisturbed(run, warm)
        print(TABLE_HEAD, flush=True)
        seed = options.seed
        while kills < options.kills:
            case = case_of(seed, runners)
            this = run._replace(output=folder / f"seed-{seed}")
            # A fork does not end the Java processes that it started, as a whole command does.
            start = whole_command if RUNNERS[case.runner].name == "SparkRunner" else warm
            mine = cluster if case.runner in CLUSTER_RUNNERS else None
            outcome = try_case(case, this, expected, start, mine)
            kills += len(outcome.killed)
            failed += bool(outcome.problems)
            print(table_line(kills, outcome), flush=True)
            remove_run(this)
            seed += 1
    print(f"\n{kills} kills in {seed - options.seed} runs, {failed} runs not as undisturbed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
