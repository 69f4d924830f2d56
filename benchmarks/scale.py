"""Growth: the web path over 1x, 4x and 16x of the real WET pages, with two workers.

    python benchmarks/scale.py [--sizes 1 4 16] [--runner DirectRunner] [--write FILE]
    python benchmarks/scale.py --paper     what the figures written to FILE make of five dumps

At a size of N the pages stand in N copies of every file, each under its own name, so with ids of
their own. Deduplication has its real share at every size: a line that stands in several pages of
the samples stays as it is in all copies, so it is as much a duplicate as it was, and N times as
frequent, as the web's boilerplate is; every other line gets a word at its end that is the copy's
own (the first copy's as well, so all copies are of one size), and stays as unique as it was.

Time is of the whole command, both passes, tokens written; time a megabyte is what a size takes
beyond the next smaller one (0x is a run over one page), so starts are in none. Bytes that are
shuffled are those that the first pass emits, counted.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import platform
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

logging.basicConfig(level=logging.ERROR)

import apache_beam as beam
from apache_beam.coders import registry

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.run_cost import run_cost
from benchmarks.scale_on_paper import print_paper, with_changes
from benchmarks.web_path import MIN_CHARS, in_memory, make_recipe, wet_record
from pipeline.files.storage import list_names
from pipeline.inspection.manifest import statistics
from pipeline.output.decisions import read_decisions
from pipeline.output.layout import read_plan
from pipeline.passes.fingerprint import DecidePartition, FingerprintSplit
from pipeline.passes.first_passes import waves
from pipeline.passes.rounds import PartitionKey, RoundSplits
from pipeline.recipe.recipe import Recipe
from tests.support import plain_web_path as plain

SOURCE = "commoncrawl"
FIGURES = ROOT / "benchmarks" / "scale.json"


@dataclass(frozen=True)
class Input:
    """What was made as input."""

    files: int
    stored_bytes: int  # gzip, a member a page, as CommonCrawl has it
    text_bytes: int


@dataclass(frozen=True)
class Figures:
    """What was measured at one size."""

    size: int  # copies of the samples; 0 is one page
    files: int
    stored_bytes: int
    text_bytes: int
    pages: int
    seconds: float
    core_seconds: float
    worker_peak_mb: float
    driver_peak_mb: float
    java_peak_mb: float
    line_shuffle_bytes: int  # fingerprints, by range of the hash
    decision_shuffle_bytes: int  # what was decided, by split
    lines: int
    lines_removed: int
    tokens: int


def make_input(data: Path, copies: int, folder: Path) -> Input:
    """Write ``copies`` of every WET file as the module says; none stand for a file of one page."""
    target = folder / SOURCE / "wet"
    target.mkdir(parents=True)
    if not copies:
        page = gzip.compress(wet_record(b"title\n" + b"Some words of a page.\n" * 99))
        (target / "one.warc.wet.gz").write_bytes(page)
        return Input(1, len(page), 22 * 99)
    paths = sorted((data / SOURCE / "wet").rglob("*.wet.gz"))
    files = {path.name: list(plain.read_pages(path, SOURCE)) for path in paths}
    shared = plain.shared_keys([page for pages in files.values() for page in pages], MIN_CHARS)
    lines_of = {
        name: [[(x.encode(), plain.line_key(x) in shared) for x in p.lines] for p in pages]
        for name, pages in files.items()
    }
    stored = text_bytes = 0
    for copy in range(copies):
        mark = b" copy" + bytes([97 + copy // 26, 97 + copy % 26])  # no digit: they are all 0
        for name, pages in lines_of.items():
            with (target / f"{copy:03d}-{name}").open("wb") as file:
                for page in pages:
                    text = b"\n".join(x if is_shared else x + mark for x, is_shared in page)
                    text_bytes += len(text)
                    stored += file.write(gzip.compress(wet_record(b"title\n" + text), 6))
    return Input(copies * len(files), stored, text_bytes)


def coded_bytes(element: tuple[tuple[str | int, ...], bytes]) -> int:
    """Count the bytes of a key, as Beam's coders write it, and of its value."""
    key, value = element
    coder = registry.get_coder(beam.typehints.Tuple[tuple(map(type, key))])
    return len(coder.encode(key)) + len(value)


def shuffled(recipe: Recipe, output: str, scratch: str) -> tuple[int, int]:
    """Count the bytes that the first pass of a finished run has shuffled: keys and values.

    Returns those of the fingerprints, grouped by range of the hash, and those of what is decided
    about them, grouped by split. The functions of the pass are called as they are.
    """
    recipe_json = json.dumps(recipe.mapping)
    plan = list(read_plan(output))
    first = decisions = 0
    for rounds in waves(recipe, plan, scratch, in_memory()):
        groups: dict[PartitionKey, list[bytes]] = defaultdict(list)
        make = FingerprintSplit(recipe_json, scratch, "count")
        for element in RoundSplits(recipe_json, rounds).process(output):
            for emitted in make.process(element):
                if isinstance(emitted, beam.pvalue.TaggedOutput):
                    decisions += coded_bytes(emitted.value)
                else:
                    first += coded_bytes(emitted)
                    groups[emitted[0]].append(emitted[1])
        decide = DecidePartition(recipe_json)
        for group in groups.items():
            decisions += sum(map(coded_bytes, decide.process(group)))
    return first, decisions


def lines_of(output: str) -> tuple[int, int]:
    """Return how many lines a run's deduplication has seen, and how many it removed."""
    kept = [read_decisions(output, name) for name in list_names(output, "decisions")]
    return sum(map(len, kept)), sum(int((~one).sum()) for one in kept)


def measure(data: Path, models: Path, size: int, runner: str) -> Figures:
    """Run one size and count; the folders that it takes go away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = make_input(data, size, folder / "data")
        output = str(folder / "output")
        cost = run_cost(SOURCE, folder / "data", models, Path(output), runner=runner)
        recipe = make_recipe(folder / "data", models)
        line_bytes, decision_bytes = shuffled(recipe, output, str(folder / "scratch"))
        lines, removed = lines_of(output)
        source = statistics(output)["sources"][SOURCE]
        read = [row for row in source["funnel"] if row["step"] == "read"]
        pages = sum(r["documents"] * (1 if r["outcome"] == "in" else -1) for r in read)
        tokens = source["mixture"]["train_tokens"] + source["mixture"]["validation_tokens"]
    return Figures(
        size=size, **asdict(made), pages=pages, **cost._asdict(), line_shuffle_bytes=line_bytes,
        decision_shuffle_bytes=decision_bytes, lines=lines, lines_removed=removed, tokens=tokens,
    )  # fmt: skip


def processor() -> str:
    """Name this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(": ", 1)[1] for x in lines if x.startswith("model name")), "unknown")


HEAD = (
    f"{'size':>5}{'files':>7}{'text MB':>9}{'pages':>8}{'s':>8}{'core-s':>8}{'core-ms/MB':>12}"
    f"{'worker':>8}{'driver':>8}{'java':>7}{'B/page':>9}{'lines -%':>10}"
)


def print_row(one: Figures, before: Figures | None) -> None:
    """Print one line of the table; ``before`` is the next smaller size."""
    per_mb = ""
    if before:
        more = (one.text_bytes - before.text_bytes) / 1e6
        per_mb = f"{1e3 * (one.core_seconds - before.core_seconds) / more:.1f}"
    shuffle = one.line_shuffle_bytes + one.decision_shuffle_bytes
    print(
        f"{one.size:>4}x{one.files:>7}{one.text_bytes / 1e6:>9.1f}{one.pages:>8,}"
        f"{one.seconds:>8.1f}{one.core_seconds:>8.1f}{per_mb:>12}{one.worker_peak_mb:>8.0f}"
        f"{one.driver_peak_mb:>8.0f}{one.java_peak_mb:>7.0f}{shuffle / one.pages:>9.1f}"
        f"{100 * one.lines_removed / one.lines:>10.3f}",
        flush=True,
    )


def main() -> None:
    """Measure every size; or, with ``--paper``, work out dumps from figures that are there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--runner", default="DirectRunner")
    parser.add_argument("--write", type=Path, metavar="FILE",
                        help="write the figures to a file as well")  # fmt: skip
    parser.add_argument("--paper", action="store_true",
                        help="measure nothing; work out five dumps from the figures")  # fmt: skip
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE",
                        help="that --paper reads (default: the repository's)")  # fmt: skip
    parser.add_argument("--assume", action="append", default=[], metavar="NAME=VALUE",
                        help="of --paper: another size of a dump, or price")  # fmt: skip
    options = parser.parse_args()
    if options.paper:
        print_paper(json.loads(options.figures.read_text()), with_changes(options.assume))
        return
    if not options.data.is_dir() or not options.models.is_dir():
        sys.exit(f"needs the real samples in {options.data} and models in {options.models}")
    print(f"{options.runner}, two workers, {processor()}\n{HEAD}", flush=True)
    measure(options.data, options.models, 0, options.runner)  # compiles kernels
    measured: list[Figures] = []
    for size in [0, *sorted(options.sizes)]:
        one = measure(options.data, options.models, size, options.runner)
        print_row(one, measured[-1] if measured else None)
        measured.append(one)
    if options.write:
        written = {
            "runner": options.runner,
            "processor": processor(),
            "sizes": [asdict(one) for one in measured],
        }
        options.write.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
