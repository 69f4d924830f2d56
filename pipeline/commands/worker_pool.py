"""The command ``corpus worker-pool``, which starts Python workers for Spark executors."""

from __future__ import annotations

import argparse
import logging
from typing import Any

DEFAULT_PORT = 50_000
"""Port at which Spark executors ask for workers."""

WORKERS_NEED = (
    "pipeline.passes.shards.build",
    "pipeline.passes.first.first_passes",
    "pipeline.models.sample",
)
"""Modules that a pool imports once for all its workers; with them come readers and tokenizer."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "start Python workers for the Spark executors of this machine, until it is ended"
    one: argparse.ArgumentParser = commands.add_parser("worker-pool", help=text, description=text)
    one.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N",
                     help="port at which executors ask for workers, 0 for any free one "
                     f"(default: {DEFAULT_PORT})")  # fmt: skip
    one.add_argument("--log", default="workers.log", metavar="FILE",
                     help="log file of the workers (default: workers.log)")  # fmt: skip
    one.set_defaults(function=_command_worker_pool)


def _command_worker_pool(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.ERROR)  # Beam warns at its import of clouds not used
    from pipeline.runners.worker_pool import serve

    serve(options.port, options.log, WORKERS_NEED)
    return 0
