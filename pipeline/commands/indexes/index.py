"""The commands ``corpus index merge`` and ``corpus index show``. They import no Beam."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.common import print_json


def add_commands(commands: Any) -> None:
    """Add the commands to the parser of ``corpus``."""
    text = "merge or show indexes that deduplications have written"
    parser: argparse.ArgumentParser = commands.add_parser("index", help=text, description=text)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="COMMAND")
    text = "make one index of several, the oldest first"
    merge = kinds.add_parser("merge", help=text, description=text)
    merge.add_argument("indexes", nargs="+", metavar="DIR",
                       help="folder of an index, as indexes/SOURCE/stepS of a run")  # fmt: skip
    merge.add_argument("--output", required=True, metavar="DIR",
                       help="folder to write, empty or not there")  # fmt: skip
    merge.set_defaults(function=_command_merge)
    text = "show what the card of an index says"
    show = kinds.add_parser("show", help=text, description=text)
    show.add_argument("index", metavar="DIR", help="folder of an index")
    show.set_defaults(function=_command_show)
    for one in (merge, show):
        one.add_argument("--json", action="store_true", help="print JSON")


def _command_merge(options: argparse.Namespace) -> int:
    from pipeline.output.merge_indexes import merge_indexes

    return _show(merge_indexes(options.indexes, options.output), options.output, options.json)


def _command_show(options: argparse.Namespace) -> int:
    from pipeline.output.merge_indexes import card_of

    return _show(card_of(options.index), options.index, options.json)


def _show(card: dict[str, Any], folder: str, as_json: bool) -> int:
    """Print a card. The files are in the JSON alone."""
    if as_json:
        return print_json(card)
    from pipeline.tables import show, table

    files = card["files"].values()
    rows: list[list[Any]] = [
        ["unit", card["unit"]],
        *(["made with", f"{name} = {value}"] for name, value in card["made_with"].items()),
        ["sources", ", ".join(card["sources"])],
        ["keys", card["keys"]],
        ["files", len(card["files"])],
    ]
    if documents := sum(one.get("documents", 0) for one in files):
        rows.append(["documents", documents])
    rows += [["merged", path] for path in card.get("merged", ())]
    show(table(folder, ["", ""], rows))
    return 0
