"""What each way to prepare web pages brings, by 'corpus judge' over the sample pages.

    python benchmarks/ablation.py [--shared ../shared] [--draws 5] [--tokens N] [--json FILE]
                                  [--model 10M] [--model_tokens N] [--work FOLDER]

The same WET pages go through several recipes. Equal tokens of each are compared on Wikipedia,
books, news and questions with answers, none of which the recipes have seen. docs/worth.md has what
it printed. It measures likeness to the held-out text at small scale, no more.

With --model, a model is trained on small draws of some of the candidates as well, and the rank
correlation of the two orders is printed.
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
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import yaml

from pipeline.commands.judge import MODELS, show_judgement, show_progress
from pipeline.judging.candidates import Candidate, candidates_of
from pipeline.judging.certainty import MEAN
from pipeline.judging.held_out import HeldOut, read_held_out
from pipeline.judging.judge import field_of, judge
from pipeline.judging.scorers import Scorer, kept_in, ngram_scorer
from pipeline.judging.trained_models import trained_scorer
from pipeline.models.lm_training import kenlm_tools

BOOKS = ("pg11-11-0.txt", "pg1342-1342-0.txt", "pg76-76-0.txt", "pg84-84-0.txt", "pg98-98-0.txt",
         "pg1661-1661.txt")  # fmt: skip
NOT_RULES = ("filter_urls", "identify_language", "classify_top", "scrub_personal_data")
"""Steps of recipes for web pages that are left out, or are the same for all."""

MODEL_DRAWS = 2
"""Draws of each candidate on which models are trained."""

MODEL_TOKENS = 16_384
"""Tokens of each such draw without ``--model_tokens``."""

MODEL_PASSAGES = 16
"""Passages of each held-out text that trained models score."""

TRAINED = ("raw", "language only", "perplexity only", "C4's rules", "tail alone", "head alone",
           "LLaMA (head and middle)", "FineWeb's rules")  # fmt: skip
"""Candidates on which models are trained."""

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
    language = by_name["identify_language"]
    return {
        "raw": [],
        "lines only": lines[:2],
        "language only": [language],
        "perplexity only": [language, by_name["score_perplexity"], by_name["bucket_by_perplexity"]],
        "C4's rules": [language, c4],
        "repeated lines out": [*lines, by_name["score_perplexity"], buckets],
        "LLaMA (head and middle)": steps,
        "FineWeb's rules": [language, *_rules("fineweb")],
        "DCLM's rules": [language, *_rules("dclm")],
    }


def _rules(recipe: str) -> list[Any]:
    """Return a recipe's steps, but for those that need lists or a model that the samples lack."""
    read = yaml.safe_load((ROOT / "recipes" / f"{recipe}.yaml").read_text())
    steps = read["sources"]["commoncrawl"]["steps"]
    return [step for step in steps if next(iter(step)) not in NOT_RULES]


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


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation of figures without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def fewer_passages(text: HeldOut, n: int) -> HeldOut:
    """Return a text with ``n`` of its passages, spread over it."""
    kept = np.linspace(0, len(text.passages) - 1, min(n, len(text.passages))).astype(int)
    return text.without(~np.isin(np.arange(len(text.passages)), kept))


def beside_trained(
    judgement: dict[str, Any],
    candidates: Sequence[Candidate],
    texts: Sequence[HeldOut],
    scorer: Scorer,
    tokens: int,
) -> dict[str, Any]:
    """Compare some candidates by trained models; return that and how far the orders agree."""
    field = field_of([c for c in candidates if c.name in TRAINED], tokens, are_parts=True)
    fewer = [fewer_passages(text, MODEL_PASSAGES) for text in texts]
    trained = judge(field, fewer, scorer, n_draws=MODEL_DRAWS, seed=0, progress=show_progress)
    names = [one["name"] for one in trained["candidates"]]
    figures = [
        [one["results"][MEAN]["figures"][name]["bits_per_byte"] for name in names]
        for one in (judgement, trained)
    ]
    return {"trained": trained, "names": names, "rank_correlation": rank_correlation(*figures)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--tokens", type=int, help="tokens of a draw (default: as many as can be)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--model", choices=MODELS, help="train models of this size as well")
    parser.add_argument("--model_tokens", type=int, default=MODEL_TOKENS, metavar="N",
                        help="tokens on which each is trained")  # fmt: skip
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep scores there")
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
        scorer = ngram_scorer(kenlm_tools(None))
        judgement = judge(
            field, texts, _kept(scorer, options.work), n_draws=options.draws, seed=0,
            progress=show_progress,
        )  # fmt: skip
        show_judgement(judgement)
        if options.model:
            scorer = _kept(trained_scorer(options.model, 0, options.work), options.work)
            both = beside_trained(judgement, candidates, texts, scorer, options.model_tokens)
            show_judgement(both["trained"])
            print(f"\nRank correlation (Spearman) of the two orders of {len(both['names'])} "
                  f"candidates, by the mean: {both['rank_correlation']:.2f}")  # fmt: skip
            judgement["beside_trained"] = both
    if options.json:
        options.json.write_text(json.dumps(judgement, indent=1))


def _kept(scorer: Scorer, work: Path | None) -> Scorer:
    return kept_in(work, scorer) if work else scorer


if __name__ == "__main__":
    main()
