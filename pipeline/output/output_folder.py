"""The output folder of a run: the run's description, the lock, and the current attempt."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from pipeline.errors import ERROR_NAME, RunError
from pipeline.files import storage
from pipeline.files.trusted import FILE_STATES, sealed, states_of
from pipeline.output import whole_files
from pipeline.output.again import COMMAND_NAME
from pipeline.output.differences import what_changed
from pipeline.output.guard import guarded
from pipeline.output.layout import (
    DATA_CARD_NAME,
    EVENTS_NAME,
    INDEXES_FOLDER,
    KEPT_FOLDER,
    MANIFEST_NAME,
    MIXTURES_FOLDER,
    OBSERVED_FOLDER,
    OPT_OUT_NAME,
    PLAN_NAME,
    REPORT_NAME,
    RUN_NAME,
    Split,
    plan_bytes,
)
from pipeline.output.ledger import LEDGER_NAME
from pipeline.output.progress import PROGRESS_FOLDER
from pipeline.recipe.code import all_code, code_digest, own_code
from pipeline.recipe.mixture import without_mixture
from pipeline.recipe.recipe import Recipe

LOCK_SECONDS = 10.0
"""Seconds that a run waits for the lock of its output folder before it is refused."""


def describe(recipe: Recipe, plan: list[Split], *, with_tokenizer: bool = True) -> dict[str, Any]:
    """Describe what a run depends on: recipe, inputs, models, code, a fingerprint.

    The fingerprint covers neither the opt-out list, whose SHA-256 is beside it, nor the times of
    input files, which are in the plan, nor those of models, which are beside it too, nor the
    mixture, which no shard depends on.
    """
    seals = {
        path: sealed(path) for path in (recipe.files() if with_tokenizer else recipe.step_files())
    }
    inputs = [[s.name, s.start, s.end, s.n_bytes, s.shard] for s in plan]
    recipe_of_all = {k: v for k, v in recipe.mapping_of_results.items() if k != "opt_out"}
    described = {
        "version": importlib.metadata.version("llama-corpus"),
        "recipe": recipe_of_all,
        "files": {path: seal.sha256 for path, seal in seals.items()},
        "code": all_code(recipe),
        "own_steps": {name: code_digest(modules) for name, modules in own_code(recipe).items()},
        "inputs": hashlib.sha256(json.dumps(inputs).encode()).hexdigest(),
    }
    opt_out = storage.sha256_of(recipe.opt_out) if recipe.opt_out else None
    return {**fingerprinted(described, opt_out), FILE_STATES: states_of(seals)}


def fingerprinted(described: dict[str, Any], opt_out: str | None) -> dict[str, Any]:
    """Add the fingerprint to a description, and the SHA-256 of the opt-out list."""
    fingerprint = hashlib.sha256(storage.json_bytes(_unmixed(described))).hexdigest()
    return {**described, "plan_fingerprint": fingerprint, "opt_out": opt_out}


def _unmixed(described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a run without the mixture of its recipe."""
    return {**described, "recipe": without_mixture(described["recipe"])}


def check_output(output: str) -> None:
    """Raise RunError if a local output folder cannot be created or written to."""
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
    """Lock a local output folder for the block, and guard the processes that the block starts.

    After a run was killed, the lock is held until the last of its processes has ended
    (:mod:`pipeline.output.guard`). A remote folder is not locked.
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
            if guard is None or guard.poll() is not None:  # a living guard still holds the lock
                path.unlink(missing_ok=True)


def _taken(path: Path) -> TextIO:
    """Open the lock file and lock it; waits for the processes of a killed run to end.

    The previous holder may remove the file between the two. Then a new one is opened. Raises
    RunError after :data:`LOCK_SECONDS`.
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


START_OVER = "or --start_over to remove what is there"
"""What to do about a folder that holds another run, beside giving another one."""


def open_output(
    output: str, described: dict[str, Any], plan: list[Split], start_over: bool,
    advice: str = START_OVER,
) -> None:  # fmt: skip
    """Open a locked output folder for a run: a new one, or the same run begun before.

    ``described`` and ``plan`` are this run's. ``start_over`` removes what the folder holds first.
    Raises RunError, with ``advice``, if the folder holds results of another run, or other files.
    """
    path = storage.join(output, RUN_NAME)
    if start_over:
        for name in (MANIFEST_NAME, MIXTURES_FOLDER, "ledger", LEDGER_NAME, "shards", "decisions",
                     INDEXES_FOLDER, "joined", "work", OBSERVED_FOLDER, REPORT_NAME,
                     DATA_CARD_NAME, OPT_OUT_NAME, PLAN_NAME, RUN_NAME):  # fmt: skip
            storage.remove(output, name)
    elif storage.exists(path):
        there = storage.read_json(path)
        changes = what_changed(_unmixed(there), _unmixed(described), output, plan)
        if changes and not storage.is_remote(output) and not _has_made(output):
            storage.remove(output, RUN_NAME)
        elif changes:
            more = f" (and {len(changes) - 5} more)" if len(changes) > 5 else ""
            raise RunError(
                f"{output} holds a run of something else: {'; '.join(changes[:5])}{more}. "
                f"Give another --output, {advice}"
            )
    elif not storage.is_remote(output) and any(
        child.name not in (".lock", ERROR_NAME, PLAN_NAME, "work")
        for child in Path(output).iterdir()
    ):
        raise RunError(f"{output} is not empty and holds no run; give another --output")
    if not storage.exists(path):
        storage.remove(output, KEPT_FOLDER)
        whole_files.write_bytes(output, PLAN_NAME, plan_bytes(plan))
        whole_files.write_bytes(output, RUN_NAME, storage.json_bytes(described))


def _has_made(output: str) -> bool:
    """Tell whether a run has made any result yet: files beside its description and logs."""
    begun = {
        ".lock",
        ERROR_NAME,
        OPT_OUT_NAME,
        PLAN_NAME,
        RUN_NAME,
        COMMAND_NAME,
        EVENTS_NAME,
        "work/workers.log",
    }
    passing = (f"{whole_files.TEMPORARY_FOLDER}/", f"{PROGRESS_FOLDER}/")
    names = {name.removeprefix("./") for name in storage.list_names(output, ".")}
    return any(name not in begun and not name.startswith(passing) for name in names)


def remove_work(output: str, *, but_documents: bool) -> None:
    """Remove what a run needed while it ran; ``but_documents`` spares those that were kept."""
    if not but_documents:
        storage.remove(output, "work")
        return
    if storage.is_remote(output):
        inside = {"/".join(name.split("/")[:2]) for name in storage.list_names(output, "work")}
    else:
        inside = {f"work/{child.name}" for child in Path(output).glob("work/*")}
    for name in inside - {KEPT_FOLDER}:
        storage.remove(output, name)


@contextmanager
def changing(output: str) -> Iterator[None]:
    """Lock the folder of a finished run while a command without pipelines changes it."""
    if not storage.exists(storage.join(output, MANIFEST_NAME)):
        raise RunError(f"{output}: no {MANIFEST_NAME} there; give the folder of a finished run")
    with locked(output), attempt(output):
        yield
        kept = storage.exists(storage.join(output, KEPT_FOLDER))
        remove_work(output, but_documents=kept)


@contextmanager
def attempt(output: str) -> Iterator[None]:
    """Begin a new attempt at the run in a locked folder; its progress counts from zero."""
    with whole_files.attempt(output):
        storage.remove(output, PROGRESS_FOLDER)
        yield
