"""The command ``corpus``: everything but the main job, one family of commands a module.

A family has a function ``add_commands``, which adds its commands to the parser. Its modules are
imported when a command of it runs, so that each command starts with no more than it needs.
"""

from __future__ import annotations

import argparse
import logging
import sys

from pipeline.commands import (
    completion,
    diff,
    documents,
    export,
    look,
    report,
    serve,
    tokenizer,
    trace,
    training,
    worker_pool,
)
from pipeline.files import storage


def command_parser() -> argparse.ArgumentParser:
    """Make the parser of ``corpus`` with all its commands."""
    parser = argparse.ArgumentParser(
        prog="corpus",
        description="Look at the output of a run, and make what a run needs.",
        epilog="exit status: 0 done or found, 1 nothing found, different or damaged, 2 a mistake",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for family in (look, documents, diff, report, serve, export, tokenizer, training, trace):
        family.add_commands(commands)
    worker_pool.add_commands(commands)
    completion.add_commands(commands, parser)
    for one in commands.choices.values():
        one.epilog = one.epilog or "exit status: 0 done, 2 a mistake"
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 where it found damage, 2 on mistakes.

    A command's function takes the parsed options and returns its exit status; a ValueError of its
    is a user's mistake, told in one line, and so is a file that cannot be read or written. A
    command that runs pipelines finds the options for Beam in ``beam_arguments``; what stops it
    otherwise is told in a line as well, and it can go on.
    """
    parser = command_parser()
    options, others = parser.parse_known_args(arguments)
    runs_pipelines = getattr(options, "takes_beam_options", False)
    if runs_pipelines:
        options.beam_arguments = others
        storage.take_beam_options(others)
        # Beam warns at its import of clouds that are not used.
        logging.basicConfig(level=logging.ERROR)
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        if runs_pipelines:
            from pipeline.runners.beam_options import check_beam_arguments

            check_beam_arguments(others, vars(options), options.runner)
        return int(options.function(options))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if not runs_pipelines and isinstance(error, OSError):
            print(f"error: {error}", file=sys.stderr)
            return 2
        if not runs_pipelines:
            raise
        from pipeline.runners.stops import note_stop

        print(note_stop(options.output, error), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
