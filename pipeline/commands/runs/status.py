"""The command ``corpus status``: how far a run is. It imports no Beam."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.common import add_output_command, print_json


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    add_output_command(commands, "status", _command_status,
                       "how far a run is: finished, at work or stopped, and how it goes on",
                       "0 finished, 1 not finished")  # fmt: skip


def _command_status(options: argparse.Namespace) -> int:
    from pipeline.inspection.status import status

    found = status(options.output)
    ended = 0 if found["state"] == "finished" else 1
    if options.json:
        print_json(found)
        return ended
    from pipeline.tables import show, table

    columns = ["source", "shards", "done", "bytes of input", "done"]
    keys = ("shards", "shards_done", "bytes", "bytes_done")
    rows = [[name, *(counts[key] for key in keys)] for name, counts in found["sources"].items()]
    rows.append(["all", *(sum(row[i] for row in rows) for i in range(1, len(columns)))])
    show(table(f"{options.output}: {found['state']}", columns, rows))
    for name, n_bytes in found["passes"].items():
        show(f"pass {name}: {n_bytes / 1e6:,.1f} MB read by the newest command")
    if found["error"]:
        show(f"what stopped it: {found['error']}")
    if found["state"] == "stopped":
        show(f"to go on from here: {found['go_on'] or 'give the command of the run again'}")
    return ended
