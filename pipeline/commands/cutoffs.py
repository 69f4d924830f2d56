"""The command ``corpus cutoffs``, which measures the cut-offs of a score on a sample."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.common import print_json
from pipeline.commands.run_options import add_making_command, recipe_and_execution


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "measure cut-offs that divide a source's tokens into equal buckets by a score"
    one = add_making_command(commands, "cutoffs", _command_cutoffs, text)
    one.add_argument("--source", required=True, metavar="NAME", help="the recipe's source")
    one.add_argument("--score", required=True, metavar="NAME",
                     help="perplexity, language_score, or a number of the metadata")  # fmt: skip
    one.add_argument("--quantiles", type=int, default=20, metavar="N",
                     help="buckets of equal numbers of tokens (default: 20)")  # fmt: skip
    one.add_argument("--sample_bytes", type=float, default=100e6, metavar="N",
                     help="text to measure on (default: 100e6)")  # fmt: skip


def _command_cutoffs(options: argparse.Namespace) -> int:
    from pipeline.models.model_card import card_path
    from pipeline.models.score_cutoffs import measure_cutoffs

    recipe, how = recipe_and_execution(options)
    card = measure_cutoffs(
        recipe,
        options.source,
        options.output,
        how,
        score=options.score,
        quantiles=options.quantiles,
        sample_bytes=int(options.sample_bytes),
        start_over=options.start_over,
        where=options.recipe,
    )
    if options.json:
        return print_json(card)
    from pipeline.tables import show, table

    measured = card["scores"]
    rows = [[i + 1, cutoff] for i, cutoff in enumerate(measured["cutoffs"])]
    title = (
        f"Cut-offs of {options.score}, on {measured['documents']:,} documents of "
        f"{measured['tokens']:,} tokens"
    )
    show(table(title, ["bucket that begins there", "score"], rows))
    show(f"\nThe card is {options.output}/{card_path(options.score)}")
    return 0
