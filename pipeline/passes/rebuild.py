"""Rebuilding of what has changed: sources as they were keep their shards in a run's folder.

A source is as it was where its part of the recipe, its inputs, the models and lists that it names,
and the code are, and where the same is true of all sources that a deduplication compares it with.
In doubt it is built again. What is left lies in the folder as after a run that was killed, so the
run that follows builds what is missing, and checks what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.errors import RunError
from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.differences import one_path, resolved, what_changed
from pipeline.output.layout import (
    DATA_CARD_NAME,
    INDEXES_FOLDER,
    MANIFEST_NAME,
    MIXTURES_FOLDER,
    OBSERVED_FOLDER,
    PLAN_NAME,
    REPORT_NAME,
    RUN_NAME,
    Split,
    plan_bytes,
    read_plan,
)
from pipeline.output.ledger import LEDGER_NAME
from pipeline.output.output_folder import attempt, describe, locked, remove_work
from pipeline.passes.plan import make_plan
from pipeline.recipe import across
from pipeline.recipe.mixture import without_mixture
from pipeline.recipe.recipe import Recipe

OF_A_SOURCE = ("decisions", INDEXES_FOLDER, "joined", "ledger", OBSERVED_FOLDER, "shards")
"""Folders of a run that have a folder for each source."""

OF_ALL = (MANIFEST_NAME, MIXTURES_FOLDER, LEDGER_NAME, REPORT_NAME, DATA_CARD_NAME)
"""What a run makes of all its sources together."""


class Rebuild(NamedTuple):
    """What becomes of a folder's sources."""

    kept: list[str]
    again: dict[str, str]  # why each is built again
    removed: list[str]  # sources that the recipe has no more


def rebuild_changed(recipe: Recipe, output: str) -> Rebuild:
    """Remove from a run's folder what has changed, so that a run of ``recipe`` goes on from there.

    Raises RunError where the folder holds no run, or nothing in it could be kept.
    """
    plan = make_plan(recipe).splits
    described = describe(recipe, plan)
    path = storage.join(output, RUN_NAME)
    if not storage.exists(path):
        raise RunError(f"{output} holds no run of which anything could be kept")
    with locked(output):
        there = storage.read_json(path)
        again = changed_sources(there, described, recipe, output, plan)
        kept = [source.name for source in recipe.sources if source.name not in again]
        if not kept:
            raise RunError(
                f"{output}: nothing can be kept: {next(iter(again.values()))}; --start_over begins "
                "anew"
            )
        removed = sorted(there["recipe"]["sources"].keys() - {*kept, *again})
        if again or removed:
            _remove(output, [*again, *removed])
            with attempt(output):
                begun = {**described, "opt_out": there.get("opt_out")}
                whole_files.write_bytes(output, RUN_NAME, storage.json_bytes(begun))
                whole_files.write_bytes(output, PLAN_NAME, plan_bytes(plan))
    return Rebuild(kept, again, removed)


def _remove(output: str, sources: Iterable[str]) -> None:
    """Remove what a run has made of some sources, and of all: first that by which it is whole."""
    for name in OF_ALL:
        storage.remove(output, name)
    for source in sources:
        for folder in OF_A_SOURCE:
            storage.remove(output, f"{folder}/{source}")
    remove_work(output, but_documents=False)


def changed_sources(
    there: dict[str, Any], described: dict[str, Any], recipe: Recipe, output: str,
    plan: Sequence[Split],
) -> dict[str, str]:  # fmt: skip
    """Return why sources have to be built again. Sources that are as they were are not in it.

    ``there`` is the ``run.json`` of the run in ``output``; ``described`` and ``plan`` are those of
    a run of ``recipe``.
    """
    old, new = (resolved({**run, "recipe": without_mixture(run["recipe"])})
                for run in (there, described))  # fmt: skip
    common = what_changed(_shared(old), _shared(new), output, list(read_plan(output)))
    before, now = _inputs(read_plan(output)), _inputs(plan)
    again: dict[str, str] = {}
    for source in recipe.sources:
        if source.name not in old["recipe"]["sources"]:
            again[source.name] = "it is new"
            continue
        changes = common + what_changed(
            _own(old, source.name), _own(new, source.name), output, list(read_plan(output))
        )
        if before.get(source.name) != now[source.name]:
            changes.append("its inputs are not what they were")
        if changes:
            again[source.name] = changes[0]
    return _with_tied(again, old["recipe"], new["recipe"])


def _with_tied(
    again: dict[str, str], old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, str]:
    """Add the sources that a deduplication compares with one that is built again."""
    groups = [[place.source for place in entry.across.places]
              for recipe in (old, new) for entry in across.entries_of(recipe)]  # fmt: skip
    if old.get(across.KEY) != new.get(across.KEY):
        for name in {name for group in groups for name in group} & new["sources"].keys():
            again.setdefault(name, "the deduplications across sources have changed")
    for _ in groups:  # once more for each, as groups may share sources
        for group in groups:
            for name in group:
                if name in new["sources"] and not again.keys().isdisjoint(group):
                    again.setdefault(name, "it is compared with a source that has changed")
    return again


def _shared(run: dict[str, Any]) -> dict[str, Any]:
    """Return what all sources of a run depend on: all that no source names for itself."""
    recipe = {key: value for key, value in run["recipe"].items() if key != "sources"}
    own = set(_texts(run["recipe"]["sources"]))
    return {
        **run,
        "recipe": {key: value for key, value in recipe.items() if key != across.KEY},
        "files": {path: digest for path, digest in run["files"].items() if path not in own},
        "code": {name: digest for name, digest in run["code"].items() if "/" in name},
        "own_steps": {name: code for name, code in run["own_steps"].items() if name not in own},
    }


def _own(run: dict[str, Any], source: str) -> dict[str, Any]:
    """Return what one source of a run depends on beside that."""
    entry = run["recipe"]["sources"][source]
    named = set(_texts(entry))
    return {
        **run,
        "recipe": {"sources": {source: entry}},
        "files": {path: digest for path, digest in run["files"].items() if path in named},
        "code": {},
        "own_steps": {name: code for name, code in run["own_steps"].items() if name in named},
    }


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a plain value, keys included."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _inputs(plan: Iterable[Split]) -> dict[str, list[Split]]:
    """Return the splits of each source, wherever their files lie on this machine."""
    splits: dict[str, list[Split]] = {}
    for split in plan:
        splits.setdefault(split.source, []).append(split._replace(path=one_path(split.path)))
    return splits
