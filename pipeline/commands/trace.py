"""The command ``corpus trace``, which lists the documents of a training step. No PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipeline.commands.common import print_json

ORDER = ("batch_tokens", "sequence_length", "seed", "token_budget")
"""Options that, with the corpus, determine the order of samples in a training run."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "name the documents of a training step"
    one: argparse.ArgumentParser = commands.add_parser("trace", help=text, description=text)
    one.add_argument("output", metavar="OUT", help="the output folder of a run, or its URL")
    one.add_argument("--step", type=int, required=True, metavar="N", help="the first is 1")
    one.add_argument("--run", metavar="RUN", help="folder of a training run; without it, give:")
    one.add_argument("--batch_tokens", type=int, metavar="N", help="tokens of a step")
    one.add_argument("--sequence_length", type=int, metavar="N", help="tokens of a sample")
    one.add_argument("--seed", type=int, metavar="N", help="seed of the order")
    one.add_argument(
        "--token_budget",
        type=int,
        metavar="N",
        help="all tokens to train on (default: the recipe's)",
    )
    one.add_argument("--mixture", metavar="NAME", help="an earlier mixture (default: the newest)")
    one.add_argument("--packing_folder", metavar="DIR",
                     help="tables of packed samples, where the run was given such a "
                     "folder")  # fmt: skip
    one.add_argument("--cache", metavar="DIR", help="folder to copy a corpus from a URL to")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(function=_command_trace)


def _command_trace(options: argparse.Namespace) -> int:
    from training.data.mixture import Mixture
    from training.stages.staged_mixture import StagedMixture, stage_draws

    order = _order_of_run(options) if options.run else _order(options)
    mixture: Mixture | StagedMixture
    if "stages" in order:
        if options.mixture is not None:
            raise ValueError("--mixture: the run's stages say what each of them draws")
        mixture = StagedMixture(
            options.output,
            [stage_draws(described) for described in order["stages"]],
            batch_tokens=order["batch_tokens"],
            seed=order["seed"],
            cache=options.cache,
            packing=_packing(options, order),
        )
    else:
        mixture = Mixture(
            options.output,
            sequence_length=order["sequence_length"],
            seed=order["seed"],
            token_budget=order["token_budget"],
            cache=options.cache,
            mixture=options.mixture,
            packing=_packing(options, order),
        )
    if order.get("corpus", mixture.fingerprint) != mixture.fingerprint:
        raise ValueError(
            f"{options.run}: the run was on another corpus than {options.output}"
            + ("" if "stages" in order else ", or on another mixture of it: --mixture NAME")
        )
    rows = [
        {"position": position, **place, **span._asdict()}
        for position in mixture.positions_of_step(options.step, order["batch_tokens"])
        for place in [mixture.place_of(position) if isinstance(mixture, StagedMixture) else {}]
        for span in mixture.documents_of(position)
    ]
    if options.json:
        return print_json(rows)
    from pipeline.tables import show, table

    columns = ["position", "source", "domain", "id", "begin", "end", "url"]
    if not any(row["domain"] for row in rows):
        columns.remove("domain")
    if "stages" in order:
        columns[1:1] = ["stage", "epoch"]
    title = f"Documents of step {options.step}, with the tokens of each that a sample holds"
    show(table(title, columns, [[row[name] for name in columns] for row in rows]))
    return 0


def _packing(options: argparse.Namespace, order: dict[str, Any]) -> Path | None:
    """Return the folder with the tables of a run's packed samples; they are made if it has none."""
    from training.run_folder import PACKING_NAME

    if "packing" not in order:
        return None
    return Path(options.packing_folder or Path(options.run, PACKING_NAME))


def _order(options: argparse.Namespace) -> dict[str, Any]:
    order = {name: getattr(options, name) for name in ORDER}
    if None in (order[name] for name in ORDER if name != "token_budget"):
        raise ValueError("give --run, or --batch_tokens, --sequence_length and --seed")
    return order


def _order_of_run(options: argparse.Namespace) -> dict[str, Any]:
    from training.run_folder import read_run

    if given := [f"--{name}" for name in ORDER if getattr(options, name) is not None]:
        raise ValueError(f"--run knows what the run had: leave out {', '.join(given)}")
    run = read_run(Path(options.run))
    return {**run, "token_budget": run["steps"] * run["batch_tokens"]}
