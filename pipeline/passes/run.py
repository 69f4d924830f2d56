"""A run from beginning to end: plan, two passes, mixture; and going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.errors import ERROR_NAME
from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import (
    MANIFEST_NAME,
    REPORT_NAME,
    RUN_NAME,
    read_shards,
    shard_ledger_name,
    shard_of_file,
)
from pipeline.output.opt_out import given_list, take_list
from pipeline.output.output_folder import attempt, describe, locked, open_output
from pipeline.output.progress import ProgressDisplay
from pipeline.passes.build import BuildShards
from pipeline.passes.first_passes import first_passes
from pipeline.passes.mix import mix
from pipeline.passes.plan import Plan, make_plan
from pipeline.recipe.recipe import Recipe
from pipeline.report.files import write_report
from pipeline.runners.execution import Execution


class Finished(NamedTuple):
    """A complete run."""

    manifest: dict[str, Any]
    was_complete: bool  # before the command was given


def run(
    recipe: Recipe, output: str, execution: Execution, *, start_over: bool = False,
    with_report: bool = True, say: Callable[[str], None] = print,
) -> Finished:  # fmt: skip
    """Run a recipe into the folder ``output``, or go on with a run that was stopped there.

    Without ``with_report`` the report is left to ``corpus report``. Raises
    RunError before any work where the folder holds another run or a shuffle does not fit in memory.
    """
    plan = make_plan(recipe)
    described = describe(recipe, plan.splits)
    plan.check_shuffle(execution.shuffle_limit)
    opt_out_list = given_list(recipe)
    with locked(output):
        open_output(output, described, plan.splits, start_over)
        take_list(output, opt_out_list)
        if storage.read_json(storage.join(output, RUN_NAME)) != described:
            whole_files.write_bytes(output, RUN_NAME, storage.json_bytes(described))
        has_report = False
        was_complete = storage.exists(storage.join(output, MANIFEST_NAME))
        if was_complete:
            has_report = storage.exists(storage.join(output, REPORT_NAME))
            say(f"{output} is complete already; nothing to do, and nothing was changed")
            manifest = storage.read_json(storage.join(output, MANIFEST_NAME))
            made = manifest["sources"]  # in the order of the alphabet
            manifest["sources"] = {one.name: made[one.name] for one in recipe.sources}
        else:
            with attempt(output):
                first_passes(plan, output, execution)
                _second_pass(plan, json.dumps(recipe.mapping), output, execution)
                manifest = mix(recipe, output, described)
        if with_report and not has_report:
            _report(output, say)
        storage.remove(output, "work")
        storage.remove(output, ERROR_NAME)
    return Finished(manifest, was_complete)


def _report(output: str, say: Callable[[str], None]) -> None:
    """Write the report; the run is whole without it, whatever stops it."""
    try:
        write_report(output)
    except Exception as error:
        say(
            f"the run is whole, its report could not be written: {type(error).__name__}: {error}; "
            f"'corpus report {output}' writes it"
        )


def _second_pass(plan: Plan, recipe_json: str, output: str, execution: Execution) -> None:
    there = storage.list_names(output, "ledger")
    total = sum(split.n_bytes for split in plan.documents)
    missing = sum(
        split.n_bytes
        for split in plan.documents
        if shard_ledger_name(split.source, split.shard) not in there
    )
    if not missing and all(
        shard_ledger_name(s.source, s.shard) in there for s in read_shards(output)
    ):
        return
    _remove_shards_without_ledger(output, there)
    display = ProgressDisplay(output, "build", "second pass (build)", total, total - missing)
    with display, execution.make_pipeline(plan) as pipeline:
        _ = pipeline | BuildShards(recipe_json, output)


def _remove_shards_without_ledger(output: str, ledgers: set[str]) -> None:
    """Remove what an earlier build has left, which may have had parts that the next one has not."""
    for name in storage.list_names(output, "shards"):
        source, shard = shard_of_file(name)
        if shard_ledger_name(source, shard) not in ledgers:
            storage.remove(output, name)
