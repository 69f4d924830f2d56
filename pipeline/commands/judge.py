"""The command ``corpus judge``, which compares runs by small models. It imports no Beam."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shtab

from pipeline.commands.common import print_json

DRAWS = 5
"""Draws of every candidate without ``--draws``."""

MODELS = ("10M", "100M")
"""Sizes of the trainer's models that ``--model`` takes."""

SHOWN_PAIRS = 12
"""Most pairs that are named as not told apart; ``--json`` has all."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "compare runs, or parts of one, by how like held-out texts they are; no GPU is needed"
    one: argparse.ArgumentParser = commands.add_parser("judge", help=text, description=text)
    outputs = one.add_argument("outputs", nargs="+", metavar="OUT",
                               help="the output folders of runs")  # fmt: skip
    outputs.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    one.add_argument("--held_out", nargs="+", required=True, type=named_file, metavar="NAME=FILE",
                     help="held-out texts: JSON lines with a field 'text', or plain text; FILE "
                     "may be a pattern")  # fmt: skip
    one.add_argument("--by", choices=["source", "domain", "bucket", "step"],
                     help="compare parts of the runs; by step: what each step dropped with what "
                     "was kept")  # fmt: skip
    one.add_argument("--tokens", type=int, metavar="N",
                     help="tokens of each draw (default: half of the smallest candidate, at most "
                     "5 million)")  # fmt: skip
    one.add_argument("--draws", type=int, default=DRAWS, metavar="N",
                     help="draws of each candidate, two at the least (default: 5)")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, metavar="N",
                     help="another seed draws other documents (default: 0)")  # fmt: skip
    one.add_argument("--model", choices=list(MODELS),
                     help="train a model of this size on each draw, in place of n-gram models; "
                     "this needs PyTorch")  # fmt: skip
    add_kenlm(one)
    work = one.add_argument("--work", metavar="FOLDER",
                            help="keep scores and unfinished trainings in this folder: the same "
                            "command goes on where it was stopped")  # fmt: skip
    work.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    one.add_argument("--json", action="store_true", help="print JSON")
    one.add_argument("--html", metavar="FILE", help="write a page with plots")
    one.set_defaults(function=_command_judge, ends_by_sigterm=True)  # which ends its trainer too


def add_kenlm(one: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of KenLM's programs."""
    folder = one.add_argument("--kenlm", metavar="FOLDER",
                              help="folder of KenLM's programs lmplz and build_binary")  # fmt: skip
    folder.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def named_file(value: str) -> tuple[str, str]:
    """Parse NAME=FILE. Raises an error of argparse where it is not of that form."""
    name, equals, file = value.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(f"{value!r} is not of the form NAME=FILE")
    return name, file


def check_names(pairs: Sequence[tuple[str, str]], option: str) -> None:
    """Raise ValueError where a name is given twice."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{option} {name}=...: two texts have this name")


def show_progress(line: str) -> None:
    """Print what is being done to the standard error."""
    print(f"{line} ...", file=sys.stderr, flush=True)


def _command_judge(options: argparse.Namespace) -> int:
    from pipeline.judging.candidates import candidates_of
    from pipeline.judging.certainty import MEAN
    from pipeline.judging.held_out import read_held_out
    from pipeline.judging.judge import field_of, judge
    from pipeline.judging.scorers import kept_in, ngram_scorer
    from pipeline.judging.trained_models import trained_scorer
    from pipeline.models.lm_training import kenlm_tools

    check_names(options.held_out, "--held_out")
    if MEAN in dict(options.held_out):
        raise ValueError(f"--held_out {MEAN}=...: the mean of all texts has this name")
    if options.draws < 2:
        raise ValueError(f"--draws {options.draws}: intervals need two draws at the least")
    if options.by is None and len(options.outputs) == 1:
        raise ValueError("one run alone compares with nothing: give another run, or --by")
    work = Path(options.work) if options.work else None
    if options.model:
        scorer = trained_scorer(options.model, options.seed, work)
    else:
        scorer = ngram_scorer(kenlm_tools(options.kenlm))
    if work:
        scorer = kept_in(work, scorer)
    candidates = candidates_of(options.outputs, options.by)
    field = field_of(candidates, options.tokens, are_parts=options.by is not None)
    held_out = [read_held_out(name, file) for name, file in options.held_out]
    judgement = judge(
        field, held_out, scorer, n_draws=options.draws, seed=options.seed, progress=show_progress
    )
    if options.html:
        from pipeline.judging.page import render

        order = order_lines(judgement["results"][MEAN], judgement["level"])
        Path(options.html).write_text(render(judgement, order), "utf-8")
    if options.json:
        return print_json(judgement)
    show_judgement(judgement)
    return 0


def show_judgement(judgement: Mapping[str, Any]) -> None:
    """Print a comparison: the figures, the order, the held-out texts, and what is measured."""
    from pipeline.judging.certainty import MEAN
    from pipeline.tables import show, table

    results = judgement["results"]
    names = [*(text["name"] for text in judgement["held_out"]), MEAN]
    if len(names) == 2:
        names = names[:1]
    rows = [
        [candidate, *(_figure(results[name]["figures"][candidate]) for name in names)]
        for candidate in results[MEAN]["order"]
    ]
    title = (
        f"Bits per byte, fewer are better: {judgement['draws']} draws of "
        f"{judgement['tokens']:,} tokens, {judgement['level']:.0%} intervals"
    )
    show(table(title, ["candidate", *names], rows), "")
    show(*order_lines(results[names[-1]], judgement["level"]), "")
    texts = [
        [text["name"], text["documents"], text["passages"], text["bytes"],
         text["removed_passages"], text["intervals_over"]]
        for text in judgement["held_out"]
    ]  # fmt: skip
    columns = ["held-out text", "documents", "passages", "bytes", "taken out", "intervals over"]
    shared = f"taken out: passages with {judgement['n_gram_words']} words in a row of a candidate"
    show(table(f"Held-out texts ({shared})", columns, texts), "")
    if judgement["left_out"]:
        small = ", ".join(f"{one['name']} ({one['tokens']:,})" for one in judgement["left_out"])
        show(f"Left out, for too few tokens: {small}", "")
    show(judgement["meaning"])


def order_lines(result: Mapping[str, Any], level: float) -> list[str]:
    """Return what is said of an order: how certain each place is, and who is not told apart."""
    certain = {(pair["better"], pair["worse"]): pair for pair in result["pairs"]}
    lines = ["Order, the most like the held-out text first:"]
    for place, name in enumerate(result["order"], 1):
        after = result["order"][place : place + 1]
        pair = certain[name, after[0]] if after else None
        ahead = f", ahead of the next with certainty {pair['certainty']:.3f}" if pair else ""
        lines.append(f"{place:>3}. {name}{ahead}")
    unclear = [f"{p['better']} and {p['worse']}" for p in result["pairs"] if not p["told_apart"]]
    if unclear:
        more = [f"{len(unclear) - SHOWN_PAIRS} more pairs"] if len(unclear) > SHOWN_PAIRS else []
        lines.append(f"Not told apart at {level:.0%}: {'; '.join(unclear[:SHOWN_PAIRS] + more)}")
    else:
        lines.append(f"All are told apart at {level:.0%}.")
    return lines


def _figure(figure: Mapping[str, float]) -> str:
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['bits_per_byte']:.3f} ±{half:.3f}"
