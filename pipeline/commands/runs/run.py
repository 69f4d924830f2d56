"""The commands ``corpus run`` and ``corpus demo``: from raw dumps to token shards.

What an answer does not need is not imported for it: help needs nothing, a mistake in a recipe its
readers and steps, and only a run needs Beam.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, redirect_stdout
from typing import TYPE_CHECKING, Any

import shtab

from pipeline.commands.run_options import RUN_STATUS, add_run_options
from pipeline.errors import RecipeError, RunError, StorageError
from pipeline.files import storage
from pipeline.files.bundled import bundled

if TYPE_CHECKING:
    from pipeline.recipe.recipe import Recipe
    from pipeline.runners.execution import Execution

NOTHING_KEPT = 3
"""Exit status of a run that is whole, but has kept nothing of a source."""

MISTAKES = (RecipeError, RunError, StorageError)
"""Errors that are a user's mistake. From any other the run goes on once it is mended."""

DEMO_OUTPUT = "out/demo"
"""Folder of what is written where none is given."""

STATUS = f"{RUN_STATUS}, {NOTHING_KEPT} done, but nothing of a source was kept"


def add_commands(commands: Any) -> None:
    """Add the commands to the parser of ``corpus``."""
    text = "run a recipe: from raw dumps to token shards"
    one = commands.add_parser(
        "run", help=text, description=f"{text}. Other options go to Beam.", epilog=STATUS,
        allow_abbrev=False,
    )  # fmt: skip
    add_run_options(one, bundled("recipes/demo.yaml"))
    one.add_argument("--output", default=DEMO_OUTPUT, metavar="DIR",
                     help=f"folder of what is written (default: {DEMO_OUTPUT})")  # fmt: skip
    one.add_argument("--dry_run", action="store_true",
                     help="tell what would be done, and try the steps on some records")  # fmt: skip
    earlier = one.add_mutually_exclusive_group()
    earlier.add_argument("--start_over", action="store_true",
                         help="remove what an earlier run left in the output folder")  # fmt: skip
    earlier.add_argument("--rebuild_changed", action="store_true",
                         help="build sources that have changed again, keep others")  # fmt: skip
    one.add_argument("--no_report", action="store_true",
                     help="leave the report to 'corpus report', here or elsewhere")  # fmt: skip
    one.add_argument("--verbose", action="store_true",
                     help="print what happens as it happens, with the time")  # fmt: skip
    one.add_argument(
        "--json",
        action="store_true",
        help="print what happens as JSON lines, and all else to the standard error",
    )
    one.add_argument("--opt_out_removed", action="store_true",
                     help="take the run's opt-out list back: its documents return")  # fmt: skip
    one.set_defaults(function=_command_run, mistakes=MISTAKES)

    text = "run the demo on the bundled samples, and show what became of every source"
    one = commands.add_parser("demo", help=text, description=text, epilog=STATUS)
    folder = f"folder of what is written (default: {DEMO_OUTPUT})"
    output = one.add_argument("output", nargs="?", default=DEMO_OUTPUT, metavar="OUT", help=folder)
    output.complete = shtab.DIRECTORY
    one.set_defaults(
        function=_command_demo, mistakes=MISTAKES, takes_beam_options=True, settings=[],
        recipe=bundled("recipes/demo.yaml"), sources=None, workers=None, memory_bytes=None,
        runner="DirectRunner", dry_run=False, start_over=False, rebuild_changed=False,
        no_report=False, opt_out_removed=False, verbose=False, json=False,
    )  # fmt: skip


def _command_run(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        if options.json or options.verbose:
            from pipeline.commands.summary import print_event
            from pipeline.output.events import heard_by, json_lines_to

            if options.json:
                stack.enter_context(heard_by(json_lines_to(sys.stdout)))
                stack.enter_context(redirect_stdout(sys.stderr))
            if options.verbose:
                stack.enter_context(heard_by(print_event))
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from pipeline.recipe.from_yaml import load_recipe
    from pipeline.runners.choose import execution
    from pipeline.starting.missing_columns import missing_columns

    recipe = load_recipe(options.recipe, options.settings, options.sources)
    if options.opt_out_removed and recipe.opt_out is not None:
        raise RunError(f"--opt_out_removed: the recipe names a list, {recipe.opt_out}")
    how = execution(options, options.beam_arguments, options.output, recipe)
    for warning in missing_columns(recipe):
        print(f"warning: {warning}", file=sys.stderr)
    if options.dry_run:
        return _dry_run(recipe, how, options.output)
    return _whole_run(recipe, how, options)


def _command_demo(options: argparse.Namespace) -> int:
    from pipeline.commands.look import print_statistics

    status = _command_run(options)
    print()
    print_statistics(options.output)
    return status


def _whole_run(recipe: Recipe, how: Execution, options: argparse.Namespace) -> int:
    """Run a recipe, write the report, print what came out, and return the exit status."""
    how.begin()  # ahead of the imports here, which take as long
    from pipeline.commands.mix import mixture_lines
    from pipeline.commands.summary import print_summary
    from pipeline.output.events import tell
    from pipeline.output.layout import REPORT_NAME
    from pipeline.output.ledger import kept_some, ledger_warnings, read_ledger
    from pipeline.output.opt_out import left_out, list_of_run, opt_out_warnings
    from pipeline.passes.run import run

    started = time.monotonic()
    if options.rebuild_changed:
        _remove_changed(recipe, options.output)
    returning = left_out(options.output) if options.opt_out_removed else 0
    manifest, was_complete, mixture = run(
        recipe, options.output, how, start_over=options.start_over,
        opt_out_removed=options.opt_out_removed,
    )  # fmt: skip
    if options.opt_out_removed:
        print(f"the opt-out list is taken back: {returning:,} documents that it left out return")
    elif recipe.opt_out is None and list_of_run(options.output):
        print(
            f"the run's opt-out list stays in force, and leaves {left_out(options.output):,} "
            "documents out; --opt_out_removed takes it back"
        )
    if mixture is not None:
        print("\n".join(mixture_lines(options.output, mixture)))
    elif was_complete:
        print(f"{options.output} is complete already; nothing to do, and nothing was changed")
    has_report = was_complete and storage.exists(storage.join(options.output, REPORT_NAME))
    if not (options.no_report or has_report):
        _report(options.output)
    seconds = None if was_complete else time.monotonic() - started
    ledger = read_ledger(options.output)
    warnings = ledger_warnings(ledger, manifest) + opt_out_warnings(options.output, ledger)
    for warning in warnings:
        tell("warning", message=warning)
    tell("corpus", output=options.output, sources=manifest["sources"], was_complete=was_complete)
    print_summary(manifest, options.output, seconds, warnings)
    return 0 if all(map(kept_some, manifest["sources"].values())) else NOTHING_KEPT


def _remove_changed(recipe: Recipe, output: str) -> None:
    """Make room for what has changed, and tell what is kept, and why not all of it."""
    from pipeline.passes.rebuild import rebuild_changed

    rebuild = rebuild_changed(recipe, output)
    if rebuild.kept and not (rebuild.again or rebuild.removed):
        print("nothing has changed: all sources are kept")
        return
    print(f"kept, as nothing of theirs has changed: {', '.join(rebuild.kept)}")
    for source, reason in rebuild.again.items():
        print(f"built again: {source}: {reason}")
    for source in rebuild.removed:
        print(f"removed: {source}: the recipe has no such source any more")


def _report(output: str) -> None:
    """Write the report; the run is whole without it, whatever stops it."""
    try:
        from pipeline.report.files import write_report

        write_report(output)
    except Exception as error:
        print(
            f"the run is whole, its report could not be written: {type(error).__name__}: {error}; "
            f"'corpus report {output}' writes it"
        )


def _dry_run(recipe: Recipe, how: Execution, output: str) -> int:
    """Print what a run would do; returns 1 where it would be refused, or would stop."""
    from pipeline.commands.summary import print_estimates, print_trial
    from pipeline.output.events import tell
    from pipeline.output.output_folder import check_output
    from pipeline.passes.plan import make_plan
    from pipeline.starting.trial import try_recipe

    plan = make_plan(recipe, with_checksums=False)
    estimates = [plan.estimate(source) for source in recipe.sources]
    print_estimates(estimates)
    for estimate in estimates:
        tell("estimate", **estimate._asdict())
    status = 0
    try:
        check_output(output)
        plan.check_shuffle(how.shuffle_limit)
    except RunError as error:
        print(f"would be refused: {error}")
        tell("refused", reason=str(error))
        status = 1
    for trial in try_recipe(recipe, plan):
        print_trial(trial)
        tell("trial", **trial.described())
        status = 1 if trial.error else status
    return status
