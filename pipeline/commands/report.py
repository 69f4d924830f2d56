"""The command ``corpus report``, which writes a run's report again. It imports no Beam."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.common import add_output_command, print_json


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "write the report of a run, one HTML page, and its data card"
    one = add_output_command(commands, "report", _command_report, text)
    one.add_argument("--to", metavar="FILE", help="write the page alone, there")


def _command_report(options: argparse.Namespace) -> int:
    from pipeline.report.files import write_page, write_report

    if options.to is None:
        written = write_report(options.output)
    else:
        write_page(options.output, options.to)
        written = [options.to]
    if options.json:
        return print_json({"files": written})
    print("\n".join(written))
    return 0
