"""The command ``corpus repair``, which builds damaged shards of a finished run again."""

from __future__ import annotations

import argparse
from typing import Any

import shtab

from pipeline.commands.common import print_json
from pipeline.commands.run_options import RUN_STATUS, add_workers
from pipeline.commands.runs.run import MISTAKES


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "build the damaged or missing shards of a finished run again, and no other"
    one = commands.add_parser("repair", help=text, description=text, epilog=RUN_STATUS)
    output = one.add_argument("output", metavar="OUT", help="the output folder of a finished run")
    output.complete = shtab.DIRECTORY
    add_workers(one)
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(function=_command_repair, mistakes=MISTAKES, takes_beam_options=True,
                     runner="DirectRunner", memory_bytes=None)  # fmt: skip


def _command_repair(options: argparse.Namespace) -> int:
    from pipeline.passes.repair import recipe_of, repair
    from pipeline.runners.choose import execution

    recipe = recipe_of(options.output)
    how = execution(options, options.beam_arguments, options.output, recipe)
    built = repair(options.output, recipe, how)
    if options.json:
        return print_json({"built": built})
    print(
        f"{options.output}: built again: {', '.join(built)}"
        if built
        else f"{options.output}: no shard is damaged; 'corpus verify' checks all other files"
    )
    return 0
