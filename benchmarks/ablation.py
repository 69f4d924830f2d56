"""What each way to prepare web pages brings, by 'corpus judge' over the sample pages.

    python benchmarks/ablation.py [--shared ../shared] [--draws 5] [--tokens N] [--json FILE]

The same WET pages go through several recipes. Equal tokens of each are compared on Wikipedia,
books, news and questions with answers, none of which the recipes have seen. docs/worth.md has what
it printed. It measures likeness to the held-out text at small scale, no more.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import yaml

from pipeline.commands.judge import show_judgement, show_progress
from pipeline.judging.candidates import Candidate, candidates_of
from pipeline.judging.held_out import HeldOut, read_held_out
from pipeline.judging.judge import field_of, judge
from pipeline.models.lm_training import kenlm_tools

BOOKS = ("pg11-11-0.txt", "pg1342-1342-0.txt", "pg76-76-0.txt", "pg84-84-0.txt", "pg98-98-0.txt",
         "pg1661-1661.txt")  # fmt: skip
N_DOCUMENTS = 100
"""Held-out documents of each kind; of books, passages in their place."""

BOOK_CHARS = slice(20_000, 60_000)
"""Characters of each book that are held out."""

MIN_CHARS = 600
"""Least characters of a held-out document."""


def recipes() -> dict[str, list[Any]]:
    """Return the steps of each recipe, made of those of the recipe for the samples."""
    steps = _samples_recipe()["sources"]["commoncrawl"]["steps"]
    by_name = {next(iter(step)): step for step in steps}
    lines = [by_name[name] for name in ("drop_short", "deduplicate_lines", "identify_language")]
    buckets = json.loads(json.dumps(by_name["bucket_by_perplexity"]))
    buckets["bucket_by_perplexity"]["keep"] = ["head", "middle", "tail"]
    fineweb = yaml.safe_load((ROOT / "recipes" / "fineweb.yaml").read_text())
    web_steps = fineweb["sources"]["commoncrawl"]["steps"]
    (c4,) = (step for step in web_steps if "apply_c4_rules" in step)
    c4 = {
        "apply_c4_rules": {
            **c4["apply_c4_rules"],
            "line_end_marks": [".", "?", "!", '"'],
            "refused_line_ends": ["..."],
            "min_line_words": 5,
            "min_sentences": 3,
        }
    }
    return {
        "raw": [],
        "language only": [by_name["identify_language"]],
        "C4's rules": [by_name["identify_language"], c4],
        "repeated lines out": [*lines, by_name["score_perplexity"], buckets],
        "LLaMA (head and middle)": steps,
    }


def _samples_recipe() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text()))


def run(name: str, steps: list[Any], shared: Path, folder: Path) -> list[Candidate]:
    """Run a recipe; return its candidate, and its head and tail where it kept both."""
    recipe = _samples_recipe()
    source = recipe["sources"]["commoncrawl"] | {"steps": steps, "proportion": 1.0}
    recipe["sources"] = {"commoncrawl": source}
    number = len(list(folder.glob("*.yaml")))
    file, output = folder / f"{number}.yaml", str(folder / f"out{number}")
    file.write_text(yaml.safe_dump(recipe))
    show_progress(f"running {name}")
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


def wikipedia(data: Path) -> Iterator[str]:
    (file,) = (data / "wiki_text").glob("*.txt.gz")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for article in re.split(r"</doc>\n", "".join(islice(lines, 20_000)))[:-1]:
            yield re.sub(r"<doc [^>]*>\n", "", article).strip()


def books(data: Path) -> Iterator[str]:
    for name in BOOKS:
        yield (data / "books" / name).read_text("utf-8", "replace")[BOOK_CHARS]


def news(data: Path) -> Iterator[str]:
    for line in (data / "near_dup" / "minhash_articles_1000.train").read_text().splitlines():
        yield line.partition(" ")[2]


def questions(data: Path) -> Iterator[str]:
    folder = data / "stackexchange" / "matheducators.stackexchange.com_2014-05"
    for _, row in ET.iterparse(folder / "Posts.xml"):
        body = re.sub(r"<[^>]+>", "", row.get("Body") or "")
        yield html.unescape(body).strip()


def held_out(data: Path, folder: Path) -> list[HeldOut]:
    """Write and read the held-out texts."""
    texts = []
    for kind in (wikipedia, books, news, questions):
        documents = islice((t for t in kind(data) if len(t) >= MIN_CHARS), N_DOCUMENTS)
        file = folder / f"{kind.__name__}.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
        texts.append(read_held_out(kind.__name__, str(file)))
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--tokens", type=int, help="tokens of a draw (default: as many as can be)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        texts = held_out(options.shared / "data", folder)
        candidates = [
            candidate
            for name, steps in recipes().items()
            for candidate in run(name, steps, options.shared, folder)
        ]
        field = field_of(candidates, options.tokens, are_parts=True)
        judgement = judge(
            field, texts, kenlm_tools(None), n_draws=options.draws, seed=0, progress=show_progress
        )
    if options.json:
        options.json.write_text(json.dumps(judgement, indent=1))
    show_judgement(judgement)


if __name__ == "__main__":
    main()
