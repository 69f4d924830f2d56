"""The command ``corpus mix``, which gives a finished run another mixture. It imports no Beam."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands.common import add_output_command, print_json
from pipeline.commands.run_options import add_recipe_changes

if TYPE_CHECKING:
    from pipeline.output.mixtures import NewMixture

SHOWN_CHANGES = 20
"""Most changes of a mixture that are printed."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "give a finished run another mixture: a new manifest over the same shards"
    one: argparse.ArgumentParser = add_output_command(commands, "mix", _command_mix, text)
    one.add_argument("--recipe", required=True, metavar="FILE",
                     help="the run's recipe, with other proportions or another budget")  # fmt: skip
    add_recipe_changes(one)
    one.add_argument("--name", metavar="NAME",
                     help="name of the mixture (default: mixture- and a number)")  # fmt: skip
    one.add_argument("--no_report", action="store_true",
                     help="leave the report to 'corpus report'")  # fmt: skip


def _command_mix(options: argparse.Namespace) -> int:
    from pipeline.output.mixtures import change_mixture
    from pipeline.output.output_folder import changing
    from pipeline.recipe.from_yaml import load_recipe

    recipe = load_recipe(options.recipe, options.settings, options.sources, check_files=False)
    with changing(options.output):
        mixture = change_mixture(options.output, recipe, options.name)
    if mixture.changes and not options.no_report:
        from pipeline.report.files import write_report

        write_report(options.output)
    if options.json:
        return print_json(mixture._asdict())
    print("\n".join(mixture_lines(options.output, mixture)))
    return 0


def mixture_lines(output: str, mixture: NewMixture) -> Sequence[str]:
    """Return what is printed of a run's new mixture, a line each."""
    if not mixture.changes:
        return [f"{output} has this mixture already; it is {mixture.name}"]
    left = len(mixture.changes) - SHOWN_CHANGES
    return [
        f"{output} has a new mixture, {mixture.name}; no shard was changed",
        *(f"  {change}" for change in mixture.changes[:SHOWN_CHANGES]),
        *([f"  and {left} more changes"] if left > 0 else []),
        f"The one before it stays as {mixture.earlier}: a trainer takes it with "
        f"--mixture {mixture.earlier}",
    ]
