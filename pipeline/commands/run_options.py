"""Options of every command that runs pipelines: which recipe, and on which runner."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.recipe.recipe import Recipe
    from pipeline.runners.execution import Execution

RUN_STATUS = "exit status: 0 done, 1 stopped in the middle, 2 a mistake, 130 stopped by Ctrl-C"
"""Exit statuses of a command that runs pipelines, for its help text.

After the status 1 or 130 the same command can be given again, and it continues.
"""


def add_run_options(parser: argparse.ArgumentParser, recipe: str | None = None) -> None:
    """Add the options to a parser. ``recipe`` is the default; without one, --recipe is required.

    The parsed options have ``takes_beam_options`` set: options unknown to the parser go to Beam.
    """
    parser.set_defaults(takes_beam_options=True)
    parser.add_argument("--recipe", default=recipe, required=recipe is None, metavar="FILE",
                        help="the recipe" + (" (default: the demo)" if recipe else ""))  # fmt: skip
    add_recipe_changes(parser)
    parser.add_argument("--workers", type=int, metavar="N",
                        help="processes on the DirectRunner and on a local Spark master "
                        "(default: one a core, or none for little work)")  # fmt: skip
    parser.add_argument("--memory_bytes", type=float, metavar="N",
                        help="memory that the DirectRunner may fill with the shuffle "
                        "(default: what is free now)")  # fmt: skip
    parser.add_argument("--runner", default="DirectRunner",
                        help="Beam runner: DirectRunner (default), SparkRunner, ...")  # fmt: skip


def add_recipe_changes(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose sources of a recipe and override its values."""
    parser.add_argument("--sources", type=_names, metavar="A,B",
                        help="only these of the recipe's sources")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                        help="fill a variable of the recipe, or override a value by its dotted "
                        "name; may be given several times")  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the number of processes of a command that runs on this machine alone."""
    parser.add_argument("--workers", type=int, metavar="N",
                        help="processes (default: one a core, or none for little "
                        "work)")  # fmt: skip


def add_making_command(
    commands: Any, name: str, function: Any, text: str
) -> argparse.ArgumentParser:
    """Add a command that makes something of a recipe's documents, with a card.

    ``text`` is its help text.
    """
    one: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False, epilog=RUN_STATUS
    )
    add_run_options(one)
    one.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    one.add_argument("--start_over", action="store_true", help="remove what is there already")
    one.add_argument("--json", action="store_true", help="print the card as JSON")
    one.set_defaults(function=function)
    return one


def recipe_and_execution(options: argparse.Namespace) -> tuple[Recipe, Execution]:
    """Load the recipe that the options name, and say how its pipelines run.

    It is for commands that make what recipes read: models that the recipe names may be missing.
    """
    # Imported here, with Beam, readers and steps, so that a command line is read at once.
    from pipeline.recipe.from_yaml import load_recipe
    from pipeline.runners.choose import execution

    recipe = load_recipe(options.recipe, options.settings, options.sources, check_files=False)
    arguments = options.beam_arguments, options.output
    return recipe, execution(options, *arguments, recipe, with_files=False)


def _names(text: str) -> list[str] | None:
    return text.split(",") if text else None
