"""The command ``corpus init``, which writes a recipe for one's own files by looking at them."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

from pipeline.commands.common import print_json


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "write a recipe for your own files, by a look at them"
    one = commands.add_parser(
        "init", help=text, description=f"{text}: their formats, columns and languages"
    )
    one.add_argument("files", nargs="+", metavar="FILE|DIR", help="files, or folders with files")
    one.add_argument("--recipe", default="corpus.yaml", metavar="FILE",
                     help="the recipe to write (default: corpus.yaml)")  # fmt: skip
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(function=_command_init)


def _command_init(options: argparse.Namespace) -> int:
    from pipeline.starting.first_recipe import kept_languages, recipe_text
    from pipeline.starting.own_files import find, folder_of
    from pipeline.tables import show, table

    recipe = Path(options.recipe)
    if recipe.exists():
        raise ValueError(f"{recipe} is there already; give another --recipe, or remove it")
    if not recipe.resolve().parent.is_dir():
        raise ValueError(f"{recipe}: there is no folder {recipe.resolve().parent}")
    top = folder_of(options.files)
    sources, passed_over = find(options.files)
    output = f"out/{recipe.stem}"
    recipe.write_text(recipe_text(sources, str(top), options.recipe, output), encoding="utf-8")
    if options.json:
        found = [dataclasses.asdict(one) for one in sources]
        return print_json({"recipe": str(recipe), "sources": found, "passed_over": passed_over})
    rows = [
        [
            one.name,
            one.n_files,
            one.n_bytes,
            one.reader,
            one.columns.text if one.columns else "",
            ", ".join(kept_languages(one)),
        ]
        for one in sources
    ]
    columns = ["source", "files", "bytes", "reader", "text in", "languages"]
    show(table(f"What there is in {top}", columns, rows))
    for line in passed_over:
        print(f"passed over: {line}", file=sys.stderr)
    named = f"--recipe {shlex.quote(options.recipe)} --output {output}"
    show(
        f"\n{recipe} has a recipe for them, to read and change. Then:",
        f"  corpus run {named} --dry_run    what a run would do",
        f"  corpus run {named}              run it",
    )
    return 0
