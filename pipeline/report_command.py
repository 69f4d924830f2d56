"""The command ``corpus report``. Imports no Beam."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "write the report of a run, one HTML page, and its data card"
    one: argparse.ArgumentParser = commands.add_parser("report", help=text, description=text)
    one.add_argument("output", metavar="OUT", help="the output folder of a run")
    one.add_argument("--to", metavar="FILE", help="write the page alone, there")
    one.set_defaults(function=_command_report)


def _command_report(options: argparse.Namespace) -> int:
    from pipeline.report_files import write_page, write_report

    if options.to is None:
        print("\n".join(write_report(options.output)))
    else:
        write_page(options.output, options.to)
        print(options.to)
    return 0
