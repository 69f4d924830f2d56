"""The program ``corpus``, and ``beam_runner.py``, which is one command of it.

Each module of this package has a function ``add_commands``, which adds its commands to the parser.
The code behind a command is imported when that command runs, so each starts with the imports that
it needs and no others.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from pipeline.commands import (
    completion,
    cutoffs,
    diff,
    documents,
    export,
    judge,
    look,
    mix,
    report,
    serve,
    tokenizer,
    trace,
    training,
    weights,
    worker_pool,
)
from pipeline.commands.indexes import index
from pipeline.commands.program import (
    INTERRUPTED,
    interrupted,
    noted_interrupts,
    survive_closed_pipes,
)
from pipeline.commands.runs import init, repair, run, status
from pipeline.errors import TOLD_ERRORS, nearest
from pipeline.files import storage


def command_parser() -> argparse.ArgumentParser:
    """Make the parser of ``corpus`` with all its commands."""
    parser = argparse.ArgumentParser(
        prog="corpus",
        description="Look at the output of a run, and make what a run needs.",
        epilog="exit status: 0 done or found, 1 nothing found, different or damaged, 2 a mistake",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for family in (
        init,
        run,
        status,
        repair,
        look,
        documents,
        diff,
        report,
        serve,
        export,
        mix,
        index,
        cutoffs,
        judge,
        weights,
        tokenizer,
        training,
        trace,
    ):
        family.add_commands(commands)
    worker_pool.add_commands(commands)
    completion.add_commands(commands, parser)
    for one in commands.choices.values():
        one.epilog = one.epilog or "exit status: 0 done, 2 a mistake"
    return parser


def main(arguments: list[str] | None = None, *, command: str | None = None) -> int:
    """Run the command; returns the exit status, 2 for a user's mistake.

    ``command`` is the command where the program is one alone, as ``beam_runner.py`` is.

    The function of a command takes the parsed options and returns the exit status. A ValueError
    that it raises is a user's mistake and is printed in one line, and so is an OSError; a command
    may say in ``options.mistakes`` which errors are. A command that runs pipelines gets the options
    for Beam in ``options.beam_arguments``. Any other error of such a command is printed in one line
    too, since the command can be given again to continue; so is a ValueError of its workers.
    After Ctrl-C the status is 130. After SIGTERM it is 143, where ``ends_by_sigterm`` of the parsed
    options lets the command end first what it has started. A pipe that is closed at its other end
    changes no status.
    """
    parser = command_parser()
    words = [
        *([] if command is None else [command]),
        *(sys.argv[1:] if arguments is None else arguments),
    ]
    if wrong := _unknown_command(parser, words):
        print(f"error: there is no command {wrong}", file=sys.stderr)
        return 2
    options, others = parser.parse_known_args(words)
    runs_pipelines = getattr(options, "takes_beam_options", False)
    if runs_pipelines:
        options.beam_arguments = others
        storage.take_beam_options(others)
        # Beam warns at its import of clouds that are not used.
        logging.basicConfig(level=logging.ERROR)
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if arguments is None:
        survive_closed_pipes()
    goes_on = runs_pipelines or bool(getattr(options, "work", None))
    with noted_interrupts(also_sigterm=getattr(options, "ends_by_sigterm", False)) as stopped_by:
        try:
            if others:
                from pipeline.runners.beam_options import check_beam_arguments

                check_beam_arguments(others, vars(options), options.runner)
            return int(options.function(options))
        except KeyboardInterrupt:
            return interrupted(arguments, goes_on=goes_on, status=stopped_by() or INTERRUPTED)
        except Exception as error:
            of_worker = runs_pipelines and _is_of_a_worker(error)
            if isinstance(error, getattr(options, "mistakes", ValueError)) and not of_worker:
                print(f"error: {error}", file=sys.stderr)
                return 2
            if stopped_by():
                return interrupted(arguments, goes_on=goes_on, status=stopped_by())
            if not runs_pipelines and isinstance(error, OSError):
                print(f"error: {error}", file=sys.stderr)
                return 2
            if not runs_pipelines:
                raise
            return _stopped(options.output, error)


def _is_of_a_worker(error: Exception) -> bool:
    """Tell whether a worker has raised an error, in this process: it is no mistake, but a stop."""
    return type(error).__name__ in TOLD_ERRORS


def _stopped(output: str, error: Exception) -> int:
    """Say what stopped a command with pipelines in the middle; return the exit status."""
    from pipeline.runners.stops import note_stop

    print(note_stop(output, error), file=sys.stderr)
    return 1


def _unknown_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> str:
    """Return a first word that is no command, with the nearest one; "" where it is one."""
    (commands,) = (one for one in parser._actions if one.dest == "command")
    known = list(commands.choices or ())
    word = arguments[0] if arguments else "-"
    return "" if word in known or word.startswith("-") else f"{word!r}{nearest(word, known)}"


if __name__ == "__main__":
    sys.exit(main())
