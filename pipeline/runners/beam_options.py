"""A check of the command line's options for Beam, which finds misspelt ones."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from itertools import pairwise

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.errors import RunError
from pipeline.runners.names import DIRECT_RUNNERS, runner_name

SIMILAR = 0.8
"""Similarity, from 0 to 1, above which an unknown option counts as a misspelt known one."""


def check_beam_arguments(arguments: Sequence[str], own: Iterable[str], runner: str) -> None:
    """Raise RunError if one of ``arguments`` is an unknown option, or a word of no option.

    ``own`` are the names of the command's own options. On the DirectRunner, an option that Beam's
    Python package does not know is an error. Other runners have more options, in Java, so there
    only an option that resembles a known one is an error.
    """
    known = _options_of_beam()
    ours = {f"--{name}" for name in own}
    for before, argument in pairwise(["", *arguments]):
        is_value = before.startswith("--") and "=" not in before
        if not argument.startswith("-") and not is_value:
            raise RunError(
                f"{argument}: this word belongs to no option; several values of one have commas "
                "between them, as in --sources A,B"
            )
        option = argument.partition("=")[0]
        if option in known:
            continue
        meant = difflib.get_close_matches(option.replace("-", "_").replace("__", "--", 1),
                                          [*ours, *known], n=1, cutoff=SIMILAR)  # fmt: skip
        is_option = option.startswith("--")
        if is_option and (meant or runner_name(runner) in DIRECT_RUNNERS):
            advice = f"; did you mean {meant[0]}?" if meant else ""
            raise RunError(f"{option}: there is no such option{advice}")


def _options_of_beam() -> set[str]:
    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return set(parser._option_string_actions)
