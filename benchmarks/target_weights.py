"""Whether 'corpus weights' finds what a target is made of, and a mixture that is better for it.

    python benchmarks/target_weights.py [--shared ../shared] [--draws 5] [--json FILE]

The run has C4, books, code and Wikipedia; the targets are other texts: books and code as 70 to 30,
Wikipedia, and news. Weights are found on every other passage of a target. On the passages between
them, draws at these weights are compared with draws at natural sizes and at the run's proportions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.judged.target_parts import MIXED, TRUTH, run_and_targets
from pipeline.commands.judge import DRAWS
from pipeline.commands.weights import MAX_EPOCHS, SMOOTHING
from pipeline.inspection.manifest import load_manifest
from pipeline.judging.candidates import candidates_of
from pipeline.judging.held_out import HeldOut
from pipeline.judging.mixtures import compare_mixtures
from pipeline.judging.run_parts import run_parts
from pipeline.judging.scorers import ngram_scorer
from pipeline.judging.weights import parts_of, target_weights
from pipeline.models.lm_training import kenlm_tools

FOUND = "these"


def weighed(output: str, target: HeldOut, tools: Path, n_draws: int) -> dict[str, Any]:
    """Find weights on half of a target, and compare their mixture with others on the other half."""
    manifest = load_manifest(output)
    candidates = candidates_of([output], "source")
    parts, tokens = parts_of(candidates, None)
    is_second = target.unit % 2 == 1
    to_fit, to_check = target.without(is_second), target.without(~is_second)
    found = target_weights(
        manifest, parts, tokens, [to_fit], tools, smoothing=SMOOTHING, max_epochs=MAX_EPOCHS, seed=0
    )
    mixtures = {
        FOUND: found["proportions"],
        "natural": found["natural"],
        "the run's": {part.name: part.share for part in run_parts(manifest)},
    }
    judged = compare_mixtures(
        candidates, mixtures, [to_check], ngram_scorer(tools), n_draws=n_draws, seed=0
    )
    return {
        "weights": found["targets"][0]["weights"],
        "mixtures": mixtures,
        "tokens": judged["tokens"],
        "pairs": judged["results"][target.name]["pairs"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output, targets = run_and_targets(options.shared / "data", Path(scratch))
        told = {
            name: weighed(output, target, kenlm_tools(None), options.draws)
            for name, target in targets.items()
        }
    for name, one in told.items():
        show_weighed(name, one)
    if options.json:
        options.json.write_text(json.dumps(told, indent=1))


def show_weighed(name: str, one: dict[str, Any]) -> None:
    """Print a target's weights, and how their mixture does beside the others."""
    weights = ", ".join(f"{part} {weight:.3f}" for part, weight in one["weights"].items())
    print(f"{name}: {weights}")
    if name == MIXED:
        most = max(abs(one["weights"][part] - share) for part, share in TRUTH.items())
        print(f"  farthest from the truth ({TRUTH}): {most:.3f}")
    for pair in one["pairs"]:
        if FOUND in (pair["better"], pair["worse"]):
            print(
                f"  {pair['better']} better than {pair['worse']} by {pair['difference']:.3f} bits "
                f"a byte ({pair['low']:.3f} to {pair['high']:.3f}), certainty "
                f"{pair['certainty']:.3f}, draws of {one['tokens']:,} tokens"
            )


if __name__ == "__main__":
    main()
