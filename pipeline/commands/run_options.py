"""Options of every command that runs pipelines: which recipe, and on which runner.

Beam, readers and steps are imported only when they are needed, so that parsing is fast.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.recipe.recipe import Recipe


RUN_STATUS = "exit status: 0 done, 1 stopped in the middle, 2 a mistake"
"""Exit statuses of a command that runs pipelines, for its help text.

After the status 1 the same command can be given again, and it continues.
"""


def add_run_options(parser: argparse.ArgumentParser, recipe: str | None = None) -> None:
    """Add the options to a parser. ``recipe`` is the default; without one, --recipe is required.

    The parsed options have ``takes_beam_options`` set: options unknown to the parser go to Beam.
    """
    parser.set_defaults(takes_beam_options=True)
    parser.add_argument("--recipe", default=recipe, required=recipe is None, metavar="FILE",
                        help="the recipe" + (" (default: the demo)" if recipe else ""))  # fmt: skip
    parser.add_argument("--sources", metavar="A,B", help="only these of the recipe's sources")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                        help="fill a variable of the recipe, or override a value by its dotted "
                        "name; may be given several times")  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N",
                        help="processes on the DirectRunner and on a local Spark master "
                        "(default: one a core)")  # fmt: skip
    parser.add_argument("--memory_bytes", type=float, metavar="N",
                        help="memory that the DirectRunner may fill with the shuffle "
                        "(default: what is free now)")  # fmt: skip
    parser.add_argument("--runner", default="DirectRunner",
                        help="Beam runner: DirectRunner (default), SparkRunner, ...")  # fmt: skip


def recipe_of(options: argparse.Namespace, *, check_files: bool = True) -> Recipe:
    """Load the recipe that the options name. For ``check_files`` see :func:`load_recipe`."""
    from pipeline.recipe.from_yaml import load_recipe

    sources = options.sources.split(",") if options.sources else None
    recipe = load_recipe(options.recipe, options.settings, sources, check_files=check_files)
    if options.runner == "DataflowRunner":
        from pipeline.runners.dataflow import check_paths

        check_paths(recipe, with_files=check_files)
    return recipe
