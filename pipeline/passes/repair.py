"""Repair of a finished run: shards whose files are damaged or gone are built again, alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import RunError
from pipeline.files import storage
from pipeline.output.layout import MANIFEST_NAME, dropped_summary, read_plan
from pipeline.output.run_times import timed
from pipeline.passes.first.first_passes import first_passes
from pipeline.passes.session import opened
from pipeline.passes.shards.build import build_shards
from pipeline.recipe.recipe import Recipe, recipe_from_mapping
from pipeline.runners.execution import Execution


def recipe_of(output: str) -> Recipe:
    """Return the recipe of a finished run. Raises RunError where there is no such run."""
    path = storage.join(output, MANIFEST_NAME)
    if not storage.exists(path):
        raise RunError(
            f"{output}: no {MANIFEST_NAME} there; a run that is not finished goes on by its own "
            "command"
        )
    mapping = storage.read_json(path)["recipe"]
    order = dict.fromkeys(split.source for split in read_plan(output))  # the manifest sorts them
    return recipe_from_mapping(
        {**mapping, "sources": {name: mapping["sources"][name] for name in order}}
    )


def repair(output: str, recipe: Recipe, execution: Execution) -> list[str]:
    """Build the damaged shards of a finished run again; return them, as ``SOURCE/NNNNN``.

    The new files are the manifest's, byte for byte, or RunError is raised. It is raised ahead of
    any work where inputs, models or code are not what they were: other files would come out.
    """
    with opened(recipe, output, execution, start_over=False) as session:
        manifest = storage.read_json(storage.join(output, MANIFEST_NAME))
        damaged = _damaged(output, manifest)
        if damaged:
            for shard in damaged:
                storage.remove(output, shard["ledger"]["name"])
            with session.attempt(), timed(output):
                first_passes(session)
                build_shards(session)
        if left := _damaged(output, manifest):
            names = ", ".join(map(_name, left))
            raise RunError(f"{output}: built again, {names} did not come out as the manifest says")
    return list(map(_name, damaged))


def _damaged(output: str, manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the manifest's shards that have a file which is not there or not the manifest's."""
    return [
        shard
        for shard in manifest["shards"]
        if not all(
            storage.has_sha256(storage.join(output, name), sha256)
            for name, sha256 in _files(shard).items()
        )
    ]


def _files(shard: Mapping[str, Any]) -> dict[str, str]:
    summaries = [*shard["parts"].values(), dropped_summary(shard)]
    files = {name: file["sha256"] for one in summaries for name, file in one["files"].items()}
    return {shard["ledger"]["name"]: shard["ledger"]["sha256"], **files}


def _name(shard: Mapping[str, Any]) -> str:
    return f"{shard['source']}/{shard['shard']:05d}"
