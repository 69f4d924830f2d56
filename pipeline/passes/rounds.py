"""Rounds of the first pass: what those of every kind of deduplication have in common.

A round makes the decisions of one deduplication of one source, over one window of its input files.
Rounds that may run together do so in one pipeline.

Keys of shuffles are plain tuples of text and whole numbers, and the transforms that make them name
these types to Beam: it chooses coders by them that give the same key the same bytes on any runner,
which its pickled records need not do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np

from pipeline.output.decisions import decision_name, write_decisions
from pipeline.output.layout import Split, read_plan
from pipeline.passes.beam_parts import WritingDoFn
from pipeline.passes.estimates import window_of
from pipeline.passes.process import cached_recipe

PartitionKey = tuple[str, int, int, int]
"""Keys of the shuffle by partition: source, position of the step, window, partition."""

SplitKey = tuple[str, int, int]
"""Keys of the shuffle by split: source, position of the step, number of the split."""


class Round(NamedTuple):
    """One deduplication of one source, over one window of its input files."""

    source: str
    step: int  # position among the source's steps
    window: int
    n_partitions: int

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


class FirstPass(beam.PTransform):
    """First pass of some rounds: from the plan to a file of decisions for each of their splits.

    Each kind of deduplication has its own (:mod:`pipeline.passes.deduplications`).
    """

    def __init__(
        self, recipe_json: str, output: str, rounds: list[Round], progress_name: str
    ) -> None:
        super().__init__()
        self.recipe_json = recipe_json
        self.output = output
        self.rounds = rounds
        self.progress_name = progress_name


def splits_of_rounds(
    output: str, recipe_json: str, rounds: list[Round]
) -> Iterator[tuple[Round, Split]]:
    """Yield every split of the plan once for each of the rounds that it belongs to."""
    recipe = cached_recipe(recipe_json)
    for split in read_plan(output):
        for one in rounds:
            if one.source != split.source or split.holds != "documents":
                continue
            if one.window == window_of(recipe.source(one.source), one.step, split):
                yield one, split


class WriteDecisions(WritingDoFn):
    """Writes one split's decisions as a file.

    They are grouped from two sides: the split's ``own`` element has the number of its units and
    those that go whatever stands elsewhere; what is ``decided`` are the numbers of more that go.
    """

    def process(self, element: tuple[SplitKey, dict[str, Iterable[bytes]]]) -> None:
        """Write the file of the split that the element's key names."""
        split, groups = element
        (own,) = groups["own"]
        n_units = int(np.frombuffer(own, np.uint64, 1)[0])
        dropped = [np.frombuffer(own, np.uint32, offset=8)]
        dropped += [np.frombuffer(units, np.uint32) for units in groups["decided"]]
        write_decisions(self.output, decision_name(*split), n_units, dropped)
