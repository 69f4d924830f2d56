"""Run a recipe: from raw dumps to token shards, on any Beam runner.

    python beam_runner.py --runner=DirectRunner

runs the demo recipe on the bundled samples; ``--help`` lists the options. It is ``corpus run`` for
those who have a checkout: the command is in ``pipeline/commands/runs/run.py``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

OUTSIDE = (
    f"error: {sys.executable} has none of this project's packages: 'make demo' installs them, and "
    ".venv/bin/python is the Python to run this with"
)
"""Message for those who run this with a Python of another environment."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    if find_spec("apache_beam") is None:
        print(OUTSIDE, file=sys.stderr)
        return 2
    # Imported here, since another environment lacks what it imports.
    from pipeline.commands.main import main as corpus

    return corpus(arguments, command="run")


if __name__ == "__main__":
    sys.exit(main())
