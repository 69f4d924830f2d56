"""Growth of time, memory and shuffle with the input: web pages at 1x, 4x and 16x, two workers.

    python benchmarks/scale.py [--sizes 1 4 16] [--input wet] [--runner DirectRunner] [--write FILE]
    python benchmarks/scale.py --paper     compute five dumps from the figures written to FILE

At size N there are N copies of every page of the samples, each with an id of its own, and what
repeats in them grows in proportion: ``benchmarks/scale_inputs.py`` says how. WET pages go through
``recipes/samples.yaml``, with its deduplication of lines. WARC pages (``--input warc``) go through
``benchmarks/web/growth.yaml``: main text, and near-duplicates.

Time is that of the whole command, with all passes and tokens written. Time a megabyte is computed
from the difference to the next smaller size, so it does not include start-up. Size 0 is a run over
one page. The bytes that WET shuffles are counted at the output of the first pass, up to 16x: all of
it is made again for that, in memory.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

logging.basicConfig(level=logging.ERROR)

import apache_beam as beam
from apache_beam.coders import registry

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.in_process import in_memory, make_recipe
from benchmarks.measuring import check_samples, samples_parser
from benchmarks.run_cost import run_cost
from benchmarks.scale_inputs import SOURCE, make_warc, make_wet
from benchmarks.scale_on_paper import print_paper, print_warc, with_changes
from pipeline.files.storage import list_names
from pipeline.inspection.manifest import statistics
from pipeline.output.decisions import read_decisions
from pipeline.output.layout import read_plan
from pipeline.passes.first.fingerprint import DecidePartition, FingerprintSplit
from pipeline.passes.first.first_passes import round_of, waves
from pipeline.passes.first.rounds import PartitionKey, splits_of_rounds
from pipeline.passes.plan import Plan
from pipeline.recipe.recipe import Recipe

FIGURES = ROOT / "benchmarks" / "scale.json"
RECIPES = {
    "wet": ROOT / "recipes" / "samples.yaml",
    "warc": ROOT / "benchmarks" / "web" / "growth.yaml",
}
LARGEST_COUNTED = 16
"""Largest size at which the bytes shuffled are counted."""


@dataclass(frozen=True)
class Figures:
    """Measurements at one size."""

    size: int  # number of copies of the samples; 0 is one page
    files: int
    stored_bytes: int
    text_bytes: int
    pages: int
    seconds: float
    core_seconds: float
    worker_peak_mb: float
    driver_peak_mb: float
    java_peak_mb: float
    line_shuffle_bytes: int | None  # fingerprints, grouped by range of the hash
    decision_shuffle_bytes: int | None  # decisions, grouped by split
    lines: int  # of WET; of WARC the documents
    lines_removed: int
    tokens: int


def coded_bytes(element: tuple[tuple[str | int, ...], bytes]) -> int:
    """Count the bytes of a key, as Beam's coders write it, and of its value."""
    key, value = element
    coder = registry.get_coder(beam.typehints.Tuple[tuple(map(type, key))])
    return len(coder.encode(key)) + len(value)


def shuffled(recipe: Recipe, output: str, scratch: str) -> tuple[int, int]:
    """Count the bytes of keys and values that the first pass of a finished run shuffled.

    Returns the bytes of the fingerprints, and of the decisions about them. The pass's own functions
    are called to make them again.
    """
    recipe_json = json.dumps(recipe.mapping)
    plan = Plan(recipe, list(read_plan(output)))
    first = decisions = 0
    for windows in waves(plan, scratch, in_memory().shuffle_limit):
        rounds = [round_of(window) for window in windows]
        groups: dict[PartitionKey, list[bytes]] = defaultdict(list)
        make = FingerprintSplit(recipe_json, scratch, "count")
        for element in splits_of_rounds(output, recipe_json, rounds):
            for emitted in make.process(element):
                if isinstance(emitted, beam.pvalue.TaggedOutput):
                    decisions += coded_bytes(emitted.value)
                else:
                    first += coded_bytes(emitted)
                    groups[emitted[0]].append(emitted[1])
        decide = DecidePartition(recipe_json, scratch)
        for group in groups.items():
            for decided in decide.process(group):
                is_tagged = isinstance(decided, beam.pvalue.TaggedOutput)
                decisions += coded_bytes(decided.value if is_tagged else decided)
    return first, decisions


def lines_of(output: str) -> tuple[int, int]:
    """Return the number of lines, or documents, that a deduplication read, and that it removed."""
    names = (name for name in list_names(output, "decisions") if name.endswith(".bits"))
    kept = [read_decisions(output, name) for name in names]
    return sum(map(len, kept)), sum(int((~lines).sum()) for lines in kept)


def measure(data: Path, models: Path, size: int, runner: str, kind: str = "wet") -> Figures:
    """Run the pipeline at one size and measure it. The folders that it needs are removed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = (make_wet if kind == "wet" else make_warc)(data, size, folder / "data")
        output = str(folder / "output")
        cost = run_cost(
            SOURCE, folder / "data", models, Path(output), runner=runner, recipe=RECIPES[kind]
        )
        line_bytes = decision_bytes = None
        if kind == "wet" and size <= LARGEST_COUNTED:
            recipe = make_recipe(folder / "data", models, SOURCE)
            line_bytes, decision_bytes = shuffled(recipe, output, str(folder / "scratch"))
        lines, removed = lines_of(output)
        source = statistics(output)["sources"][SOURCE]
        read = [row for row in source["funnel"] if row["step"] == "read"]
        pages = sum(row["documents"] * (1 if row["outcome"] == "in" else -1) for row in read)
        tokens = source["mixture"]["train_tokens"] + source["mixture"]["validation_tokens"]
    return Figures(
        size=size, **made._asdict(), pages=pages, **cost._asdict(), line_shuffle_bytes=line_bytes,
        decision_shuffle_bytes=decision_bytes, lines=lines, lines_removed=removed, tokens=tokens,
    )  # fmt: skip


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return next(names, "unknown")


HEAD = (
    f"{'size':>5}{'files':>7}{'text MB':>9}{'pages':>8}{'s':>8}{'core-s':>8}{'core-ms/MB':>12}"
    f"{'worker':>8}{'driver':>8}{'java':>7}{'B/page':>9}{'lines -%':>10}"
)


def print_row(one: Figures, before: Figures | None) -> None:
    """Print one line of the table. ``before`` are the measurements of the next smaller size."""
    per_mb = ""
    if before:
        more = (one.text_bytes - before.text_bytes) / 1e6
        per_mb = f"{1e3 * (one.core_seconds - before.core_seconds) / more:.1f}"
    shuffle = "-"
    if one.line_shuffle_bytes is not None and one.decision_shuffle_bytes is not None:
        shuffle = f"{(one.line_shuffle_bytes + one.decision_shuffle_bytes) / one.pages:.1f}"
    removed = f"{100 * one.lines_removed / one.lines:.3f}" if one.lines else "-"
    print(
        f"{one.size:>4}x{one.files:>7}{one.text_bytes / 1e6:>9.1f}{one.pages:>8,}"
        f"{one.seconds:>8.1f}{one.core_seconds:>8.1f}{per_mb:>12}{one.worker_peak_mb:>8.0f}"
        f"{one.driver_peak_mb:>8.0f}{one.java_peak_mb:>7.0f}{shuffle:>9}"
        f"{removed:>10}",
        flush=True,
    )


def main() -> None:
    """Measure every size, or, with ``--paper``, compute dumps from figures written before."""
    parser = samples_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--runner", default="DirectRunner")
    parser.add_argument("--input", choices=sorted(RECIPES), default="wet")
    parser.add_argument("--write", type=Path, metavar="FILE",
                        help="write the figures to a file as well")  # fmt: skip
    parser.add_argument("--paper", action="store_true",
                        help="measure nothing; compute five dumps from the figures")  # fmt: skip
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE",
                        help="figures for --paper (default: the repository's)")  # fmt: skip
    parser.add_argument("--assume", action="append", default=[], metavar="NAME=VALUE",
                        help="for --paper: another size of a dump, or price")  # fmt: skip
    options = parser.parse_args()
    if options.paper:
        figures = json.loads(options.figures.read_text())
        on_paper = print_paper if figures["input"] == "wet" else print_warc
        on_paper(figures, with_changes(options.assume))
        return
    check_samples(options)
    print(f"{options.runner}, {options.input}, two workers, {processor()}\n{HEAD}", flush=True)
    take = partial(measure, options.data, options.models, runner=options.runner, kind=options.input)
    take(0)  # compiles kernels
    measured: list[Figures] = []
    for size in [0, *sorted(options.sizes)]:
        figures = take(size)
        print_row(figures, measured[-1] if measured else None)
        measured.append(figures)
    if options.write:
        written = {
            "runner": options.runner,
            "input": options.input,
            "processor": processor(),
            "sizes": [asdict(figures) for figures in measured],
        }
        options.write.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
