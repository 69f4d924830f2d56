"""A run from beginning to end: plan, two passes, mixture; and going on after a stop."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import inspect
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from pipeline import storage
from pipeline.build import BuildShards
from pipeline.decisions import decision_name
from pipeline.differences import what_changed
from pipeline.execution import ERROR_NAME, Execution, RunError
from pipeline.fingerprint import PARTITION_BYTES, FingerprintSplits, Round
from pipeline.guard import guarded
from pipeline.join_records import JoinRecords, records_folder
from pipeline.layout import (
    DATA_CARD_NAME,
    MANIFEST_NAME,
    OBSERVED_FOLDER,
    OPT_OUT_NAME,
    PLAN_NAME,
    REPORT_NAME,
    RUN_NAME,
    Split,
    plan_bytes,
    read_shards,
    shard_ledger_name,
    shard_of_file,
)
from pipeline.ledger import LEDGER_NAME
from pipeline.local_copy import local_copy
from pipeline.mix import mix
from pipeline.near_duplicates import FindNearDuplicates
from pipeline.opt_out import given_list, take_list
from pipeline.plan import (
    make_plan,
    shuffle_bytes,
    unpacked_bytes,
    window_of,
    window_sizes,
)
from pipeline.progress import PROGRESS_FOLDER, ProgressDisplay
from pipeline.recipe import Recipe, Source
from pipeline.report_files import write_report
from transforms.near_duplicates import DeduplicateNear

SHUFFLE_MEMORY_FACTOR = 3
"""Memory that the DirectRunner takes for a byte of shuffle: elements, groups and copies between."""

MIN_PARTITIONS = 8

LOCK_SECONDS = 10.0
"""How long a run waits for another's folder before it is refused."""


def describe(recipe: Recipe, plan: list[Split], *, with_tokenizer: bool = True) -> dict[str, Any]:
    """Describe what a run depends on: recipe, inputs, models, steps' code, with a fingerprint.

    The fingerprint does not depend on when an input file was written, nor on the opt-out list; they
    are noted beside it.
    """
    files = recipe.files() if with_tokenizer else recipe.step_files()
    inputs = [[s.name, s.start, s.end, s.n_bytes, s.shard] for s in plan]
    recipe_of_all = {key: value for key, value in recipe.mapping.items() if key != "opt_out"}
    own_steps = {
        step.name: _source_digest(step.target)
        for source in recipe.sources
        for step in source.steps
        if "." in step.name
    } | {
        source.reader_name: _source_digest(source.reader.read)
        for source in recipe.sources
        if "." in source.reader_name
    }
    described = {
        "version": importlib.metadata.version("llama-corpus"),
        "recipe": recipe_of_all,
        "files": {path: storage.sha256_of(local_copy(path)) for path in files},
        "own_steps": own_steps,
        "inputs": hashlib.sha256(json.dumps(inputs).encode()).hexdigest(),
    }
    fingerprint = hashlib.sha256(storage.json_bytes(described)).hexdigest()
    opt_out = storage.sha256_of(recipe.opt_out) if recipe.opt_out else None
    return {**described, "plan_fingerprint": fingerprint, "opt_out": opt_out}


def _source_digest(function: Callable[..., Any]) -> str:
    """Hash the module that a step or reader of the user's own stands in."""
    module = inspect.getmodule(function)
    assert module is not None, "it was imported by name"
    return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()


def check_output(output: str) -> None:
    """Raise RunError where a local folder cannot be made or written to."""
    if storage.is_remote(output):
        return
    place = Path(output).absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise RunError(f"--output {output}: {place} is a file; give a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise RunError(f"--output {output}: {place} cannot be written to by this user")


@contextmanager
def locked(output: str) -> Iterator[None]:
    """Keep a second run away from a local output folder, and this one's processes from the next.

    A run that was killed is over when the last of its processes is (:mod:`pipeline.guard`).
    """
    if storage.is_remote(output):
        with guarded():
            yield
        return
    path = Path(output, ".lock")
    check_output(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--output {output}: cannot be made: {error.strerror}") from None
    with _taken(path) as lock:
        guard = None
        try:
            with guarded(lock.fileno()) as guard:
                yield
        finally:
            if guard is None or guard.poll() is not None:  # it keeps the folder until its end
                path.unlink(missing_ok=True)


def _taken(path: Path) -> TextIO:
    """Open and lock a file, which still has its name then: its last holder may have removed it.

    What a run that was killed has left is given a while to end.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            if time.monotonic() > deadline:
                raise RunError(f"another run is writing to {path.parent}") from None
            time.sleep(LOCK_SECONDS / 100)
            continue
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()


def run(
    recipe: Recipe, output: str, execution: Execution, *, start_over: bool = False,
    with_report: bool = True, say: Callable[[str], None] = print,
) -> dict[str, Any]:  # fmt: skip
    """Run a recipe into the folder ``output``, or go on with a run that was stopped there.

    Returns the manifest. Without ``with_report`` the report is left to ``corpus report``. Raises
    RunError before any work where the folder holds another run or a shuffle does not fit in memory.
    """
    plan = make_plan(recipe)
    described = describe(recipe, plan)
    check_shuffle(recipe, plan, execution)
    opt_out_list = given_list(recipe)
    with locked(output):
        open_output(output, described, plan, start_over)
        take_list(output, opt_out_list)
        if storage.read_json(storage.join(output, RUN_NAME)) != described:
            storage.write_bytes(output, RUN_NAME, storage.json_bytes(described))
        has_report = False
        if storage.exists(storage.join(output, MANIFEST_NAME)):
            has_report = storage.exists(storage.join(output, REPORT_NAME))
            say(complete_already(output))
            manifest = storage.read_json(storage.join(output, MANIFEST_NAME))
            made = manifest["sources"]  # in the order of the alphabet
            manifest["sources"] = {one.name: made[one.name] for one in recipe.sources}
        else:
            with storage.attempt(output):
                storage.remove(output, PROGRESS_FOLDER)
                first_passes(recipe, plan, output, execution)
                _second_pass(plan, json.dumps(recipe.mapping), output, execution)
                manifest = mix(recipe, output, described)
        if with_report and not has_report:
            _report(output, say)
        storage.remove(output, "work")
        storage.remove(output, ERROR_NAME)
    return manifest


def complete_already(output: str) -> str:
    """Say that a run has nothing to do."""
    return f"{output} is complete already; nothing to do, and nothing was changed"


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


def open_output(
    output: str, described: dict[str, Any], plan: list[Split], start_over: bool
) -> None:
    """Make sure that ``output`` holds this run or nothing."""
    path = storage.join(output, RUN_NAME)
    if start_over:
        for name in (MANIFEST_NAME, "ledger", LEDGER_NAME, "shards", "decisions", "joined", "work",
                     OBSERVED_FOLDER, REPORT_NAME, DATA_CARD_NAME, OPT_OUT_NAME, PLAN_NAME,
                     RUN_NAME):  # fmt: skip
            storage.remove(output, name)
    elif storage.exists(path):
        changes = what_changed(storage.read_json(path), described, output, plan)
        if changes and not storage.is_remote(output) and not _has_made(output):
            storage.remove(output, RUN_NAME)
        elif changes:
            more = f" (and {len(changes) - 5} more)" if len(changes) > 5 else ""
            raise RunError(
                f"{output} holds a run of something else: {'; '.join(changes[:5])}{more}. "
                "Give another --output, or --start_over to remove what is there"
            )
    elif not storage.is_remote(output) and any(
        child.name not in (".lock", ERROR_NAME, PLAN_NAME, "work")
        for child in Path(output).iterdir()
    ):
        raise RunError(f"{output} is not empty and holds no run; give another --output")
    if not storage.exists(path):
        storage.write_bytes(output, PLAN_NAME, plan_bytes(plan))
        storage.write_bytes(output, RUN_NAME, storage.json_bytes(described))


def _has_made(output: str) -> bool:
    """Tell whether a folder holds more than the beginning of a run: anything made in it."""
    begun = {".lock", ERROR_NAME, OPT_OUT_NAME, PLAN_NAME, RUN_NAME, "work/workers.log"}
    passing = (f"{storage.TEMPORARY_FOLDER}/", f"{PROGRESS_FOLDER}/")
    names = {name.removeprefix("./") for name in storage.list_names(output, ".")}
    return any(name not in begun and not name.startswith(passing) for name in names)


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
