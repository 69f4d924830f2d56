"""Mixtures of a finished run: a manifest each, over the same shards.

``manifest.json`` is the manifest of the newest mixture. Those of it and of the earlier ones are
kept, byte for byte, as ``mixtures/NAME.json``, so that a trainer can name the one that it began
with. A run that has had one mixture only has no such folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import RunError
from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.differences import differences
from pipeline.output.layout import (
    DATA_CARD_NAME,
    MANIFEST_NAME,
    MIXTURES_FOLDER,
    REPORT_NAME,
    mixture_name,
    sealed,
)
from pipeline.output.shares import mixed_sources
from pipeline.recipe.mixture import mixture_of, with_mixture, without_mixture
from pipeline.recipe.recipe import Recipe


class NewMixture(NamedTuple):
    """What became of a run's manifest."""

    name: str  # of the mixture that the run has now
    earlier: str  # name of the one that it had before
    changes: list[str]  # a line each; none where it is the same mixture


def has_mixture(manifest: dict[str, Any], recipe: Recipe) -> bool:
    """Tell whether a run's manifest is of the recipe's mixture."""
    return mixture_of(manifest["recipe"]) == mixture_of(_plain(recipe))


def change_mixture(output: str, recipe: Recipe, name: str | None = None) -> NewMixture:
    """Give a finished run the recipe's mixture: a new manifest over the shards that are there.

    The caller has locked the folder. ``manifest.json`` comes last: if the command is killed before,
    the run has its old mixture, and the same command goes on from there. Raises RunError where the
    run is of another recipe, or another mixture has the name.
    """
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise RunError(f"--name {name}: a name is made of letters, digits and '_', '.', '-'")
    manifest = storage.read_json(storage.join(output, MANIFEST_NAME))
    _check_same_build(output, manifest["recipe"], recipe)
    mapping = with_mixture(manifest["recipe"], mixture_of(_plain(recipe)))
    made = sealed(
        {
            **manifest,
            "recipe": mapping,
            "token_budget": recipe.token_budget,
            "sources": mixed_sources(recipe, manifest["shards"]),
        }
    )
    changes = differences(mixture_of(manifest["recipe"]), mixture_of(mapping), "recipe")
    if not changes:
        own = _keep(output, manifest, name)
        return NewMixture(own, own, [])
    earlier = _keep(output, manifest, None)
    own = _keep(output, made, name)
    for page in (REPORT_NAME, DATA_CARD_NAME):  # they show the mixture
        storage.remove(output, page)
    whole_files.write_bytes(output, MANIFEST_NAME, storage.json_bytes(made))
    return NewMixture(own, earlier, changes)


def kept_mixtures(output: str) -> dict[str, dict[str, Any]]:
    """Return the manifests that are kept in ``mixtures/``, by their names."""
    return {
        name.rsplit("/", 1)[-1].removesuffix(".json"): storage.read_json(storage.join(output, name))
        for name in sorted(storage.list_names(output, MIXTURES_FOLDER))
    }


def _check_same_build(output: str, old: dict[str, Any], recipe: Recipe) -> None:
    """Raise RunError where the recipe would build other shards than those of the manifest."""
    mappings = ({**one, "opt_out": None} for one in (old, _plain(recipe)))
    built, asked = (_located(without_mixture(one)) for one in mappings)
    if changes := differences(built, asked, "recipe"):
        raise RunError(
            f"{output} holds a run of something else: {'; '.join(changes[:5])}. A mixture changes "
            "no more than the token budget and proportions"
        )


def _located(value: Any) -> Any:
    """Return a plain value with paths made absolute: a recipe may be named from elsewhere."""
    if isinstance(value, dict):
        return {key: _located(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_located(item) for item in value]
    if isinstance(value, str) and "/" in value and "://" not in value:
        return str(Path(value).resolve())
    return value


def _keep(output: str, manifest: dict[str, Any], name: str | None) -> str:
    """Keep a manifest under a name, and return that. Without one, it has its own or a number."""
    kept = kept_mixtures(output)
    names = [there for there, other in kept.items() if other["sha256"] == manifest["sha256"]]
    if name is None:
        numbers = range(1, len(kept) + 2)
        name = next(iter(names), None) or next(
            free for i in numbers if (free := f"mixture-{i}") not in kept
        )
    elif name in kept and name not in names:
        raise RunError(f"--name {name}: {output} has another mixture of that name")
    if name not in names:
        whole_files.write_bytes(output, mixture_name(name), storage.json_bytes(manifest))
    return name


def _plain(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's mapping as it is read from a manifest."""
    return dict(json.loads(json.dumps(recipe.mapping_of_results)))
