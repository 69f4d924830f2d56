"""Run a recipe: from raw dumps to token shards, on any Beam runner.

    python beam_runner.py --runner=DirectRunner

runs the demo recipe on the bundled samples; ``--help`` lists the options. Options that are not
listed there go to Beam. What an answer does not need is not imported for it: help needs nothing, a
mistake in a recipe its readers and steps, and only a run needs Beam.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.program import interrupted, noted_interrupts, survive_closed_pipes
from pipeline.commands.run_options import RUN_STATUS, add_run_options
from pipeline.errors import RecipeError, RunError, StorageError
from pipeline.files import storage

if TYPE_CHECKING:
    from pipeline.recipe.recipe import Recipe
    from pipeline.runners.execution import Execution

ROOT = Path(__file__).resolve().parent

NOTHING_KEPT = 3
"""Exit status of a run that is whole, but has kept nothing of a source."""

OUTSIDE = (
    f"error: {sys.executable} has none of this project's packages: 'make demo' installs them, and "
    ".venv/bin/python is the Python to run this with"
)
"""Message for those who run this with a Python of another environment."""


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into this command's options and Beam's."""
    parser = argparse.ArgumentParser(
        prog="beam_runner.py",
        description="Run a recipe: from raw dumps to token shards. Other options go to Beam.",
        allow_abbrev=False,
        epilog=f"{RUN_STATUS}, {NOTHING_KEPT} done, but nothing of a source was kept",
    )
    add_run_options(parser, str(ROOT / "recipes" / "demo.yaml"))
    parser.add_argument("--output", default="out/demo", metavar="DIR",
                        help="folder of what is written (default: out/demo)")  # fmt: skip
    parser.add_argument("--dry_run", action="store_true",
                        help="list what would be done, and start nothing")  # fmt: skip
    parser.add_argument("--start_over", action="store_true",
                        help="remove what an earlier run left in the output folder")  # fmt: skip
    parser.add_argument("--no_report", action="store_true",
                        help="leave the report to 'corpus report', here or elsewhere")  # fmt: skip
    return parser.parse_known_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    if arguments is None:
        survive_closed_pipes()
    options, beam_arguments = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    if find_spec("apache_beam") is None:
        print(OUTSIDE, file=sys.stderr)
        return 2
    storage.take_beam_options(beam_arguments)
    logging.basicConfig(level=logging.ERROR)  # Beam warns at its import of clouds not used
    with noted_interrupts() as was_interrupted:
        try:
            return _command(options, beam_arguments)
        except KeyboardInterrupt:
            return interrupted(arguments, goes_on=True)
        except (RecipeError, RunError, StorageError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except Exception as error:  # whatever it is, the run can go on from where it is
            if was_interrupted():
                return interrupted(arguments, goes_on=True)
            from pipeline.runners.stops import note_stop

            print(note_stop(options.output, error), file=sys.stderr)
            return 1


def _command(options: argparse.Namespace, beam_arguments: list[str]) -> int:
    if beam_arguments:
        from pipeline.runners.beam_options import check_beam_arguments

        check_beam_arguments(beam_arguments, vars(options), options.runner)
    from pipeline.recipe.from_yaml import load_recipe
    from pipeline.runners.choose import execution

    recipe = load_recipe(options.recipe, options.settings, options.sources)
    how = execution(options, beam_arguments, options.output, recipe)
    if options.dry_run:
        return dry_run(recipe, how, options.output)
    return whole_run(recipe, how, options)


def whole_run(recipe: Recipe, how: Execution, options: argparse.Namespace) -> int:
    """Run a recipe, write the report, print what came out, and return the exit status."""
    how.begin()  # ahead of the imports here, which take as long
    from pipeline.commands.mix import mixture_lines
    from pipeline.commands.summary import print_summary
    from pipeline.output.layout import REPORT_NAME
    from pipeline.output.ledger import kept_some, ledger_warnings, read_ledger
    from pipeline.output.opt_out import opt_out_warnings
    from pipeline.passes.run import run

    started = time.monotonic()
    manifest, was_complete, mixture = run(
        recipe, options.output, how, start_over=options.start_over
    )
    if mixture is not None:
        print("\n".join(mixture_lines(options.output, mixture)))
    elif was_complete:
        print(f"{options.output} is complete already; nothing to do, and nothing was changed")
    has_report = was_complete and storage.exists(storage.join(options.output, REPORT_NAME))
    if not (options.no_report or has_report):
        report(options.output)
    seconds = None if was_complete else time.monotonic() - started
    ledger = read_ledger(options.output)
    warnings = ledger_warnings(ledger, manifest) + opt_out_warnings(options.output, ledger)
    print_summary(manifest, options.output, seconds, warnings)
    return 0 if all(map(kept_some, manifest["sources"].values())) else NOTHING_KEPT


def report(output: str) -> None:
    """Write the report; the run is whole without it, whatever stops it."""
    try:
        from pipeline.report.files import write_report

        write_report(output)
    except Exception as error:
        print(
            f"the run is whole, its report could not be written: {type(error).__name__}: {error}; "
            f"'corpus report {output}' writes it"
        )


def dry_run(recipe: Recipe, how: Execution, output: str) -> int:
    """Print what a run would do; returns 1 where it would be refused."""
    from pipeline.commands.summary import print_estimates
    from pipeline.output.opt_out import given_list
    from pipeline.output.output_folder import check_output
    from pipeline.passes.plan import make_plan

    plan = make_plan(recipe, with_checksums=False)
    given_list(recipe)  # is one, or is refused
    print_estimates([plan.estimate(source) for source in recipe.sources])
    try:
        check_output(output)
        plan.check_shuffle(how.shuffle_limit)
    except RunError as error:
        print(f"would be refused: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
