"""First pass of near-duplicate steps: sketches by band, pairs, true overlaps, decisions.

Packed arrays are shuffled four times, and no text. Band keys go to their partition, where documents
meet; pairs that met go to the split of the document that would go, where those to compare are
chosen; these go to the splits of both documents, which are read again; and shingles go to their
pair, where they are compared. The decisions come back as one bit a document, as those of exact
deduplications do.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.decisions import fell_to
from pipeline.output.layout import Split, read_plan
from pipeline.output.near_indexes import write_minima
from pipeline.output.progress import ProgressLog
from pipeline.passes.first.near_older import (
    OLDER,
    CompareOlder,
    NearDoFn,
    compares_older,
    minima_place,
    rows_of,
    with_older,
    write_bands,
)
from pipeline.passes.first.rounds import (
    PAIRS,
    SURVIVORS,
    FirstPass,
    PartitionKey,
    Round,
    SplitKey,
    WindowSplitKey,
    WriteDecisions,
    names_survivors,
    own_key,
    splits_of_rounds,
)
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.process import documents_ahead
from transforms.dedup.near import (
    band_parts,
    numbers_in_pairs,
    pack,
    rows_by_split,
    unpack,
)
from transforms.dedup.sketch_files import Minima

PairKey = tuple[str, int, int, int]
"""Keys of the shuffle by pair: source, position of the step, references of the two documents.

Here the keys of shuffles by split have the split's number in the round, until its decisions are
made.
"""

COUNTS = "counts"
DECIDED = "decided"

_LOW = np.uint64(0xFFFFFFFF)  # of a reference: the document's number in its split


@functools.lru_cache(maxsize=1)
def _splits(output: str) -> dict[tuple[str, int], Split]:
    """Index the plan by source and number, once a process."""
    return {(s.source, s.split): s for s in read_plan(output) if s.holds == "documents"}


class SketchSplit(NearDoFn):
    """Reads a split and sends its documents' band keys by partition."""

    def process(
        self, element: tuple[Round, Split]
    ) -> Iterator[tuple[PartitionKey, bytes] | beam.pvalue.TaggedOutput]:
        """Yield packed parts keyed by round and partition.

        Tagged are the number of documents, and no pairs, where pairs are kept.
        """
        one, split = Round(*element[0]), Split(*element[1])
        place = one.place_of(self.recipe, split)
        assert place is not None
        number, step = place
        name = one.work_name(split.source, split.split, "sketch")
        if not storage.exists(storage.join(self.output, name)):
            self._make(one, split, number, step, name)
        with storage.open_read(storage.join(self.output, name)) as file:
            n_documents = int(np.frombuffer(file.read(8), np.uint64)[0])
            while header := file.read(16):
                partition, n_bytes = np.frombuffer(header, np.uint64).tolist()
                yield one.partition_key(partition), file.read(n_bytes)
        key = split.source, step, split.split
        yield beam.pvalue.TaggedOutput(COUNTS, (key, np.uint64(n_documents).tobytes()))
        if self.deduplication(one.source, one.step).records_sizes:
            # So that there is a file for a split without pairs, too.
            yield beam.pvalue.TaggedOutput(PAIRS, (key, b""))

    def _make(self, one: Round, split: Split, number: int, position: int, name: str) -> None:
        step = self.deduplication(one.source, one.step)
        progress = ProgressLog(self.output, self.progress_name, split)
        recipe = self.recipe
        n_documents = 0
        body: list[bytes] = []
        minima: list[Minima] = []
        minima_file = minima_place(step, one, number)
        batches = documents_ahead(split, recipe, self.output, position)
        for batch in progress.watch(batches):
            sketch = step.sketch(batch)
            for partition, part in band_parts(sketch, number, n_documents, one.n_partitions):
                packed = pack(part)
                body += [np.array([partition, len(packed)], np.uint64).tobytes(), packed]
            if minima_file:
                minima.append(Minima(sketch.minima, sketch.shingles.astype(np.uint32)))
            n_documents += batch.num_rows
        if minima_file:  # ahead of the sketches, which say that all is there
            write_minima(self.output, minima_file, minima, step.n_minima)
        data = b"".join([np.uint64(n_documents).tobytes(), *body])
        whole_files.write_bytes(self.output, name, data)
        progress.done()


class MeetInBands(NearDoFn):
    """Finds the documents that meet in one partition of band keys; writes it for later runs."""

    def process(
        self, element: tuple[PartitionKey, Iterable[bytes]]
    ) -> Iterator[tuple[SplitKey, bytes] | beam.pvalue.TaggedOutput]:
        """Yield the meetings, packed, keyed by the split of the one that would go.

        Tagged are the meetings with documents of earlier runs.
        """
        (source, step, window, partition), packed = element
        deduplication = self.deduplication(source, step)
        parts = list(map(unpack, packed))
        if deduplication.index:
            write_bands(self.output, (source, step, window, partition), parts)
        cards = self.cards(source, step)
        for split, older in with_older(parts, cards, deduplication.max_neighbours):
            yield beam.pvalue.TaggedOutput(OLDER, ((source, step, window, split), older))
        for met in deduplication.meetings(parts):
            for split, rows in rows_by_split(met[:, 0]):
                yield (source, step, split), met[rows].tobytes()


class ChoosePartners(NearDoFn):
    """Chooses what each document of a split is compared with, of all that it meets."""

    def process(
        self, element: tuple[SplitKey, Iterable[bytes]]
    ) -> Iterator[tuple[SplitKey, bytes] | beam.pvalue.TaggedOutput]:
        """Yield pairs, packed, keyed by the splits of both; tagged, those that go in any case."""
        (source, step, split), met = element
        same, pairs = self.deduplication(source, step).choose(rows_of(met, 3))
        if len(same):
            yield beam.pvalue.TaggedOutput(DECIDED, ((source, step, split), same.tobytes()))
        if len(pairs):
            yield (source, step, split), pairs.tobytes()
        for other, rows in rows_by_split(pairs[:, 1]):
            if other != split:
                yield (source, step, other), pairs[rows].tobytes()


class ShinglesOfPairs(NearDoFn):
    """Reads a split again and sends the shingles of its documents that stand in a pair."""

    def process(self, element: tuple[SplitKey, Iterable[bytes]]) -> Iterator[tuple[PairKey, bytes]]:
        """Yield a document's reference and shingles, keyed by the pair."""
        (source, step, number), packed = element
        recipe = self.recipe
        of_source, own_step, own_number = own_key(recipe, source, step, number)
        deduplication = self.deduplication(source, step)
        pairs = rows_of(packed, 2)
        numbers, rows = numbers_in_pairs(pairs, number)
        split = _splits(self.output)[of_source, own_number]
        first = 0
        for batch in documents_ahead(split, recipe, self.output, own_step):
            begin, end = np.searchsorted(numbers, [first, first + batch.num_rows])
            wanted, starts = np.unique(numbers[begin:end], return_index=True)
            if len(wanted):
                hashes, offsets = deduplication.shingles(batch.take(wanted - first))
                for i, mine in enumerate(np.split(rows[begin:end], starts[1:])):
                    reference = np.uint64(number << 32 | int(wanted[i]))
                    data = reference.tobytes() + hashes[offsets[i] : offsets[i + 1]].tobytes()
                    for a, b in pairs[mine].tolist():
                        yield (source, step, a, b), data
            first += batch.num_rows


class ComparePair(NearDoFn):
    """Works out the true overlap of a pair."""

    def process(self, element: tuple[PairKey, Iterable[bytes]]) -> Iterator[tuple[SplitKey, bytes]]:
        """Yield the pair, where one goes, keyed by the split of the one that does."""
        (source, step, a, b), packed = element
        shingles = {
            int(np.frombuffer(data, np.uint64, 1)[0]): np.frombuffer(data, np.uint64, offset=8)
            for data in packed
        }
        if self.deduplication(source, step).is_near(shingles[a], shingles[b]):
            yield (source, step, a >> 32), np.array([a, b], np.uint64).tobytes()


class NameWhatGoes(NearDoFn):
    """Says of pairs, in which one goes, which documents these are."""

    def process(
        self, element: tuple[SplitKey, bytes]
    ) -> Iterator[tuple[SplitKey, bytes] | beam.pvalue.TaggedOutput]:
        """Yield the numbers that go, keyed by their split; tagged, what they fell to, and pairs."""
        (source, step, number), pairs = element
        recipe = self.recipe
        key = own_key(recipe, source, step, number)
        goes, stays = rows_of([pairs], 2).T
        units = (goes & _LOW).astype(np.uint32)
        yield key, units.tobytes()
        if names_survivors(recipe, source, step):
            fell = fell_to(units, stays >> np.uint64(32), (stays & _LOW).astype(np.uint32))
            yield beam.pvalue.TaggedOutput(SURVIVORS, (key, fell))
        if self.deduplication(source, step).records_sizes:
            yield beam.pvalue.TaggedOutput(PAIRS, (key, pairs))


class FindNearDuplicates(FirstPass):
    """The first pass of near-duplicate steps."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Sketch, pair, compare, and group decisions by split."""
        arguments = self.recipe_json, self.output, self.progress_name
        made = (
            root
            | "ListSplits" >> FromPlan(self.output, splits_of_rounds, self.recipe_json, self.rounds)
            | "Sketch"
            >> beam.ParDo(SketchSplit(*arguments))
            .with_output_types(
                tuple[PartitionKey, bytes],
                counts=tuple[SplitKey, bytes],
                pairs=tuple[SplitKey, bytes],
            )
            .with_outputs(COUNTS, PAIRS, main="parts")
        )
        met = (
            made.parts
            | "GroupByPartition" >> beam.GroupByKey()
            | "MeetInBands"
            >> beam.ParDo(MeetInBands(*arguments))
            .with_output_types(tuple[SplitKey, bytes], older=tuple[WindowSplitKey, bytes])
            .with_outputs(OLDER, main="meetings")
        )
        chosen = (
            met.meetings
            | "GroupMeetingsBySplit" >> beam.GroupByKey()
            | "ChoosePartners"
            >> beam.ParDo(ChoosePartners(*arguments))
            .with_output_types(tuple[SplitKey, bytes], decided=tuple[SplitKey, bytes])
            .with_outputs(DECIDED, main="pairs")
        )
        compared = (
            chosen.pairs
            | "GroupPairsBySplit" >> beam.GroupByKey()
            | "ShinglePairs"
            >> beam.ParDo(ShinglesOfPairs(*arguments)).with_output_types(tuple[PairKey, bytes])
            | "GroupByPair" >> beam.GroupByKey()
            | "Compare"
            >> beam.ParDo(ComparePair(*arguments)).with_output_types(tuple[SplitKey, bytes])
        )
        decided = (
            (chosen[DECIDED], compared)
            | "AllDecided" >> beam.Flatten()
            | "NameWhatGoes"
            >> beam.ParDo(NameWhatGoes(*arguments))
            .with_output_types(
                tuple[SplitKey, bytes],
                survivors=tuple[SplitKey, bytes],
                pairs=tuple[SplitKey, bytes],
            )
            .with_outputs(SURVIVORS, PAIRS, main="units")
        )
        units = decided.units
        if compares_older(self.recipe_json, self.rounds):
            fallen = (
                met[OLDER]
                | "GroupOlderBySplit" >> beam.GroupByKey()
                | "CompareOlder"
                >> beam.ParDo(CompareOlder(*arguments)).with_output_types(tuple[SplitKey, bytes])
            )
            units = (units, fallen) | "AllUnits" >> beam.Flatten()
        pairs = (made[PAIRS], decided[PAIRS]) | "AllPairs" >> beam.Flatten()
        return (
            {
                "own": made[COUNTS],
                "decided": units,
                SURVIVORS: decided[SURVIVORS],
                PAIRS: pairs,
            }
            | "GroupBySplit" >> beam.CoGroupByKey()
            | "WriteDecisions" >> beam.ParDo(WriteDecisions(self.output))
        )
