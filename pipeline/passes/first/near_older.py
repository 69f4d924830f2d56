"""Near-duplicates of documents of earlier runs, and what a run writes for later ones.

Documents meet those of the indexes in the partition of a band's key, as they meet one another. The
meetings go to the document's split, whose minima are compared with those of the indexes. What goes
in this way is decided beside what goes for a document of the run, which no step here changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from pipeline.passes.beam_parts import WritingDoFn
from pipeline.passes.first.rounds import PartitionKey, Round, SplitKey, WindowSplitKey, own_key
from pipeline.passes.process import cached_recipe
from transforms.dedup.key_files import REFERENCES, Rows
from transforms.dedup.near import BandPart, DeduplicateNear, rows_by_split

OLDER = "older"
"""Tag of the meetings with documents of earlier runs: rows of the document, the number of the index
among those that the step names, and the other document."""

MEETINGS_AT_A_TIME = 1 << 16
"""Band keys of a partition that are looked up at a time in an index, which bounds a worker's
memory."""

_LOW = np.uint64(0xFFFFFFFF)


def rows_of(packed: Iterable[bytes], n_columns: int) -> npt.NDArray[np.uint64]:
    """Return packed numbers as rows of so many columns."""
    return np.frombuffer(b"".join(packed), np.uint64).reshape(-1, n_columns)


class NearDoFn(WritingDoFn):
    """A part of the first pass: it knows the recipe, and where the run writes."""

    def __init__(self, recipe_json: str, output: str, progress_name: str = "") -> None:
        super().__init__(output)
        self.recipe_json = recipe_json
        self.progress_name = progress_name

    def deduplication(self, source: str, position: int) -> DeduplicateNear:
        """Return the step at a position among a source's steps."""
        made = cached_recipe(self.recipe_json).source(source).steps[position].deduplication
        assert isinstance(made, DeduplicateNear)
        return made

    def cards(self, source: str, position: int) -> list[Card]:
        """Return the cards of the indexes that a step compares with."""
        step = cached_recipe(self.recipe_json).source(source).steps[position]
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
    parts: Iterable[BandPart], cards: list[Card], most: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the meetings of a partition's documents with those of indexes, packed, by split."""
    columns = [(part.keys, part.references) for part in parts] if cards else []
    if not columns:
        return
    keys, references = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(keys, kind="stable")
    keys, references = keys[order], references[order]
    distinct, starts, counts = np.unique(keys, return_index=True, return_counts=True)
    for number, card in enumerate(cards):
        for begin in range(0, len(distinct), MEETINGS_AT_A_TIME):
            here = slice(begin, begin + MEETINGS_AT_A_TIME)
            places, older = documents_with(card, distinct[here], most)
            # Each document of the bucket meets each of the index's.
            n_own = counts[here][places]
            own = np.arange(int(n_own.sum())) - np.repeat(np.cumsum(n_own) - n_own, n_own)
            met = np.empty((len(own), 3), np.uint64)
            met[:, 0] = references[own + np.repeat(starts[here][places], n_own)]
            met[:, 1] = number
            met[:, 2] = np.repeat(older, n_own)
            for split, rows in rows_by_split(met[:, 0]):
                yield split, met[rows].tobytes()


class CompareOlder(NearDoFn):
    """Compares the minima of a split's documents with those of the documents that they met."""

    def process(
        self, element: tuple[WindowSplitKey, Iterable[bytes]]
    ) -> Iterator[tuple[SplitKey, bytes]]:
        """Yield the numbers that go, packed, keyed by the split in its own source."""
        (source, step, window, split), packed = element
        deduplication = self.deduplication(source, step)
        met = np.unique(rows_of(packed, 3), axis=0)
        numbers, rows = np.unique((met[:, 0] & _LOW).astype(np.uint32), return_inverse=True)
        name = minima_place(deduplication, Round(source, step, window, 0), split)
        assert name is not None, "the sketches were made with the minima"
        own = read_minima(storage.join(self.output, name), numbers)
        goes = np.zeros(len(numbers), bool)
        for number, card in enumerate(self.cards(source, step)):
            here = met[:, 1] == number
            near = are_near_older(deduplication, card, own, rows[here], met[here, 2])
            goes[rows[here][near]] = True
        key = own_key(cached_recipe(self.recipe_json), source, step, split)
        yield key, numbers[goes].tobytes()
