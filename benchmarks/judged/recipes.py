"""The recipes that the ablation compares, and what runs them over the sample pages."""

from __future__ import annotations

import copy
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.judged.texts import articles
from pipeline.commands.judge import show_progress
from pipeline.judging.candidates import Candidate, candidates_of
from pipeline.models.classifier_training import probabilities, train, training_lines

ROOT = Path(__file__).resolve().parents[2]

PAGES = {"wet": "commoncrawl", "warc": "commoncrawl_warc"}
"""The source of ``recipes/samples.yaml`` that reads each kind of pages."""

NOT_RULES = ("filter_urls", "identify_language", "classify_top", "scrub_personal_data")
"""Steps of recipes for web pages that are left out, or are the same for all."""

CLASSIFIER = "encyclopaedia"
"""Name of the classifier's file and of its label."""

KEEP_FRACTION = 0.5
"""Share of random pages that the classifier would keep."""

FIRST_ARTICLE = 200
"""Number of the first article on which the classifier is trained; earlier ones are held out."""

N_ARTICLES = 470


def recipes(pages: str, models: Path) -> dict[str, dict[str, Any]]:
    """Return what each recipe sets in the source of a kind of pages: its steps, and its reader."""
    steps = samples_recipe()["sources"][PAGES[pages]]["steps"]
    by_name = {next(iter(step)): step for step in steps}
    language = by_name["identify_language"]
    fineweb, dclm = _web_source("fineweb"), _web_source("dclm")
    c4 = _c4_rules(fineweb["steps"])
    if pages == "warc":
        return {
            "raw": {"steps": []},
            "language only": {"steps": [language]},
            "C4's rules": {"steps": [language, c4]},
            "LLaMA (head and middle)": {"steps": steps},
            "FineWeb": {"reader": fineweb["reader"], "steps": [language, *_rules(fineweb)]},
            "DCLM": {"reader": dclm["reader"], "steps": [language, *_rules(dclm)]},
        }
    buckets = copy.deepcopy(by_name["bucket_by_perplexity"])
    buckets["bucket_by_perplexity"]["keep"] = ["head", "middle", "tail"]
    scored = [by_name["score_perplexity"], by_name["bucket_by_perplexity"]]
    model = models / f"{CLASSIFIER}.bin"
    classifier = {
        "classify_top": {
            "model": str(model),
            "label": CLASSIFIER,
            "card": f"{model}.card.json",
            "keep_fraction": KEEP_FRACTION,
        }
    }
    lines = [by_name["drop_short"], by_name["deduplicate_lines"]]
    of_steps = {
        "raw": [],
        "lines only": lines,
        "language only": [language],
        "perplexity only": [language, *scored],
        "classifier only": [language, classifier],
        "C4's rules": [language, c4],
        "repeated lines out": [*lines, language, by_name["score_perplexity"], buckets],
        "LLaMA (head and middle)": steps,
        "FineWeb's rules": [language, *_rules(fineweb)],
        "DCLM's rules": [language, *_rules(dclm)],
    }
    return {name: {"steps": one} for name, one in of_steps.items()}


def _c4_rules(fineweb: list[Any]) -> dict[str, Any]:
    """Return C4's rules, with those that FineWeb leaves out and without the list of words."""
    (c4,) = (step for step in fineweb if "apply_c4_rules" in step)
    return {
        "apply_c4_rules": {
            **c4["apply_c4_rules"],
            "line_end_marks": [".", "?", "!", '"'],
            "refused_line_ends": ["..."],
            "min_line_words": 5,
            "min_sentences": 3,
        }
    }


def _rules(source: dict[str, Any]) -> list[Any]:
    """Return a recipe's steps, but for those that need lists or a model that the samples lack."""
    return [step for step in source["steps"] if next(iter(step)) not in NOT_RULES]


def _web_source(recipe: str) -> dict[str, Any]:
    read = yaml.safe_load((ROOT / "recipes" / f"{recipe}.yaml").read_text())
    return dict(read["sources"]["commoncrawl"])


def samples_recipe() -> dict[str, Any]:
    """Return the recipe for the samples, as plain values."""
    return dict(yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text()))


def make_classifier(data: Path, models: Path) -> None:
    """Train a classifier of Wikipedia's articles and C4's pages, and write it with its card.

    It stands for LLaMA's, which knows pages that Wikipedia cites. Half of the pages are held out,
    and the card has percentiles of the label over them.
    """
    model = models / f"{CLASSIFIER}.bin"
    if Path(f"{model}.card.json").exists():
        return
    models.mkdir(parents=True, exist_ok=True)
    pages = list(_c4_pages(data))
    half = len(pages) // 2
    chosen = articles(data)[FIRST_ARTICLE : FIRST_ARTICLE + N_ARTICLES]
    lines = [
        line
        for texts, label in ((chosen, CLASSIFIER), (pages[:half], "random"))
        for line in training_lines(pa.array(texts, pa.string()), label)
    ]
    file = models / "lines.txt"
    file.write_bytes(b"".join(lines))
    train(file, model, {}, quantise=False)
    found = probabilities(pa.chunked_array([pages[half:]], pa.string()), str(model), CLASSIFIER)
    percentiles = {CLASSIFIER: np.percentile(found, np.arange(101)).tolist()}
    card = {"scores": {"random_page_percentiles": percentiles}}
    Path(f"{model}.card.json").write_text(json.dumps(card))


def _c4_pages(data: Path) -> Iterator[str]:
    with gzip.open(data / "c4" / "c4-train.00000-of-00001.json.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def run(
    name: str, pages: str, settings: dict[str, Any], shared: Path, folder: Path
) -> list[Candidate]:
    """Run a recipe, or take what it made in ``folder`` before; return its candidate.

    Where it kept head and tail, these are two candidates more.
    """
    recipe = samples_recipe()
    recipe["sources"] = {
        PAGES[pages]: recipe["sources"][PAGES[pages]] | settings | {"proportion": 1.0}
    }
    called = f"{pages}-" + "".join(c if c.isalnum() else "_" for c in name)
    file, output = folder / f"{called}.yaml", str(folder / called)
    file.write_text(yaml.safe_dump(recipe))
    show_progress(f"running {name} over {pages.upper()} pages")
    ended = subprocess.run(
        [sys.executable, "-m", "beam_runner", "--recipe", str(file), "--output", output,
         "--workers", "1", "--no_report", "--set", f"data={shared / 'data'}",
         "--set", f"models={shared / 'models'}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        sys.exit(ended.stderr)
    found = [one._replace(name=name) for one in candidates_of([output], None)]
    if name == "repeated lines out":
        parts = candidates_of([output], "bucket")
        found += [p._replace(name=f"{p.name} alone") for p in parts if p.name != "middle"]
    return found
