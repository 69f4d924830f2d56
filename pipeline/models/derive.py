"""Recipes derived from the user's, for commands that train a model on some of its sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.errors import RunError, nearest
from pipeline.recipe.recipe import Recipe, Source


def source_of(recipe: Recipe, name: str) -> Source:
    """Return a source of the recipe; raises RunError if it has none of that name."""
    names = [source.name for source in recipe.sources]
    if name not in names:
        raise RunError(f"the recipe has no source {name!r}{nearest(name, names)}")
    return recipe.source(name)


def source_entry(
    recipe: Recipe,
    name: str,
    *,
    ahead_of: Collection[str] = (),
    ahead_of_all: bool = False,
    languages: Sequence[str] = (),
    more_steps: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return a source's entry of the recipe, with only some of its steps.

    Steps from the first one named in ``ahead_of`` on are left out; with ``ahead_of_all``, all are.
    With ``languages``, documents in other languages are dropped after the steps, and a reader with
    a parameter ``languages`` reads only those. ``more_steps`` are added last. Raises RunError if
    the recipe has no such source.
    """
    source = source_of(recipe, name)
    entry = dict(recipe.mapping["sources"][name])
    names = [step.name for step in source.steps]
    cut = next((i for i, step in enumerate(names) if step in ahead_of), len(names))
    steps = [] if ahead_of_all else list(entry["steps"][:cut])
    if languages:
        if "languages" in source.reader_parameters:
            parameters = {**source.reader_parameters, "languages": list(languages)}
            entry["reader"] = {source.reader_name: parameters}
        steps.append({"keep_languages": {"languages": list(languages)}})
    return {**entry, "steps": [*steps, *more_steps]}


def derived_recipe(recipe: Recipe, entries: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Return the recipe with other sources, all with the same proportion."""
    sources = {name: {**e, "proportion": 1 / len(entries)} for name, e in entries.items()}
    return recipe.with_sources(sources)
