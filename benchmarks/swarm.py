"""The mixture of a run's sources that small models learn held-out texts from best.

    python benchmarks/swarm.py OUT --held_out NAME=FILE ... --work FOLDER [--mixtures 64]
                               [--model 10M|100M|ngrams] [--tokens N] [--draws 3] [--share K/N]
                               [--to FILE] [--json FILE] [--quick]

Mixtures are drawn at random around the natural sizes of the sources, or of their domains. Each gets
a small model, which is scored on half of the held-out text. What is fitted to these scores names a
mixture as the best. On the other half it is compared with natural sizes and the run's own
proportions. The same command goes on where it was stopped. docs/judge.md has more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import numpy.typing as npt

from benchmarks.judged.ranks import rank_correlation
from benchmarks.judged.regression import Floats, fitted, optimum, random_mixtures
from benchmarks.judged.training_here import train_here
from pipeline.commands.judge import MODELS, named_file, show_judgement, show_progress
from pipeline.commands.program import INTERRUPTED
from pipeline.errors import RunError
from pipeline.inspection.manifest import load_manifest
from pipeline.inspection.piece_table import load_piece_table
from pipeline.judging.candidates import Candidate, candidates_of
from pipeline.judging.certainty import MEAN
from pipeline.judging.draws import cut_to, draw, encoder_of, tokens_of
from pipeline.judging.held_out import HeldOut, check_enough, read_held_out
from pipeline.judging.judge import MAX_SHARE, MAX_TOKENS, marks_of
from pipeline.judging.mixtures import compare_mixtures, part_tokens
from pipeline.judging.overlap import PassageIndex
from pipeline.judging.run_parts import digits_of, recipe_with, rounded, run_parts
from pipeline.judging.scorers import Draw, Scorer, kept_in, ngram_scorer
from pipeline.judging.token_ngrams import encoded
from pipeline.judging.trained_models import trained_scorer
from pipeline.models.lm_training import kenlm_tools
from pipeline.recipe.mixture import BUDGET_KEY
from pipeline.tables import show, table

NGRAMS = "ngrams"

ROOM = 4
"""Times its natural share that any part may have, without ``--tokens``."""

MAX_EPOCHS = 4.0
"""Most epochs of a part in the mixture that is found (Muennighoff et al., arXiv 2305.16264)."""

QUICK = {"mixtures": 3, "tokens": 1024, "draws": 2}
"""Settings of ``--quick``, which only shows that everything runs."""

QUICK_PASSAGES = 10


class Swarm(NamedTuple):
    """What is mixed, and how much of each part a mixture may have."""

    manifest: dict[str, Any]
    parts: list[Candidate]
    tokens: int  # of the draw on which a model is made
    natural: Floats
    caps: Floats
    seed: int

    def named(self, mixture: Floats) -> dict[str, float]:
        """Return the shares of a mixture by the names of the parts."""
        names = [part.name for part in self.parts]
        return dict(zip(names, mixture.tolist(), strict=True))


def swarm_of(output: str, tokens: int | None, seed: int) -> Swarm:
    """Read the parts of a run. Raises RunError where it has too few tokens for the draws."""
    manifest, parts = load_manifest(output), candidates_of([output], "domain")
    sizes = np.array([part.n_tokens for part in parts], np.float64)
    tokens = tokens or min(MAX_TOKENS, int(MAX_SHARE * sizes.sum() / ROOM))
    if not 0 < tokens <= MAX_SHARE * sizes.sum():
        raise RunError(
            f"--tokens {tokens}: give from 1 to {int(MAX_SHARE * sizes.sum()):,}, half of the run"
        )
    caps = np.minimum(MAX_SHARE * sizes / tokens, MAX_EPOCHS * sizes / manifest[BUDGET_KEY])
    if caps.sum() < 1:
        raise RunError(f"{output}: its budget takes more than {MAX_EPOCHS:g} epochs of all parts")
    return Swarm(manifest, parts, tokens, sizes / sizes.sum(), caps, seed)


def halves(text: HeldOut) -> tuple[HeldOut, HeldOut]:
    """Divide a text by documents, or by passages where it has few, into two halves."""
    is_second = text.unit % 2 == 1
    found = text.without(is_second), text.without(~is_second)
    for half in found:
        check_enough(half, f"{text.name}: in half of it, ")
    return found


def losses_of(
    swarm: Swarm, mixtures: Floats, texts: Sequence[HeldOut], scorer: Scorer,
    only: range | None = None,
) -> Floats:  # fmt: skip
    """Return bits per byte of [mixture, text], by a model of a draw of each mixture.

    All draws take documents in one order. With ``only``, the other mixtures have no figures.
    """
    wanted = [part_tokens(swarm.parts, swarm.named(one), swarm.tokens) for one in mixtures]
    orders, ids = [], []
    index = PassageIndex(texts)
    for part, most in zip(swarm.parts, np.max(wanted, 0).tolist(), strict=True):
        show_progress(f"reading {part.name}")
        orders.append(draw(part, most, swarm.seed))
        ids.append(tokens_of(part, orders[-1]))
        index.see(load_piece_table(part.manifest), ids[-1].values())
    left = [text.without(out) for text, out in zip(texts, index.removed(), strict=True)]
    encoder = encoder_of(swarm.parts[0])
    passages = [encoded(text.passages, encoder) for text in left]
    n_bytes = [sum(len(passage.encode()) for passage in text.passages) for text in left]
    losses: npt.NDArray[np.float64] = np.full((len(mixtures), len(texts)), np.nan)
    for number in only if only is not None else range(len(mixtures)):
        show_progress(f"mixture {number + 1} of {len(mixtures)}")
        documents = [
            taken
            for i, part in enumerate(swarm.parts)
            for taken in cut_to(part, wanted[number][i], orders[i], ids[i])
        ]
        marks = marks_of(swarm.parts[0], encoder)
        scored = scorer.score(Draw(documents, encoder.vocabulary_size, *marks), passages)
        losses[number] = [bits.sum() / n for bits, n in zip(scored.bits, n_bytes, strict=True)]
    return losses


def found_by(
    swarm: Swarm, mixtures: Floats, losses: Floats, texts: Sequence[HeldOut],
    scorer: Scorer, n_draws: int,
) -> dict[str, Any]:  # fmt: skip
    """Fit the losses and compare the best mixture on held-out text; returns plain values."""
    fit = fitted(mixtures, losses)
    best = optimum(fit, swarm.natural, swarm.caps, np.random.default_rng(swarm.seed + 1))
    of_run = run_parts(swarm.manifest)
    best = rounded(best, swarm.caps, digits_of(of_run))
    own = {part.name: part.share for part in of_run}
    compared = {
        "the swarm's": swarm.named(best),
        "natural": swarm.named(swarm.natural),
        "the run's": {part.name: own[part.name] for part in swarm.parts},
    }
    judged = compare_mixtures(
        swarm.parts, compared, texts, scorer, n_draws=n_draws, seed=swarm.seed + 1,
        tokens=swarm.tokens, progress=show_progress,
    )  # fmt: skip
    return {
        "tokens": swarm.tokens,
        "mixtures": mixtures.tolist(),
        "losses": losses.tolist(),
        "rank_correlation": {
            text.name: rank_correlation(fit.left_out[:, i].tolist(), losses[:, i].tolist())
            for i, text in enumerate(texts)
        },
        "compared": compared,
        "judged": judged,
    }


def verdicts(judged: Mapping[str, Any]) -> list[str]:
    """Say how the mixture that was found does beside each of the others."""
    lines = []
    for pair in judged["results"][MEAN]["pairs"]:
        names = pair["better"], pair["worse"]
        if "the swarm's" not in names:
            continue
        other = names[names[0] == "the swarm's"]
        is_better = names[0] == "the swarm's"
        certainty = pair["certainty"] if is_better else 1 - pair["certainty"]
        lines.append(
            f"The swarm's mixture is {'better' if is_better else 'worse'} than {other!r} by "
            f"{pair['difference']:.4f} bits a byte ({pair['low']:.4f} to {pair['high']:.4f}); "
            f"certainty that it is better: {certainty:.3f}"
        )
    return lines


def show_found(found: Mapping[str, Any]) -> None:
    """Print the mixtures that were compared, how good the fit is, and the comparison."""
    compared = found["compared"]
    rows = [[part, *(round(one[part], 4) for one in compared.values())]
            for part in compared["natural"]]  # fmt: skip
    n_mixtures = len(found["mixtures"])
    title = f"By {n_mixtures} mixtures, a model of {found['tokens']:,} tokens each"
    show(table(title, ["part", *compared], rows), "")
    for text, correlation in found["rank_correlation"].items():
        show(f"{text}: rank correlation of losses and what the others predict: {correlation:.2f}")
    show("", "On the other half of the held-out texts:", "")
    show_judgement(found["judged"])
    show("", *verdicts(found["judged"]))


def share_of(value: str) -> tuple[int, int]:
    """Parse K/N. Raises an error of argparse where it is not of that form."""
    first, _, second = value.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise argparse.ArgumentTypeError(f"{value!r} is not of the form K/N, K from 1 to N")
    return int(first), int(second)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", metavar="OUT", help="the output folder of a run")
    parser.add_argument("--held_out", nargs="+", required=True, type=named_file,
                        metavar="NAME=FILE", help="as for 'corpus judge'")  # fmt: skip
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER",
                        help="keep scores and unfinished trainings there")  # fmt: skip
    parser.add_argument("--mixtures", type=int, default=64, metavar="N",
                        help="mixtures that get a model (default: 64)")  # fmt: skip
    parser.add_argument("--model", choices=[*MODELS, NGRAMS], default=MODELS[0],
                        help=f"the kind of model (default: {MODELS[0]})")  # fmt: skip
    parser.add_argument("--tokens", type=int, metavar="N",
                        help="tokens of each model (default: an eighth of the run, at most 5 "
                        "million)")  # fmt: skip
    parser.add_argument("--draws", type=int, default=3, metavar="N",
                        help="draws of each mixture in the comparison (default: 3)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--share", type=share_of, metavar="K/N",
                        help="make the models of every Nth mixture from the Kth on, and stop: for "
                        "several GPUs")  # fmt: skip
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the recipe with the mixture")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--quick", action="store_true", help="see in a minute that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    if options.mixtures < 3 or options.draws < 2:
        parser.error("give three --mixtures and two --draws at the least")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parse(arguments)
    swarm = swarm_of(options.output, options.tokens, options.seed)
    texts = [halves(read_held_out(name, file)) for name, file in options.held_out]
    if options.quick:
        texts = [(_beginning(one), _beginning(two)) for one, two in texts]
    kind = (
        ngram_scorer(kenlm_tools(None))
        if options.model == NGRAMS
        else trained_scorer(options.model, options.seed, options.work, train_here)
    )
    scorer = kept_in(options.work, kind)
    generator = np.random.default_rng(options.seed)
    mixtures = random_mixtures(options.mixtures, swarm.natural, swarm.caps, generator)
    only = None
    if options.share:
        first, step = options.share
        only = range(first - 1, options.mixtures, step)
    losses = losses_of(swarm, mixtures, [one for one, _ in texts], scorer, only)
    if only is not None:
        return
    found = found_by(swarm, mixtures, losses, [two for _, two in texts], scorer, options.draws)
    show_found(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    if options.to:
        note = f"Proportions by benchmarks/swarm.py. {kind.meaning}"
        options.to.write_bytes(recipe_with(swarm.manifest, found["compared"]["the swarm's"], note))


def _beginning(text: HeldOut) -> HeldOut:
    return text.without(np.arange(len(text.passages)) >= QUICK_PASSAGES)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
