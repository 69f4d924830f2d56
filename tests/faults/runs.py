"""The run that faults are tried on: its inputs, its command, and the pass that it is in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support.runs import ROOT

FILES = {
    "commoncrawl": [
        "commoncrawl/wet/goose3.warc.wet.gz",
        "commoncrawl/wet/newspaper4k.warc.wet.gz",
    ],
    "books": [
        *(f"books/pg11-{edition}.txt" for edition in ("11-0", "11", "old_alice30")),
        *(f"books/pg20170-{edition}.txt" for edition in ("20170-8", "20170")),
    ],
    "stackexchange": [
        "stackexchange/datascience.meta.stackexchange.com_2017-03/Posts.xml",
        "stackexchange/datascience.meta.stackexchange.com_2022-06_a/Posts.xml",
    ],
}
"""Input files: real samples with posts to join, repeated lines, similar books, equal documents."""

PASSES = (
    "join",
    "first pass",
    "near-duplicates, sketches",
    "near-duplicates, comparison",
    "second pass",
    "mix",
)
"""The passes of a run, in the order in which their files appear."""


def copy_inputs(shared_data: Path, folder: Path) -> Path:
    """Copy the inputs to a folder with one folder a source; return it."""
    for source, names in FILES.items():
        for name in names:
            target = folder / source / "-".join(Path(name).parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shared_data / name, target)
    return folder


class Run(NamedTuple):
    """A run, whose command is given until it is complete."""

    output: Path
    data: Path
    models: Path
    runner: str = "DirectRunner"
    workers: int = 2
    more: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the command's arguments."""
        return [
            f"--runner={self.runner}",
            "--workers", str(self.workers), "--recipe", str(ROOT / "tests/faults/recipe.yaml"),
            "--set", f"data={self.data}", "--set", f"models={self.models}",
            "--output", str(self.output), *self.more,
        ]  # fmt: skip

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "beam_runner", *self.arguments()],
            cwd=ROOT, text=True, start_new_session=True, env={**os.environ, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def errors(printed: str) -> list[str]:
    """Return the lines that a command printed, without those of its progress and summary."""
    return [line for line in printed.splitlines() if line.startswith("error:")]


def current_pass(output: Path) -> str:
    """Return the pass that a run is in, by the files that it has written; "" before the first."""
    if (output / "manifest.json").exists() or not (output / "plan.jsonl").exists():
        return ""
    splits: dict[str, set[int]] = {}
    shards = set()
    with (output / "plan.jsonl").open() as file:
        for line in file:
            split = json.loads(line)
            if split["holds"] == "documents":
                splits.setdefault(split["source"], set()).add(split["split"])
                shards.add((split["source"], split["shard"]))
    if len(list(output.glob("ledger/*/*.json"))) == len(shards):
        return "mix"
    if len(list(output.glob("decisions/*/*.bits"))) == sum(map(len, splits.values())):
        return "second pass"
    sketches = len(list(output.glob("work/fingerprints/books/**/*.sketch")))
    if sketches:
        part = "sketches" if sketches < len(splits["books"]) else "comparison"
        return f"near-duplicates, {part}"
    if any(output.glob("work/progress/fingerprint-*")):
        return "first pass"
    return "join" if any(output.glob("work/progress/join-*")) else ""
