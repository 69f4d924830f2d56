"""The first pass of a near-duplicate step: sketches by band, pairs, true overlaps, decisions.

Four shuffles of packed arrays, none of text: band keys by partition, where documents meet; pairs
that met by the split of the one that would go, where those to compare are chosen; these by the
splits of both documents, which are read again; shingles by pair, which are compared. What was
decided comes back as one bit a document, as that of exact deduplication does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.decisions import decision_name
from pipeline.output.layout import Split, read_plan
from pipeline.output.ledger import Tally
from pipeline.output.progress import ProgressLog
from pipeline.passes.process import cached_recipe, process_split
from pipeline.passes.rounds import FirstPass, Round, RoundSplits, WriteDecisions
from pipeline.passes.writing import WritingDoFn
from transforms.dedup.near import (
    DeduplicateNear,
    band_parts,
    numbers_in_pairs,
    pack,
    rows_by_split,
    unpack,
)

COUNTS = "counts"
DECIDED = "decided"


@functools.lru_cache(maxsize=1)
def _splits(output: str) -> dict[tuple[str, int], Split]:
    """Index the plan by source and number, once a process."""
    return {(s.source, s.split): s for s in read_plan(output) if s.holds == "documents"}


def _source_and_step(label: str) -> tuple[str, int]:
    source, step_name = label.split("/")[:2]
    return source, int(step_name.removeprefix("step"))


def _decision_name(label: str, split: int) -> str:
    source, position = _source_and_step(label)
    return decision_name(source, position, split)


def _rows(packed: Iterable[bytes], n_columns: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(packed), np.uint64).reshape(-1, n_columns)


class _NearDoFn(WritingDoFn):
    """What the parts of the step share: the recipe, and where the run writes."""

    def __init__(self, recipe_json: str, output: str, progress_name: str = "") -> None:
        super().__init__(output)
        self.recipe_json = recipe_json
        self.progress_name = progress_name

    def step_of(self, label: str) -> DeduplicateNear:
        """Make the step of a round, given by what stands ahead of the key in its label."""
        source, position = _source_and_step(label)
        made = cached_recipe(self.recipe_json).source(source).steps[position].deduplication
        assert isinstance(made, DeduplicateNear)
        return made


class SketchSplit(_NearDoFn):
    """Read a split and send its documents' band keys by partition."""

    def process(
        self, element: tuple[Round, Split]
    ) -> Iterator[tuple[str, bytes] | beam.pvalue.TaggedOutput]:
        """Yield packed parts keyed by round and partition; tagged, the number of documents."""
        one, split = Round(*element[0]), Split(*element[1])
        name = f"{one.folder}/split{split.split:06d}.sketch"
        if not storage.exists(storage.join(self.output, name)):
            self._make(one, split, name)
        with storage.open_read(storage.join(self.output, name)) as file:
            n_documents = int(np.frombuffer(file.read(8), np.uint64)[0])
            while header := file.read(16):
                partition, n_bytes = np.frombuffer(header, np.uint64).tolist()
                yield f"{one.label}/{partition}", file.read(n_bytes)
        yield beam.pvalue.TaggedOutput(
            COUNTS,
            (
                decision_name(split.source, one.step, split.split),
                np.uint64(n_documents).tobytes(),
            ),
        )

    def _make(self, one: Round, split: Split, name: str) -> None:
        step = self.step_of(one.label)
        progress = ProgressLog(self.output, self.progress_name, split)
        recipe = cached_recipe(self.recipe_json)
        n_documents = 0
        body: list[bytes] = []
        batches = process_split(split, recipe, self.output, Tally(), until=one.step)
        for batch in progress.watch(batches):
            sketch = step.sketch(batch)
            for partition, part in band_parts(sketch, split.split, n_documents, one.n_partitions):
                packed = pack(part)
                body += [np.array([partition, len(packed)], np.uint64).tobytes(), packed]
            n_documents += batch.num_rows
        data = b"".join([np.uint64(n_documents).tobytes(), *body])
        whole_files.write_bytes(self.output, name, data)
        progress.done()


class MeetInBands(_NearDoFn):
    """Find the documents that meet in one partition of band keys."""

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the meetings, packed, keyed by the split of the one that would go."""
        label, _, _ = element[0].rpartition("/")
        for met in self.step_of(label).meetings(map(unpack, element[1])):
            for split, rows in rows_by_split(met[:, 0]):
                yield f"{label}/{split}", met[rows].tobytes()


class ChoosePartners(_NearDoFn):
    """Choose what each document of a split is compared with, of all that it meets."""

    def process(
        self, element: tuple[str, Iterable[bytes]]
    ) -> Iterator[tuple[str, bytes] | beam.pvalue.TaggedOutput]:
        """Yield pairs, packed, keyed by the splits of both; tagged, those that go in any case."""
        label, _, split = element[0].rpartition("/")
        same, pairs = self.step_of(label).choose(_rows(element[1], 3))
        if len(same):
            name = _decision_name(label, int(split))
            numbers = (same & np.uint64(0xFFFFFFFF)).astype(np.uint32)
            yield beam.pvalue.TaggedOutput(DECIDED, (name, numbers.tobytes()))
        if len(pairs):
            yield element[0], pairs.tobytes()
        for other, rows in rows_by_split(pairs[:, 1]):
            if other != int(split):
                yield f"{label}/{other}", pairs[rows].tobytes()


class ShinglesOfPairs(_NearDoFn):
    """Read a split again and send the shingles of its documents that stand in a pair."""

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield a document's reference and shingles, keyed by the pair."""
        label, _, number = element[0].rpartition("/")
        source, position = _source_and_step(label)
        step = self.step_of(label)
        pairs = _rows(element[1], 2)
        numbers, rows = numbers_in_pairs(pairs, int(number))
        recipe = cached_recipe(self.recipe_json)
        split = _splits(self.output)[source, int(number)]
        first = 0
        for batch in process_split(split, recipe, self.output, Tally(), until=position):
            begin, end = np.searchsorted(numbers, [first, first + batch.num_rows])
            wanted, starts = np.unique(numbers[begin:end], return_index=True)
            if len(wanted):
                hashes, offsets = step.shingles(batch.take(wanted - first))
                for i, mine in enumerate(np.split(rows[begin:end], starts[1:])):
                    reference = np.uint64(int(number) << 32 | int(wanted[i]))
                    data = reference.tobytes() + hashes[offsets[i] : offsets[i + 1]].tobytes()
                    for a, b in pairs[mine].tolist():
                        yield f"{label}/{a}/{b}", data
            first += batch.num_rows


class ComparePair(_NearDoFn):
    """Work out the true overlap of a pair."""

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the number of the document that goes, keyed by its split's decision file."""
        label, a, b = element[0].rsplit("/", 2)
        shingles = {
            int(np.frombuffer(data, np.uint64, 1)[0]): np.frombuffer(data, np.uint64, offset=8)
            for data in element[1]
        }
        if self.step_of(label).is_near(shingles[int(a)], shingles[int(b)]):
            yield _decision_name(label, int(a) >> 32), np.uint32(int(a) & 0xFFFFFFFF).tobytes()


class FindNearDuplicates(FirstPass):
    """The first pass of a near-duplicate step."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Sketch, pair, compare, and group decisions by split."""
        arguments = self.recipe_json, self.output, self.progress_name
        made = (
            root
            | "Start" >> beam.Create([self.output])
            | "ListSplits" >> beam.ParDo(RoundSplits(self.recipe_json, self.rounds))
            | "SpreadSplits" >> beam.Reshuffle()
            | "Sketch" >> beam.ParDo(SketchSplit(*arguments)).with_outputs(COUNTS, main="parts")
        )
        chosen = (
            made.parts
            | "GroupByPartition" >> beam.GroupByKey()
            | "MeetInBands" >> beam.ParDo(MeetInBands(*arguments))
            | "GroupMeetingsBySplit" >> beam.GroupByKey()
            | "ChoosePartners"
            >> beam.ParDo(ChoosePartners(*arguments)).with_outputs(DECIDED, main="pairs")
        )
        compared = (
            chosen.pairs
            | "GroupPairsBySplit" >> beam.GroupByKey()
            | "ShinglePairs" >> beam.ParDo(ShinglesOfPairs(*arguments))
            | "GroupByPair" >> beam.GroupByKey()
            | "Compare" >> beam.ParDo(ComparePair(*arguments))
        )
        decided = (chosen[DECIDED], compared) | "AllDecided" >> beam.Flatten()
        return (
            {"repeats": made[COUNTS], "decided": decided}
            | "GroupBySplit" >> beam.CoGroupByKey()
            | "WriteDecisions" >> beam.ParDo(WriteDecisions(self.output))
        )
