"""The command ``corpus completion``, which prints the completion script for a shell."""

from __future__ import annotations

import argparse
from typing import Any

import shtab


def add_commands(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add the command to the parser of ``corpus``; its script completes that parser's commands."""
    text = "print what makes a shell complete commands and options"
    one = commands.add_parser(
        "completion", help=text, description=text,
        epilog='switch it on with: eval "$(corpus completion bash)"',
    )  # fmt: skip
    one.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)

    def print_completion(options: argparse.Namespace) -> int:
        print(shtab.complete(parser, options.shell))
        return 0

    one.set_defaults(function=print_completion)
