"""Near-duplicates of documents of earlier runs, and what a run writes for later ones.

Documents meet those of the indexes in the partition of a band's key, as they meet one another. The
meetings go to the document's split, whose minima are compared with those of the indexes. What goes
in this way is decided beside what goes for a document of the run, which no step here changes.

A worker holds :data:`HELD_MEETINGS` meetings at a time, however large the indexes and the buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.files import storage
from pipeline.output.key_indexes import index_folder, write_index_part
from pipeline.output.near_indexes import (
    Card,
    are_near_older,
    documents_with,
    minima_name,
    read_minima,
)
from pipeline.passes.beam_parts import RecipeDoFn
from pipeline.passes.first.rounds import PartitionKey, Round, SplitKey, WindowSplitKey, own_key
from pipeline.passes.process import cached_recipe
from transforms.dedup.key_files import REFERENCES, Rows
from transforms.dedup.near import BandPart, DeduplicateNear, rows_by_split

OLDER = "older"
"""Tag of the meetings with documents of earlier runs: rows of :data:`MET`."""

MET = np.dtype([("document", "<u4"), ("index", "<u4"), ("older", "<u8")])
"""A meeting: the document's number in its split, the number of the index among those that the step
names, and the reference of the other document there."""

Met = npt.NDArray[np.void]
"""Rows of :data:`MET`."""

HELD_MEETINGS = 1 << 18
"""Meetings that are held at a time, which bounds a worker's memory (4 MB, and copies)."""

_LOW = np.uint64(0xFFFFFFFF)


def rows_of(packed: Iterable[bytes], n_columns: int) -> npt.NDArray[np.uint64]:
    """Return packed numbers as rows of so many columns."""
    return np.frombuffer(b"".join(packed), np.uint64).reshape(-1, n_columns)


class NearDoFn(RecipeDoFn):
    """A part of the first pass, which knows the steps that it is of."""

    def __init__(self, recipe_json: str, output: str, progress_name: str = "") -> None:
        super().__init__(recipe_json, output)
        self.progress_name = progress_name

    def deduplication(self, source: str, position: int) -> DeduplicateNear:
        """Return the step at a position among a source's steps."""
        made = self.recipe.source(source).steps[position].deduplication
        assert isinstance(made, DeduplicateNear)
        return made

    def cards(self, source: str, position: int) -> list[Card]:
        """Return the cards of the indexes that a step compares with."""
        step = self.recipe.source(source).steps[position]
        copies = self.deduplication(source, position).against or []
        paths = step.parameters.get("against") or []
        return [Card(*both) for both in zip(paths, copies, strict=True)]


def compares_older(recipe_json: str, rounds: Iterable[Round]) -> bool:
    """Tell whether any of some rounds compares with earlier runs."""
    recipe = cached_recipe(recipe_json)
    return any(recipe.source(o.source).steps[o.step].parameters.get("against") for o in rounds)


def minima_place(step: DeduplicateNear, one: Round, number: int) -> str | None:
    """Return the name of the file for the minima of a split; None where nothing needs them.

    They are in the index where the step writes one, and else with the sketches of the round.
    """
    if step.index:
        return f"{index_folder(one.source, one.step)}/{minima_name(number)}"
    return f"{one.folder}/{minima_name(number)}" if step.against else None


def write_bands(output: str, key: PartitionKey, parts: Iterable[BandPart]) -> None:
    """Write one partition of a round's band keys, with the documents that have them."""
    columns = [(part.keys, part.references) for part in parts]
    if columns:
        keys, references = (np.concatenate(column) for column in zip(*columns, strict=True))
        order = np.lexsort((references, keys))
        rows = Rows(keys[order], references[order].astype(REFERENCES))
        write_index_part(output, *key, rows)


def with_older(
    parts: Iterable[BandPart], cards: Sequence[Card], most: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the meetings of a partition's documents with those of indexes, packed, by split.

    Each document meets the last ``most`` of each index that have its key.
    """
    columns = [(part.keys, part.references) for part in parts] if cards else []
    if not columns:
        return
    keys, references = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(keys, kind="stable")
    keys, references = keys[order], references[order]
    distinct, starts, counts = np.unique(keys, return_index=True, return_counts=True)
    n_keys = max(1, HELD_MEETINGS // most)
    for number, card in enumerate(cards):
        for begin in range(0, len(distinct), n_keys):
            here = slice(begin, begin + n_keys)
            places, older = documents_with(card, distinct[here], most)
            for rows, ours in _each_with_each(counts[here][places]):
                documents = references[starts[here][places[rows]] + ours]
                met = np.empty(len(rows), MET)
                met["document"], met["index"], met["older"] = documents & _LOW, number, older[rows]
                for split, mine in rows_by_split(documents):
                    yield split, distinct_meetings(met[mine]).tobytes()


def _each_with_each(
    counts: npt.NDArray[np.int64],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield each row as often as it counts, and numbers from 0 for each time, some at a time."""
    ends = np.cumsum(counts)
    n_meetings = int(counts.sum())
    for begin in range(0, n_meetings, HELD_MEETINGS):
        numbers = np.arange(begin, min(begin + HELD_MEETINGS, n_meetings))
        rows = np.searchsorted(ends, numbers, side="right")
        yield rows, numbers - (ends - counts)[rows]


def distinct_meetings(met: Met) -> Met:
    """Return meetings in order, each once: two documents may share several keys."""
    met = met[np.lexsort((met["older"], met["index"], met["document"]))]
    is_first = np.ones(len(met), bool)
    is_first[1:] = met[1:] != met[:-1]
    return met[is_first]


def held_meetings(packed: Iterable[bytes]) -> Iterator[Met]:
    """Yield the meetings of a split by parts that fit in memory, each once in its part.

    What is packed together is never more than :data:`HELD_MEETINGS`, and neither is a part, by more
    than that.
    """
    held = [np.zeros(0, MET)]
    n_held = 0
    for data in packed:
        held.append(np.frombuffer(data, MET))
        n_held += len(held[-1])
        if n_held > HELD_MEETINGS:
            held = [distinct_meetings(np.concatenate(held))]
            n_held = len(held[0])
            if n_held > HELD_MEETINGS // 2:
                yield held[0]
                held, n_held = [held[0][:0]], 0
    if n_held:
        yield distinct_meetings(np.concatenate(held))


def fallen_to_older(
    step: DeduplicateNear, cards: Sequence[Card], minima_path: str, packed: Iterable[bytes]
) -> npt.NDArray[np.uint32]:
    """Return the numbers of a split's documents that go for those that they met in indexes.

    ``minima_path`` is that of the split's minima. A document that goes is compared no further.
    """
    goes = np.zeros(0, np.uint32)
    for part in held_meetings(packed):
        for number, card in enumerate(cards):
            met = part[part["index"] == number]
            met = met[~np.isin(met["document"], goes)]
            if len(met):
                documents, rows = np.unique(met["document"], return_inverse=True)
                own = read_minima(minima_path, documents)
                near = are_near_older(step, card, own, rows, met["older"])
                goes = np.union1d(goes, documents[rows[near]])
    return goes


class CompareOlder(NearDoFn):
    """Compares the minima of a split's documents with those of the documents that they met."""

    def process(
        self, element: tuple[WindowSplitKey, Iterable[bytes]]
    ) -> Iterator[tuple[SplitKey, bytes]]:
        """Yield the numbers that go, packed, keyed by the split in its own source."""
        (source, step, window, split), packed = element
        deduplication = self.deduplication(source, step)
        name = minima_place(deduplication, Round(source, step, window, 0), split)
        assert name is not None, "the sketches were made with the minima"
        path = storage.join(self.output, name)
        goes = fallen_to_older(deduplication, self.cards(source, step), path, packed)
        key = own_key(self.recipe, source, step, split)
        yield key, goes.tobytes()
