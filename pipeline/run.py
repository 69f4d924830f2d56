"""A run from beginning to end: plan, two passes, mixture; and going on after a stop."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pipeline import storage
from pipeline.build import BuildShards
from pipeline.decisions import decision_name
from pipeline.execution import ERROR_NAME, Execution, RunError, Tasks
from pipeline.fingerprint import PARTITION_BYTES, FingerprintSplits, Round
from pipeline.join_records import JoinRecords, records_folder
from pipeline.layout import (
    MANIFEST_NAME,
    REPORT_NAME,
    RUN_NAME,
    Split,
    read_shards,
    shard_ledger_name,
    shard_of_file,
)
from pipeline.mix import mix
from pipeline.near_duplicates import FindNearDuplicates
from pipeline.opt_out import given_list, take_list
from pipeline.output_folder import attempt, describe, locked, open_output
from pipeline.plan import (
    make_plan,
    shuffle_bytes,
    unpacked_bytes,
    window_of,
    window_sizes,
)
from pipeline.progress import ProgressDisplay
from pipeline.recipe import Recipe, Source
from pipeline.report_files import write_report
from transforms.near_duplicates import DeduplicateNear

SHUFFLE_MEMORY_FACTOR = 3
"""Memory that the DirectRunner takes for a byte of shuffle: elements, groups and copies between."""

MIN_PARTITIONS = 8

COMPARED_TEXT_BYTES = 4 * PARTITION_BYTES
"""Text that a task of a near-duplicate step reads, on the average. Where a tenth of the documents
have likenesses, the shingles that it puts out are as many bytes."""


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
    described = describe(recipe, plan)
    check_shuffle(recipe, plan, execution)
    execution = execution._replace(tasks=tasks_of(recipe, plan))
    opt_out_list = given_list(recipe)
    with locked(output):
        open_output(output, described, plan, start_over)
        take_list(output, opt_out_list)
        if storage.read_json(storage.join(output, RUN_NAME)) != described:
            storage.write_bytes(output, RUN_NAME, storage.json_bytes(described))
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
                first_passes(recipe, plan, output, execution)
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


def first_passes(recipe: Recipe, plan: list[Split], output: str, execution: Execution) -> None:
    """Join the records that stand apart, and make the decisions of every deduplication.

    ``output`` holds the plan, and is locked; what is there already is not made again.
    """
    recipe_json = json.dumps(recipe.mapping)
    _join(recipe, plan, recipe_json, output, execution)
    documents = [split for split in plan if split.holds == "documents"]
    for rounds in waves(recipe, documents, output, execution):
        _first_pass(recipe, documents, rounds, recipe_json, output, execution)


def check_shuffle(recipe: Recipe, plan: list[Split], execution: Execution) -> None:
    """Refuse a deduplication whose fingerprints do not fit where they are held in memory."""
    if not execution.holds_shuffle_in_memory:
        return
    limit = execution.memory_bytes // SHUFFLE_MEMORY_FACTOR
    for source in recipe.sources:
        for step in source.shuffle_positions:
            sizes = window_sizes(source, plan, step)
            if max(sizes.values()) > limit:
                raise RunError(_too_large(source, plan, step, max(sizes.values()), limit))


def tasks_of(recipe: Recipe, plan: list[Split]) -> Tasks:
    """Return how many tasks have each put out about a partition of the shuffle, on the average."""
    documents = [split for split in plan if split.holds == "documents"]
    tasks = 0.0
    for source in recipe.sources:
        for step in source.shuffle_positions:
            tasks += sum(window_sizes(source, documents, step).values()) / PARTITION_BYTES
            if source.steps[step].target is DeduplicateNear:
                unpacked = sum(
                    unpacked_bytes(one) for one in documents if one.source == source.name
                )
                tasks += unpacked * source.reader.typical.text_fraction / COMPARED_TEXT_BYTES
    return Tasks(math.ceil(tasks), max(len(documents), len(plan) - len(documents)))


def _too_large(source: Source, plan: list[Split], step: int, size: int, limit: int) -> str:
    """Say that a shuffle does not fit, with the largest window that would."""
    name = source.steps[step].name
    files = 1 + max(split.file for split in plan if split.source == source.name)
    window = files
    while window and max(window_sizes(source, plan, step, window).values()) > limit:
        window //= 2
    advice = f"set a window, --set sources.{source.name}.steps.{name}.window_files={window}, or "
    return (
        f"source {source.name}: {name} would shuffle {size:,} bytes at a time, and the "
        f"DirectRunner, which holds them in memory, has room for {limit:,}; "
        f"{advice if window else 'not even one file fits: '}run on Spark or Dataflow"
    )


def waves(
    recipe: Recipe, plan: list[Split], output: str, execution: Execution
) -> Iterator[list[Round]]:
    """Group the rounds of the first pass that may run together, in order.

    A source's second deduplication waits for its first. Where the shuffle is held in memory, no
    more rounds run together than fit there. Rounds whose decisions are all there are left out.
    """
    limit = execution.memory_bytes // SHUFFLE_MEMORY_FACTOR
    there = storage.list_names(output, "decisions")
    depth = max((len(source.shuffle_positions) for source in recipe.sources), default=0)
    for turn in range(depth):
        wave: list[Round] = []
        wave_bytes = 0
        for source in recipe.sources:
            if turn >= len(source.shuffle_positions):
                continue
            step = source.shuffle_positions[turn]
            for window, splits in _windows(plan, recipe, source.name, step).items():
                if all(decision_name(s.source, step, s.split) in there for s in splits):
                    continue
                size = shuffle_bytes(source, step, sum(map(unpacked_bytes, splits)))
                if wave and execution.holds_shuffle_in_memory and wave_bytes + size > limit:
                    yield wave
                    wave, wave_bytes = [], 0
                n_partitions = max(MIN_PARTITIONS, -(-size // PARTITION_BYTES))
                wave.append(Round(source.name, step, window, n_partitions))
                wave_bytes += size
        if wave:
            yield wave


def _windows(plan: list[Split], recipe: Recipe, name: str, step: int) -> dict[int, list[Split]]:
    windows: dict[int, list[Split]] = {}
    for split in plan:
        if split.source == name:
            windows.setdefault(window_of(recipe.source(name), step, split), []).append(split)
    return windows


def _join(
    recipe: Recipe, plan: list[Split], recipe_json: str, output: str, execution: Execution
) -> None:
    """Make documents of the records that stand apart; partitions that are there are left out."""
    there = storage.list_names(output, "joined")
    for source in recipe.sources:
        mine = [split for split in plan if split.source == source.name]
        if {split.path for split in mine if split.path.startswith("joined/")} <= there:
            continue
        name = f"join-{source.name}"
        total = sum(split.n_bytes for split in mine if split.holds == "records")
        display = ProgressDisplay(output, name, "joining records", total)
        with display, execution.pipeline() as pipeline:
            _ = pipeline | JoinRecords(recipe_json, output, source.name, name)
        storage.remove(output, records_folder(source.name))


def _first_pass(
    recipe: Recipe, plan: list[Split], rounds: list[Round], recipe_json: str, output: str,
    execution: Execution,
) -> None:  # fmt: skip
    total = sum(
        split.n_bytes
        for one in rounds
        for split in _windows(plan, recipe, one.source, one.step)[one.window]
    )
    name = f"fingerprint-{rounds[0].label.replace('/', '-')}"
    display = ProgressDisplay(output, name, "first pass (fingerprint)", total)
    near = [one for one in rounds if _is_near(recipe, one)]
    exact = [one for one in rounds if one not in near]
    with display, execution.pipeline() as pipeline:
        if exact:
            _ = pipeline | FingerprintSplits(recipe_json, output, exact, name)
        if near:
            _ = pipeline | FindNearDuplicates(recipe_json, output, near, name)
    for one in rounds:
        storage.remove(output, one.folder)


def _is_near(recipe: Recipe, one: Round) -> bool:
    return recipe.source(one.source).steps[one.step].target is DeduplicateNear


def _second_pass(plan: list[Split], recipe_json: str, output: str, execution: Execution) -> None:
    there = storage.list_names(output, "ledger")
    documents = [split for split in plan if split.holds == "documents"]
    total = sum(split.n_bytes for split in documents)
    missing = sum(
        split.n_bytes
        for split in documents
        if shard_ledger_name(split.source, split.shard) not in there
    )
    if not missing and all(
        shard_ledger_name(s.source, s.shard) in there for s in read_shards(output)
    ):
        return
    _remove_shards_without_ledger(output, there)
    display = ProgressDisplay(output, "build", "second pass (build)", total, total - missing)
    with display, execution.pipeline() as pipeline:
        _ = pipeline | BuildShards(recipe_json, output)


def _remove_shards_without_ledger(output: str, ledgers: set[str]) -> None:
    """Remove what an earlier build has left, which may have had parts that the next one has not."""
    for name in storage.list_names(output, "shards"):
        source, shard = shard_of_file(name)
        if shard_ledger_name(source, shard) not in ledgers:
            storage.remove(output, name)
