"""Rounds of the first pass: what those of every kind of deduplication have in common.

A round makes the decisions of one deduplication of one source, over one window of its input files,
or of one across sources. That is named by its place in the source that it prefers most, and so are
the keys of its shuffles; its splits go by their numbers (``transforms.dedup.deduplication``), and
their decisions by the place in their own source.

Rounds that may run together do so in one pipeline.

Keys of shuffles are plain tuples of text and whole numbers, and the transforms that make them name
these types to Beam: it chooses coders by them that give the same key the same bytes on any runner,
which its pickled records need not do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.output import whole_files
from pipeline.output.decisions import (
    decision_name,
    sizes_name,
    survivors_name,
    write_decisions,
    write_sizes,
    write_survivors,
)
from pipeline.output.layout import Split, read_plan
from pipeline.passes.beam_parts import RecipeTransform, WritingDoFn
from pipeline.passes.estimates import window_of
from pipeline.passes.process import cached_recipe
from pipeline.recipe.recipe import Recipe
from transforms.dedup.deduplication import ranked, unranked

PartitionKey = tuple[str, int, int, int]
"""Keys of the shuffle by partition: source, position of the step, window, partition."""

SplitKey = tuple[str, int, int]
"""Keys of the shuffle by split: source, position of the step, number of the split."""

WindowSplitKey = tuple[str, int, int, int]
"""Keys of the shuffle by split that name its window: source, position of the step, window, number
of the split in the round."""

SIZES = "sizes"
"""Tag of the sizes of clusters of equal documents."""

PAIRS = "pairs"
"""Tag of the pairs of documents that were found alike, of which clusters are made."""

SURVIVORS = "survivors"
"""Tag of what names the documents that others fell to."""


class Round(NamedTuple):
    """One deduplication of one source, over one window of its files, or one across sources."""

    source: str  # of several, the most preferred
    step: int  # position among the source's steps
    window: int
    n_partitions: int

    def place_of(self, recipe: Recipe, split: Split) -> tuple[int, int] | None:
        """Return the split's number in the round and the position of the step in its source.

        It is None where the round does not compare the split.
        """
        for rank, place in enumerate(recipe.source(self.source).places(self.step)):
            if place.source == split.source:
                window = window_of(recipe.source(place.source), place.step, split)
                return (ranked(rank, split.split), place.step) if window == self.window else None
        return None

    def cluster_name(self, *parts: str) -> str:
        """Return the name of a file of the round's clusters, or of their folder."""
        return "/".join(["work/clusters/turns", self.label, *parts])

    def work_name(self, source: str, split: int, suffix: str) -> str:
        """Return the name of a split's file in the round's folder."""
        return f"{self.folder}/{source}/split{split:06d}.{suffix}"

    def partition_key(self, partition: int) -> PartitionKey:
        """Return the key of one of the round's partitions."""
        return self.source, self.step, self.window, partition

    @property
    def label(self) -> str:
        """A short name that tells rounds apart."""
        return f"{self.source}/step{self.step}/window{self.window:05d}"

    @property
    def folder(self) -> str:
        """Where the fingerprints of the round's splits are kept while it runs."""
        return f"work/fingerprints/{self.label}"


def own_key(recipe: Recipe, source: str, step: int, number: int) -> SplitKey:
    """Return the key of a split's decisions, from its number in the round of a place."""
    places = recipe.source(source).places(step)
    rank, split = unranked(number)
    return *places[rank], split


def pairs_name(split: SplitKey) -> str:
    """Return the name of the file with the pairs of a split's documents that were found alike."""
    source, step, number = split
    return f"work/clusters/pairs/{source}/step{step}-split{number:06d}.pairs"


def names_survivors(recipe: Recipe, source: str, step: int) -> bool:
    """Tell whether a deduplication notes what each document fell to."""
    return recipe.source(source).steps[step].deduplication.names_survivors


class FirstPass(RecipeTransform):
    """First pass of some rounds: from the plan to a file of decisions for each of their splits.

    Each kind of deduplication has its own (:mod:`pipeline.passes.first.deduplications`). Where
    ``by_reference``, it may shuffle places in files of the round's folder, for what they hold.
    """

    def __init__(
        self, recipe_json: str, output: str, rounds: list[Round], progress_name: str, *,
        by_reference: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(recipe_json, output)
        self.rounds = rounds
        self.progress_name = progress_name
        self.by_reference = by_reference


def splits_of_rounds(
    output: str, recipe_json: str, rounds: list[Round]
) -> Iterator[tuple[Round, Split]]:
    """Yield every split of the plan once for each of the rounds that it belongs to."""
    recipe = cached_recipe(recipe_json)
    for split in read_plan(output):
        for one in rounds:
            if split.holds == "documents" and one.place_of(recipe, split) is not None:
                yield one, split


class WriteDecisions(WritingDoFn):
    """Writes one split's decisions as a file.

    They are grouped from several sides: the split's ``own`` element has the number of its units and
    those that go whatever stands elsewhere; what is ``decided`` are the numbers of more that go;
    ``survivors`` say of some what they fell to; ``sizes``, where there are any elements of it, how
    many documents equal those that stay; ``pairs`` are those of which clusters are made. The
    decisions come last: where they are, all is.
    """

    def process(self, element: tuple[SplitKey, dict[str, Iterable[bytes]]]) -> None:
        """Write the file of the split that the element's key names."""
        split, groups = element
        (own,) = groups["own"]
        n_units = int(np.frombuffer(own, np.uint64, 1)[0])
        dropped = [np.frombuffer(own, np.uint32, offset=8)]
        dropped += [np.frombuffer(units, np.uint32) for units in groups["decided"]]
        survivors = list(groups.get(SURVIVORS, ()))
        if survivors:
            write_survivors(self.output, survivors_name(*split), survivors)
        sizes = list(groups.get(SIZES, ()))
        if sizes:
            write_sizes(self.output, sizes_name(*split), sizes)
        pairs = list(groups.get(PAIRS, ()))
        if pairs:
            rows = np.frombuffer(b"".join(pairs), np.uint64).reshape(-1, 2)
            whole_files.write_bytes(
                self.output, pairs_name(split), np.unique(rows, axis=0).tobytes()
            )
        write_decisions(self.output, decision_name(*split), n_units, dropped)
