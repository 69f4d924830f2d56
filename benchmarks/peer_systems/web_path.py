"""The LLaMA paper's web path, from WET to tokens, against CCNet's own code and SentencePiece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmarks.peer_systems.comparison import KEPT, Comparison, Row, agreement
from benchmarks.peer_systems.inputs import block_digests, tiny_pages, web_pages
from benchmarks.peer_systems.our_outcomes import read_run
from benchmarks.peer_systems.setting import Setting
from benchmarks.peer_systems.sides import HERE, ROOT, Side, beam_runner, read_done

SOURCE = "commoncrawl"
RECIPE = ROOT / "recipes" / "samples.yaml"
STEPS = {
    "read": "no text", "drop_short": "length", "deduplicate_lines": "paragraphs",
    "identify_language": "language", "bucket_by_perplexity": "perplexity",
}  # fmt: skip
"""The names that both sides share, by our steps."""

THEIR_STEPS = [
    ("read", "paragraphs"),
    ("deduplicated", "language"),
    ("identified", "language"),
    ("english", "perplexity"),
    ("kept", KEPT),
]
"""What CCNet's code noted, in order, and what a page that got no further fell to."""


def cutoffs() -> list[float]:
    """Return the recipe's cut-offs of perplexity for English."""
    steps = yaml.safe_load(RECIPE.read_text())["sources"][SOURCE]["steps"]
    (buckets,) = [s["bucket_by_perplexity"] for s in steps if "bucket_by_perplexity" in s]
    return list(map(float, buckets["cutoffs"]["en"]))


def sides(setting: Setting) -> list[Side]:
    """Return both sides, on one core."""
    names = {"models": setting.models}
    command = beam_runner(RECIPE, names, source=SOURCE, cores=1)

    def theirs(source: Path, output: Path) -> list[str]:
        return setting.peer("ccnet_side.py", source / SOURCE / "wet", output,
                            "--models", setting.models, "--tokenizer", setting.tokenizer,
                            "--cutoffs", *cutoffs())  # fmt: skip

    return [
        Side(HERE, command, lambda output: read_run(output, SOURCE)),
        Side("CCNet and SentencePiece", theirs, read_done),
    ]


def their_outcomes(found: dict[str, Any], ids: dict[str, str]) -> dict[str, str]:
    """Return what became of every page there; one that was not read is too short."""
    outcomes = dict.fromkeys(ids.values(), "length")
    for step, name in THEIR_STEPS:
        outcomes.update((ids[page], name) for page in found["seen"][step])
    return outcomes


def compare(setting: Setting) -> Comparison:
    """Run both on the same pages."""
    source, tiny = setting.scratch / "wet", setting.scratch / "tiny_wet"
    paths = sorted((setting.data / SOURCE / "wet").glob("*.wet.gz"))
    given = web_pages(paths, source / SOURCE / "wet", setting.every_wet_page, suffix=".wet.gz")
    tiny_pages(setting.data, tiny / SOURCE / "wet", suffix=".wet.gz", html=False)
    made = Comparison("The web path, from WET to tokens, against CCNet's code and SentencePiece")
    here, there = setting.bench.compare(sides(setting), source, 1, tiny)
    made.rows.append(Row("web path", 1, given, here, there))
    outcomes = {key: STEPS.get(step, step) for key, step in here.found["outcomes"].items()}
    theirs = their_outcomes(there.found, block_digests(given.folder))
    made.agreements.append(agreement("web path", outcomes, theirs))
    made.remarks.append(f"Tokens: {here.found['tokens']:,} here, {there.found['tokens']:,} there.")
    return made
