"""Options and printing functions that several commands share."""

from __future__ import annotations

import argparse
import json
from typing import Any

import shtab


def add_output_command(
    commands: Any, name: str, function: Any, text: str, status: str = "0 done"
) -> argparse.ArgumentParser:
    """Add a command that reads a run's output folder.

    ``text`` is its help text; ``status`` describes its exit statuses for the help text.
    """
    one: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=f"exit status: {status}, 2 a mistake"
    )
    output = one.add_argument("output", metavar="OUT", help="the output folder of a run")
    output.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(function=function)
    return one


def add_choice_of_document(one: argparse.ArgumentParser) -> None:
    """Add the arguments that name one document of a shard."""
    one.add_argument("shard", nargs="?", metavar="SHARD",
                     help="a shard as 'corpus ls' names it; not needed with --id")  # fmt: skip
    which = one.add_mutually_exclusive_group()
    which.add_argument(
        "n", nargs="?", type=int, metavar="N", help="number of the document (default: 0)"
    )
    which.add_argument("--id", help="id of the document")
    which.add_argument("--random", action="store_true", help="a random document")


def record_rows(record: dict[str, Any]) -> list[list[str]]:
    """Return a document's record as rows for a table: column and value, nulls left out.

    The id is left out too: it stands above the table, whole on a line, to be copied.
    """
    return [
        [name, json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)]
        for name, value in record.items()
        if value is not None and name != "id"
    ]


def print_json(value: Any) -> int:
    """Print a value as JSON; returns the exit status 0."""
    print(json.dumps(value, ensure_ascii=False, indent=1))
    return 0
