"""The command ``corpus weights``: proportions of sources and domains for target texts. No Beam."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.commands.common import add_output_command, print_json
from pipeline.commands.judge import (
    DRAWS,
    add_kenlm,
    check_names,
    named_file,
    show_judgement,
    show_progress,
)

SMOOTHING = 0.05
"""Share of natural sizes in the proportions without ``--smoothing``."""

MAX_EPOCHS = 4.0
"""Most epochs of a part without ``--max_epochs`` (Muennighoff et al., 2023, arXiv 2305.16264)."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "find proportions of sources and domains for a target, for 'corpus mix'"
    one = add_output_command(commands, "weights", _command_weights, text)
    one.add_argument("--target", nargs="+", required=True, type=named_file, metavar="NAME=FILE",
                     help="target texts: JSON lines with a field 'text', or plain text; FILE may "
                     "be a pattern")  # fmt: skip
    one.add_argument("--to", metavar="FILE", help="write the run's recipe with these proportions")
    one.add_argument("--tokens", type=int, metavar="N",
                     help="tokens of each part's model (default: those of the smallest part "
                     "of 20,000 or more, at most 5 million)")  # fmt: skip
    one.add_argument("--smoothing", type=float, default=SMOOTHING, metavar="SHARE",
                     help="share that natural sizes have in the proportions "
                     "(default: 0.05)")  # fmt: skip
    one.add_argument("--max_epochs", type=float, default=MAX_EPOCHS, metavar="N",
                     help="most epochs of a source or domain (default: 4)")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, metavar="N",
                     help="another seed draws other documents (default: 0)")  # fmt: skip
    add_kenlm(one)
    one.add_argument("--judge", action="store_true",
                     help="compare draws at these proportions with natural ones and the run's own, "
                     "on the targets")  # fmt: skip


def _command_weights(options: argparse.Namespace) -> int:
    from pipeline.files import storage
    from pipeline.inspection.manifest import load_manifest
    from pipeline.judging.candidates import candidates_of
    from pipeline.judging.certainty import MEAN
    from pipeline.judging.held_out import read_held_out
    from pipeline.judging.mixtures import compare_mixtures
    from pipeline.judging.run_parts import recipe_with, run_parts
    from pipeline.judging.scorers import NGRAMS_MEANING, ngram_scorer
    from pipeline.judging.weights import parts_of, target_weights
    from pipeline.models.lm_training import kenlm_tools

    check_names(options.target, "--target")
    if options.judge and MEAN in dict(options.target):
        raise ValueError(f"--target {MEAN}=...: the mean of all texts has this name")
    if not 0 <= options.smoothing <= 1:
        raise ValueError(f"--smoothing {options.smoothing}: give a share from 0 to 1")
    if not options.max_epochs > 0:
        raise ValueError(f"--max_epochs {options.max_epochs}: give more than 0")
    if options.to and storage.exists(options.to):
        raise ValueError(f"--to {options.to}: there is such a file already")
    tools = kenlm_tools(options.kenlm)
    manifest = load_manifest(options.output)
    candidates = candidates_of([options.output], "domain")
    parts, tokens = parts_of(candidates, options.tokens)
    targets = [read_held_out(name, file) for name, file in options.target]
    found = target_weights(
        manifest, parts, tokens, targets, tools, smoothing=options.smoothing,
        max_epochs=options.max_epochs, seed=options.seed, progress=show_progress,
    )  # fmt: skip
    if options.judge:
        mixtures = {
            "these": found["proportions"],
            "natural": found["natural"],
            "the run's": {part.name: part.share for part in run_parts(manifest)},
        }
        found["judged"] = compare_mixtures(
            candidates, mixtures, targets, ngram_scorer(tools), n_draws=DRAWS, seed=options.seed,
            progress=show_progress,
        )  # fmt: skip
    if options.to:
        note = f"Proportions by 'corpus weights'. {NGRAMS_MEANING}"
        Path(options.to).write_bytes(recipe_with(manifest, found["proportions"], note))
    if options.json:
        return print_json(found)
    _show(options, found)
    return 0


def _show(options: argparse.Namespace, found: Mapping[str, Any]) -> None:
    from pipeline.tables import show, table

    targets = found["targets"]
    rows = [
        [name, natural, *(round(t["weights"][name], 4) for t in targets), share]
        for (name, natural), share in zip(
            found["natural"].items(), found["proportions"].values(), strict=True
        )
    ]
    columns = ["part", "natural size", *(t["name"] for t in targets), "proportion"]
    title = f"Weights for the targets, by models of {found['tokens']:,} tokens a part"
    show(table(title, columns, rows), "")
    for target in targets:
        show(
            f"{target['name']}: {target['passages']:,} passages; {target['removed_passages']:,} "
            f"were taken out, for {found['n_gram_words']} words in a row of the run"
        )
    if found["without_model"]:
        show(f"Without a model, for too few tokens: {', '.join(found['without_model'])}")
    if "judged" in found:
        show(
            "", "Draws of the run at these proportions, at natural sizes, and at the run's own:", ""
        )
        show_judgement(found["judged"])
    else:
        show(found["meaning"])
    if options.to:
        show(
            f"{options.to} is the recipe with these proportions: "
            f"corpus mix {options.output} --recipe {options.to}"
        )
