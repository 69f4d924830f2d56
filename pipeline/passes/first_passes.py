"""The passes ahead of the build: records joined, and the decisions of every deduplication."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipeline.files import storage
from pipeline.output.decisions import decision_name
from pipeline.output.layout import (
    Split,
)
from pipeline.output.progress import ProgressDisplay
from pipeline.passes.deduplications import first_pass_of
from pipeline.passes.estimates import (
    PARTITION_BYTES,
    SHUFFLE_MEMORY_FACTOR,
    shuffle_bytes,
    unpacked_bytes,
    window_of,
)
from pipeline.passes.join_records import JoinRecords, records_folder
from pipeline.passes.rounds import FirstPass, Round
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution

MIN_PARTITIONS = 8


def first_passes(recipe: Recipe, plan: list[Split], output: str, execution: Execution) -> None:
    """Join the records that stand apart, and make the decisions of every deduplication.

    ``output`` holds the plan, and is locked; what is there already is not made again.
    """
    recipe_json = json.dumps(recipe.mapping)
    _join(recipe, plan, recipe_json, output, execution)
    documents = [split for split in plan if split.holds == "documents"]
    for rounds in waves(recipe, documents, output, execution):
        _first_pass(recipe, documents, rounds, recipe_json, output, execution)


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
    by_kind: dict[type[FirstPass], list[Round]] = {}
    for one in rounds:
        deduplication = recipe.source(one.source).steps[one.step].deduplication
        by_kind.setdefault(first_pass_of(deduplication), []).append(one)
    with display, execution.pipeline() as pipeline:
        for first_pass, mine in by_kind.items():
            _ = pipeline | first_pass(recipe_json, output, mine, name)
    for one in rounds:
        storage.remove(output, one.folder)
