"""Where other copies stand of what exact deduplications took out: inputs are read again.

Of lines and spans no run notes what they fell to, for they are many. So the documents that were
compared are read again, in the order of preference, and their units hashed as in the first pass,
until all copies are found or the time for it is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.files import storage
from pipeline.inspection.survivors import Document
from pipeline.output.decisions import decision_name, read_decisions
from pipeline.output.layout import RUN_NAME, Split, read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.estimates import window_of
from pipeline.passes.process import process_split
from pipeline.recipe.across import Place, places_of
from pipeline.recipe.recipe import Recipe, recipe_of_source
from transforms.dedup.deduplication import Kept
from transforms.dedup.exact import ExactDeduplication, Keys, Units

SEARCH_SECONDS = 20.0
"""Seconds that other copies are looked for, where nothing else is asked for."""


class Taken(NamedTuple):
    """What an exact deduplication took out of a document, or the whole document."""

    identifier: str
    document: Document  # its number is that of its first unit among the split's
    text: str
    keys: Keys  # of all its units
    kept: Kept  # those of them that stay
    told: Sequence[tuple[int, dict[str, Any]]]  # units that went, and what is said of each


class _Copy(NamedTuple):
    source: str
    id: str
    line: int | None  # None where units are documents
    stays: bool


def name_copies(output: str, taken: Sequence[Taken], deadline: float) -> int:
    """Add to what is told of each unit, as ``copy``, where another one stands.

    That is one of the same document if it stays, and otherwise the first in another document, in
    the order of preference; with ``keep: first`` that is the one that was kept. ``deadline`` is by
    the monotonic clock. Returns the number of units of which none was found: the time was over, or
    an input could not be read.
    """
    if not taken:
        return 0
    mapping = storage.read_json(storage.join(output, RUN_NAME))["recipe"]
    return sum(_name(output, mapping, one, deadline) for one in taken)


def _name(output: str, mapping: Mapping[str, Any], taken: Taken, deadline: float) -> int:
    place = taken.document.place
    deduplication = _deduplication(recipe_of_source(mapping, place.source), place)
    lines = deduplication.lines_of_units(taken.text)
    wanted = {int(taken.keys[unit]) for unit, _ in taken.told}
    found = {
        key: _Copy(place.source, taken.identifier, _line(lines, unit), True)
        for unit in np.flatnonzero(taken.kept)[::-1].tolist()
        if (key := int(taken.keys[unit])) in wanted
    }
    if missing := wanted - set(found):
        found.update(_search(output, mapping, taken, missing, deadline))
    for unit, told in taken.told:
        copy = found.get(int(taken.keys[unit]))
        if copy is not None:
            told["copy"] = {"source": copy.source, "id": copy.id, "stays": copy.stays}
            begins = _line(lines, unit)
            if copy.line is not None and begins is not None:
                told["copy"]["line"] = copy.line + told["line"] - begins
    return sum("copy" not in told for _, told in taken.told)


def _search(
    output: str, mapping: Mapping[str, Any], taken: Taken, keys: set[int], deadline: float
) -> Iterator[tuple[int, _Copy]]:
    """Yield the first copy of each key in another document."""

    def in_time(_: object) -> bool:
        return time.monotonic() < deadline

    missing = np.array(sorted(keys), np.uint64)
    for place, split, recipe in takewhile(in_time, _compared(output, mapping, taken.document)):
        deduplication = _deduplication(recipe, place)
        try:
            kept = read_decisions(output, decision_name(*place, split.split))
            for at, batch, units in takewhile(in_time, _units_of(output, place, split, recipe)):
                is_wanted = np.isin(units.keys, missing)
                if (place, split.split) == taken.document[:2]:
                    own = taken.document.number - at
                    is_wanted[max(own, 0) : max(own + len(taken.keys), 0)] = False
                numbers = np.flatnonzero(is_wanted)
                found, firsts = np.unique(units.keys[numbers], return_index=True)
                if not len(found):
                    continue
                for key, unit in zip(found.tolist(), numbers[firsts].tolist(), strict=True):
                    row = int(np.searchsorted(units.offsets, unit, side="right")) - 1
                    lines = deduplication.lines_of_units(batch["text"][row].as_py())
                    line = _line(lines, unit - int(units.offsets[row]))
                    identifier = batch["id"][row].as_py()
                    yield key, _Copy(place.source, identifier, line, bool(kept[at + unit]))
                missing = np.setdiff1d(missing, found)
                if not len(missing):
                    return
        except (ValueError, OSError):  # the input is gone, or has changed
            continue


def _line(lines: npt.NDArray[np.int64] | None, unit: int) -> int | None:
    return None if lines is None else int(lines[unit])


def _units_of(
    output: str, place: Place, split: Split, recipe: Recipe
) -> Iterator[tuple[int, pa.RecordBatch, Units]]:
    """Yield the batches that come to a deduplication, with their units and how many went before."""
    deduplication = _deduplication(recipe, place)
    at = 0
    for batch in process_split(split, recipe, output, Tally(), until=place.step):
        units = deduplication.units(batch)
        yield at, batch, units
        at += len(units.keys)


def _compared(
    output: str, mapping: Mapping[str, Any], document: Document
) -> Iterator[tuple[Place, Split, Recipe]]:
    """Yield the splits that a document was compared with, in the order of preference.

    With ``keep: first`` these are the splits ahead of its own, and its own.
    """
    places = places_of(mapping, document.place)
    recipes = {place: recipe_of_source(mapping, place.source) for place in places}
    steps = {place.source: place for place in places}
    splits = [
        (places.index(steps[split.source]), split)
        for split in read_plan(output)
        if split.holds == "documents" and split.source in steps
    ]
    splits.sort(key=lambda one: (one[0], one[1].split))
    own = next(one for one in splits if (places[one[0]], one[1].split) == document[:2])
    window = _window(recipes, places[own[0]], own[1])
    compared: Iterator[tuple[int, Split]]
    compared = (one for one in splits if _window(recipes, places[one[0]], one[1]) == window)
    if _deduplication(recipes[document.place], document.place).keep == "first":
        last = own[0], own[1].split
        compared = takewhile(lambda one: (one[0], one[1].split) <= last, compared)
    for rank, split in compared:
        yield places[rank], split, recipes[places[rank]]


def _window(recipes: Mapping[Place, Recipe], place: Place, split: Split) -> int:
    return window_of(recipes[place].source(place.source), place.step, split)


def _deduplication(recipe: Recipe, place: Place) -> ExactDeduplication:
    made = recipe.source(place.source).steps[place.step].deduplication
    assert isinstance(made, ExactDeduplication)
    return made
