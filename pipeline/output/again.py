"""The command that goes on with a run, to be told where one has stopped."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

COMMAND_NAME = "work/command.txt"
"""File with the command of a run that is not finished, in its output folder."""


def again(arguments: Sequence[str] | None = None) -> str:
    """Return the command to give again: this program with ``arguments``, or with its own.

    It is without ``--start_over``, which would not go on, but begin.
    """
    given = sys.argv[1:] if arguments is None else arguments
    program = Path(sys.argv[0])
    called = ["python", str(program)] if program.suffix == ".py" else [program.name]
    return shlex.join([*called, *(one for one in given if one != "--start_over")])
