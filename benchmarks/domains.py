"""What domains cost: processor time of a whole build, and memory of a worker.

    python benchmarks/domains.py [--data ../shared/data] [--models ../shared/models] [--memory]

The pages of the WET samples are put into one file of JSON lines, each with a number of two fields,
one the same for all. The build reads, tokenises and writes them, with no other step, so that the
grouping weighs as much as it can. Builds without domains, with one and with many take turns in this
process, and the least processor time of each counts. ``--memory`` looks at the worker processes of
runs with no domains and with 500, over one, four and twelve copies of the
pages.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

logging.basicConfig(level=logging.ERROR)

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.in_process import run_pipeline
from benchmarks.measuring import best_seconds, check_samples, samples_parser, wet_texts
from benchmarks.worker_memory import peaks
from pipeline.recipe.from_yaml import load_recipe

ROUNDS = 4
TOKENIZER = "mistral-tokenizer.model.v1"
LIMITS = {1: 1.03, 200: 1.10}
"""How much longer a build may take with so many domains."""

MEMORY_DOMAINS = 500


def write_pages(texts: list[str], copies: int, folder: Path) -> None:
    """Write JSON lines of the texts, each numbered among each number of domains."""
    with (folder / "pages.jsonl").open("w") as file:
        for number, text in enumerate(texts * copies):
            of = {f"of_{n}": number % n for n in (*LIMITS, MEMORY_DOMAINS)}
            file.write(json.dumps({"text": text, **of}) + "\n")


def write_recipe(folder: Path, models: Path, n_domains: int) -> Path:
    """Write a recipe that reads the pages and divides them; with 0 it does not."""
    source: dict[str, Any] = {
        "reader": {
            "json_lines": {
                "text_field": "text", "url_field": None,
                "metadata_fields": [f"of_{n}" for n in (*LIMITS, MEMORY_DOMAINS)],
            }
        },
        "input": [f"{folder}/*.jsonl"], "proportion": 1.0, "expected_tokens_per_input_byte": 0.3,
        "steps": [],
    }  # fmt: skip
    if n_domains:
        source["domains"] = {"by": [f"metadata.of_{n_domains}"]}
    recipe = {
        "token_budget": 1_000_000, "opt_out": None, "sources": {"c4": source},
        "tokenizer": {"model": str(models / TOKENIZER), "bos": True, "eos": True},
        "shards": {"target_shard_tokens": 1_000_000_000, "validation_fraction": 0.01},
        "reading": {"batch_bytes": 4_194_304, "split_bytes": 268_435_456,
                    "max_record_bytes": 67_108_864, "joined_part_bytes": 67_108_864},
    }  # fmt: skip
    path = folder / f"recipe-{n_domains}.yaml"
    path.write_text(json.dumps(recipe))  # which is YAML
    return path


def ratios(folder: Path, models: Path) -> dict[int, float]:
    """Return how much longer a build takes with each number of domains."""
    recipes = {n: load_recipe(str(write_recipe(folder, models, n))) for n in (0, *LIMITS)}
    run_pipeline(recipes[0], folder / "out")  # compiles kernels, fills the tokenizer's memory
    seconds: dict[int, list[float]] = {n: [] for n in recipes}
    for _ in range(ROUNDS):
        for n, recipe in recipes.items():
            seconds[n].append(best_seconds(partial(run_pipeline, recipe, folder / "out"), 1))
    print(f"build without domains: {min(seconds[0]):.2f} s")
    return {n: min(seconds[n]) / min(seconds[0]) for n in LIMITS}


def worker_megabytes(folder: Path, models: Path, n_domains: int) -> float:
    """Return the most private memory of a worker process during a run."""
    recipe = write_recipe(folder, models, n_domains)
    found = peaks(
        [sys.executable, str(ROOT / "beam_runner.py"), "--workers", "2", "--recipe", str(recipe),
         "--output", str(folder / f"out-{n_domains}")]
    )  # fmt: skip
    return max(private for kind, private, _ in found.values() if kind == "worker") / 1e6


def main() -> None:
    parser = samples_parser(__doc__)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    check_samples(options)
    texts = wet_texts(options.data)
    for copies in (1, 4, 12) if options.memory else (1,):
        with tempfile.TemporaryDirectory() as name:
            write_pages(texts, copies, Path(name))
            if not options.memory:
                for n, ratio in ratios(Path(name), options.models).items():
                    print(f"{n:>4} domains: {ratio:.3f} times, at most {LIMITS[n]} is wanted")
                continue
            for n in (0, MEMORY_DOMAINS):
                megabytes = worker_megabytes(Path(name), options.models, n)
                print(f"{copies} times the pages, {n:>3} domains: a worker has {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
