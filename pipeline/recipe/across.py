"""The recipe's list ``deduplications``: deduplications across sources, behind all their own steps.

An entry names a kind of deduplication, its parameters, and the sources that it compares, the most
preferred first. For each of these sources it is one more step at the end. The functions here work
on a recipe's plain values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.errors import RecipeError, nearest
from transforms.dedup.deduplication import MAX_SOURCES
from transforms.registry import DEDUPLICATIONS

KEY = "deduplications"

ALL = "all"
"""Stands for all sources, the first in the recipe preferred."""


class Place(NamedTuple):
    """A step of a source, by its position among the source's steps."""

    source: str
    step: int


class Across(NamedTuple):
    """A deduplication across sources, as the step of each of them."""

    number: int  # in the list
    places: tuple[Place, ...]  # the most preferred source first


class Entry(NamedTuple):
    """One entry of the list, checked; its parameters are not."""

    where: str  # in the recipe, for messages
    kind: str
    parameters: Mapping[str, Any]
    across: Across

    @property
    def step_name(self) -> str:
        """The name of the step in ledgers: it tells it from a source's own step of the kind."""
        return f"{self.kind}_across_sources"


def entries_of(mapping: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of a recipe's list. Raises RecipeError where one is not right."""
    listed = mapping.get(KEY, [])
    if not isinstance(listed, list):
        raise RecipeError(f"{KEY}: expected a list, found {listed!r}")
    n_steps = {str(name): len(entry["steps"]) for name, entry in mapping["sources"].items()}
    entries: list[Entry] = []
    for number, given in enumerate(listed):
        where = f"{KEY}[{number}]"
        kind, parameters = _named(given, where)
        names = _sources(parameters.pop("sources", None), list(n_steps), f"{where}.{kind}.sources")
        places = tuple(Place(name, n_steps[name]) for name in names)
        for name in names:
            if any(one.kind == kind and name in _names(one) for one in entries):
                raise RecipeError(f"{where}: {name} is in another {kind} of the list already")
            n_steps[name] += 1
        entries.append(Entry(f"{where}.{kind}", kind, parameters, Across(number, places)))
    return entries


def places_of(mapping: Mapping[str, Any], place: Place) -> tuple[Place, ...]:
    """Return the places of the deduplication at a place, of one within a source that place alone.

    Across sources it is a place in each, the most preferred first.
    """
    shared = (one.across.places for one in entries_of(mapping))
    return next((places for places in shared if place in places), (place,))


def steps_of(mapping: Mapping[str, Any], source: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the entry of every step of a source, those across sources last."""
    for step in mapping["sources"][source]["steps"]:
        yield step_name(step), step
    for one in entries_of(mapping):
        if source in _names(one):
            yield one.step_name, {one.kind: dict(one.parameters)}


def narrowed(mapping: Mapping[str, Any], sources: Collection[str]) -> dict[str, Any]:
    """Return the mapping with the list as it is for some of the sources alone.

    The list is gone where it has none of them. A list that is not right stays as it is, for the
    check that follows.
    """
    if KEY not in mapping:
        return dict(mapping)
    try:
        entries = entries_of(mapping)
    except (RecipeError, KeyError, TypeError, AttributeError):
        return dict(mapping)
    left = [
        {one.kind: {"sources": names, **one.parameters}}
        for one in entries
        if (names := [name for name in _names(one) if name in sources])
    ]
    others = {key: value for key, value in mapping.items() if key != KEY}
    return {**others, KEY: left} if left else others


def step_name(entry: str | Mapping[str, Any]) -> str:
    """Return the name of a step from its entry in a recipe, with or without parameters."""
    return entry if isinstance(entry, str) else str(next(iter(entry)))


def _names(entry: Entry) -> list[str]:
    return [place.source for place in entry.across.places]


def _named(given: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Return the kind and the parameters that an entry gives."""
    if not isinstance(given, Mapping) or len(given) != 1:
        raise RecipeError(f"{where}: expected 'name: {{parameters}}', found {given!r}")
    ((kind, parameters),) = given.items()
    if kind not in DEDUPLICATIONS:
        raise RecipeError(
            f"{where}: {kind!r} is none of {', '.join(sorted(DEDUPLICATIONS))}"
            f"{nearest(str(kind), DEDUPLICATIONS)}"
        )
    if not isinstance(parameters, Mapping):
        raise RecipeError(
            f"{where}.{kind}: expected parameters as 'name: value', found {parameters!r}"
        )
    if "window_files" in parameters:
        raise RecipeError(
            f"{where}.{kind}.window_files: there are no windows across sources, whose files do "
            "not stand beside one another; leave it out"
        )
    return str(kind), dict(parameters)


def _sources(given: Any, known: Sequence[str], where: str) -> list[str]:
    """Return the sources that an entry compares, in its order of preference."""
    if given == ALL:
        names = list(known)
    elif isinstance(given, list) and given and all(isinstance(name, str) for name in given):
        names = given
    else:
        raise RecipeError(
            f"{where}: expected a list of sources, the preferred first, or '{ALL}', found {given!r}"
        )
    for name in names:
        if name not in known:
            raise RecipeError(f"{where}: the recipe has no source {name!r}{nearest(name, known)}")
        if names.count(name) > 1:
            raise RecipeError(f"{where}: {name} is given twice")
    if len(names) > MAX_SOURCES:
        raise RecipeError(f"{where}: expected {MAX_SOURCES} sources at most, found {len(names)}")
    return names
