"""What each way to prepare web pages brings, by 'corpus judge' over the sample pages.

    python benchmarks/ablation.py [--shared ../shared] [--pages wet|warc] [--draws 5] [--tokens N]
                                  [--json FILE] [--work FOLDER]
                                  [--model 10M] [--model_tokens N]

The same pages, as WET or as WARC, go through several recipes. Equal tokens of each are compared on
Wikipedia, books, news and questions, none of which the recipes have seen. docs/worth.md
has what it printed. It measures likeness to the held-out text at small scale, no more.

With --model, a model is trained on small draws of some of the candidates as well, and the rank
correlation of the two orders is printed. With --work, the same command goes on where it was
stopped. --json keeps the figures of the other kind of pages that are in the file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.judged.ranks import chance_of, rank_correlation
from benchmarks.judged.recipes import PAGES, make_classifier, recipes, run
from benchmarks.judged.texts import fewer_passages, held_out
from pipeline.commands.judge import MODELS, show_judgement, show_progress
from pipeline.judging.candidates import Candidate
from pipeline.judging.certainty import MEAN
from pipeline.judging.held_out import HeldOut
from pipeline.judging.judge import field_of, judge
from pipeline.judging.scorers import Scorer, kept_in, ngram_scorer
from pipeline.judging.trained_models import trained_scorer
from pipeline.models.lm_training import kenlm_tools

MODEL_DRAWS = 2
"""Draws of each candidate on which models are trained."""

MODEL_TOKENS = 32_768
"""Tokens of each such draw without ``--model_tokens``."""

MODEL_PASSAGES = 16
"""Passages of each held-out text that trained models score."""

TRAINED = ("raw", "language only", "perplexity only", "C4's rules", "tail alone", "head alone",
           "LLaMA (head and middle)", "FineWeb's rules")  # fmt: skip
"""Candidates on which models are trained."""


def means_of(judgement: dict[str, Any], names: Sequence[str]) -> list[float]:
    """Return the mean bits per byte of some candidates."""
    figures = judgement["results"][MEAN]["figures"]
    return [figures[name]["bits_per_byte"] for name in names]


def beside_trained(
    judgement: dict[str, Any],
    candidates: Sequence[Candidate],
    texts: Sequence[HeldOut],
    scorers: tuple[Scorer, Scorer],
    tokens: int,
) -> dict[str, Any]:
    """Compare some candidates by trained models, and by n-grams over the same draws.

    ``scorers`` are those of n-grams and of trained models. Returns both comparisons, and how far
    the orders agree.
    """
    field = field_of([c for c in candidates if c.name in TRAINED], tokens, are_parts=True)
    fewer = [fewer_passages(text, MODEL_PASSAGES) for text in texts]
    ngrams, trained = (
        judge(field, fewer, scorer, n_draws=MODEL_DRAWS, seed=0, progress=show_progress)
        for scorer in scorers
    )
    names = [one["name"] for one in trained["candidates"]]
    by_model = means_of(trained, names)
    correlations = {
        name: rank_correlation(means_of(one, names), by_model)
        for name, one in (("whole", judgement), ("same_draws", ngrams))
    }
    return {
        "trained": trained,
        "ngrams": ngrams,
        "names": names,
        "rank_correlation": correlations["whole"],
        "rank_correlation_same_draws": correlations["same_draws"],
        "chance": chance_of(correlations["whole"], len(names)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--pages", choices=PAGES, default="wet", help="the pages (default: wet)")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--tokens", type=int, help="tokens of a draw (default: as many as can be)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--model", choices=MODELS, help="train models of this size as well")
    parser.add_argument("--model_tokens", type=int, default=MODEL_TOKENS, metavar="N",
                        help="tokens on which each is trained")  # fmt: skip
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep runs and scores there")
    options = parser.parse_args()
    if options.model and options.pages != "wet":
        parser.error("--model: models are trained on candidates of the WET pages")
    with ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work = work.resolve()
        make_classifier(options.shared / "data", work / "models")
        texts = held_out(options.shared / "data", work)
        candidates = [
            candidate
            for name, settings in recipes(options.pages, work / "models").items()
            for candidate in run(name, options.pages, settings, options.shared, work)
        ]
        field = field_of(candidates, options.tokens, are_parts=True)
        ngrams = kept_in(work, ngram_scorer(kenlm_tools(None)))
        judgement = judge(
            field, texts, ngrams, n_draws=options.draws, seed=0, progress=show_progress
        )
        show_judgement(judgement)
        figures = {options.pages: judgement}
        if options.model:
            trained = kept_in(work, trained_scorer(options.model, 0, work))
            both = beside_trained(
                judgement, candidates, texts, (ngrams, trained), options.model_tokens
            )
            show_judgement(both["trained"])
            show_correlation(both)
            figures["beside_trained"] = both
    if options.json:
        if options.json.exists():
            figures = json.loads(options.json.read_text()) | figures
        options.json.write_text(json.dumps(figures) + "\n")


def show_correlation(both: dict[str, Any]) -> None:
    """Print how far n-grams and trained models agree about the order of candidates."""
    print(f"\nRank correlation (Spearman) of n-grams and trained models over {len(both['names'])} "
          f"candidates, by the mean: {both['rank_correlation']:.2f}, which a share of "
          f"{both['chance']:.4f} of all orders reach; with n-grams over the same small draws: "
          f"{both['rank_correlation_same_draws']:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
