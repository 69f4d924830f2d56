"""What of a command line goes to Beam, looked over for options that are misspelt."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.errors import RunError
from pipeline.runners.choose import DIRECT_RUNNERS

SIMILAR = 0.8


def check_beam_arguments(arguments: Sequence[str], own: Iterable[str], runner: str) -> None:
    """Raise RunError where one of ``arguments`` is an option of nobody, or nearly one of ours.

    ``own`` are the names of the command's options. The DirectRunner takes no option that Beam's
    Python does not know; other runners have more, in Java, which are let through unless they look
    like a misspelt one.
    """
    known = _options_of_beam()
    ours = {f"--{name}" for name in own}
    for argument in arguments:
        option = argument.partition("=")[0]
        if option in known:
            continue
        meant = difflib.get_close_matches(option.replace("-", "_").replace("__", "--", 1),
                                          [*ours, *known], n=1, cutoff=SIMILAR)  # fmt: skip
        is_option = option.startswith("--")
        if is_option and (meant or runner in DIRECT_RUNNERS):
            advice = f"; did you mean {meant[0]}?" if meant else ""
            raise RunError(f"{option}: there is no such option{advice}")


def _options_of_beam() -> set[str]:
    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return set(parser._option_string_actions)
