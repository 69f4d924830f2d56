"""The command ``corpus trace``: the documents of a training step. Imports no PyTorch."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.inspect_command import print_json


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "name the documents of a training step"
    one: argparse.ArgumentParser = commands.add_parser("trace", help=text, description=text)
    one.add_argument("output", metavar="OUT", help="the output folder of a run, or its URL")
    one.add_argument("--step", type=int, required=True, metavar="N", help="from 0")
    one.add_argument("--batch_tokens", type=int, required=True, help="of a step, all ranks")
    one.add_argument("--sequence_length", type=int, required=True)
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--token_budget", type=int, help="default: the corpus's")
    one.add_argument("--cache", metavar="DIR", help="for the files of a corpus elsewhere")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(function=_command_trace)


def _command_trace(options: argparse.Namespace) -> int:
    from training.mixture import Mixture

    mixture = Mixture(
        options.output,
        sequence_length=options.sequence_length,
        seed=options.seed,
        token_budget=options.token_budget,
        cache=options.cache,
    )
    rows = [
        {"position": position, **span._asdict()}
        for position in mixture.positions_of_step(options.step, options.batch_tokens)
        for span in mixture.documents_of(position)
    ]
    if options.json:
        return print_json(rows)
    from pipeline.report import show, table

    columns = ["position", "source", "id", "begin", "end", "url"]
    title = f"Documents of step {options.step}, with the tokens of each that a sample holds"
    show(table(title, columns, [[row[name] for name in columns] for row in rows]))
    return 0
