"""The first pass of a near-duplicate step: sketches by band, pairs, true overlaps, decisions.

Three shuffles of packed arrays, none of text: band keys by partition, which gives candidate pairs;
pairs by split, which reads again the documents that stand in a pair; their shingles by pair, which
verifies it. What was decided comes back as one bit a document, as that of exact deduplication does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow.compute as pc

from pipeline import storage
from pipeline.decisions import decision_name
from pipeline.fingerprint import Round, RoundSplits, WriteDecisions
from pipeline.layout import Split, read_plan
from pipeline.ledger import Tally
from pipeline.process import cached_recipe, deduplicator, process_split
from pipeline.progress import ProgressLog
from pipeline.writing import WritingDoFn
from transforms.near_duplicates import (
    DeduplicateNear,
    Document,
    References,
    band_parts,
    numbers_in_pairs,
    pack,
    pairs_by_split,
    unpack,
)

COUNTS = "counts"


@functools.lru_cache(maxsize=1)
def _splits(output: str) -> dict[tuple[str, int], Split]:
    """Index the plan by source and number, once a process."""
    return {(s.source, s.split): s for s in read_plan(output) if s.holds == "documents"}


class _NearDoFn(WritingDoFn):
    """What the parts of the step share: the recipe, and where the run writes."""

    def __init__(self, recipe_json: str, output: str, progress_name: str = "") -> None:
        super().__init__(output)
        self.recipe_json = recipe_json
        self.progress_name = progress_name

    def step(self, source: str, position: int) -> DeduplicateNear:
        made = deduplicator(cached_recipe(self.recipe_json).source(source).steps[position])
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
        step = self.step(split.source, one.step)
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
        storage.write_bytes(self.output, name, data)
        progress.done()


class PairsOfPartition(_NearDoFn):
    """Find the candidate pairs of one partition of band keys."""

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the pairs that have a document in a split, packed, keyed by that split."""
        label, _, _ = element[0].rpartition("/")
        source, step_name = label.split("/")[:2]
        step = self.step(source, int(step_name.removeprefix("step")))
        for chunk in step.candidate_chunks(map(unpack, element[1])):
            for split, pairs in pairs_by_split(chunk):
                yield f"{label}/{split}", pairs.tobytes()


class ShinglesOfPairs(_NearDoFn):
    """Read a split again and send the shingles of its documents that stand in a pair."""

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield a document's reference, length and shingles, keyed by the pair."""
        label, _, number = element[0].rpartition("/")
        source, step_name = label.split("/")[:2]
        position = int(step_name.removeprefix("step"))
        step = self.step(source, position)
        pairs = np.unique(
            np.concatenate([np.frombuffer(p, np.uint64).reshape(-1, 2) for p in element[1]]), axis=0
        )
        numbers, rows = numbers_in_pairs(pairs, int(number))
        recipe = cached_recipe(self.recipe_json)
        split = _splits(self.output)[source, int(number)]
        first = 0
        for batch in process_split(split, recipe, self.output, Tally(), until=position):
            begin, end = np.searchsorted(numbers, [first, first + batch.num_rows])
            wanted, starts = np.unique(numbers[begin:end], return_index=True)
            if len(wanted):
                chosen = batch.take(wanted - first)
                hashes, offsets = step.shingles(chosen)
                chars = pc.utf8_length(chosen["text"]).to_pylist()
                for i, mine in enumerate(np.split(rows[begin:end], starts[1:])):
                    reference = int(number) << 32 | int(wanted[i])
                    head = np.array([reference, chars[i]], np.uint64).tobytes()
                    data = head + hashes[offsets[i] : offsets[i + 1]].tobytes()
                    for a, b in pairs[mine].tolist():
                        yield f"{source}/{position}/{a}/{b}", data
            first += batch.num_rows


class VerifyPair(_NearDoFn):
    """Work out the true overlap of a pair, and which of the two goes."""

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the number of the document that goes, keyed by its split's decision file."""
        source, position, a, b = element[0].split("/")
        documents = {}
        for data in element[1]:
            reference, chars = np.frombuffer(data, np.uint64, 2).tolist()
            documents[reference] = Document(chars, np.frombuffer(data, np.uint64, offset=16))
        pairs: References = np.array([[int(a), int(b)]], np.uint64)
        for loser in self.step(source, int(position)).losers(pairs, documents):
            name = decision_name(source, int(position), loser >> 32)
            yield name, np.uint32(loser & 0xFFFFFFFF).tobytes()


class FindNearDuplicates(beam.PTransform):
    """From the output folder's plan to a file of decisions for every split of some rounds."""

    def __init__(
        self, recipe_json: str, output: str, rounds: list[Round], progress_name: str
    ) -> None:
        super().__init__()
        self.rounds = rounds
        self.arguments = recipe_json, output, progress_name

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Sketch, pair, verify, and group decisions by split."""
        recipe_json, output, _ = self.arguments
        made = (
            root
            | "Start" >> beam.Create([output])
            | "ListSplits" >> beam.ParDo(RoundSplits(recipe_json, self.rounds))
            | "SpreadSplits" >> beam.Reshuffle()
            | "Sketch"
            >> beam.ParDo(SketchSplit(*self.arguments)).with_outputs(COUNTS, main="parts")
        )
        decided = (
            made.parts
            | "GroupByPartition" >> beam.GroupByKey()
            | "PairCandidates" >> beam.ParDo(PairsOfPartition(*self.arguments))
            | "GroupPairsBySplit" >> beam.GroupByKey()
            | "ShinglePairs" >> beam.ParDo(ShinglesOfPairs(*self.arguments))
            | "GroupByPair" >> beam.GroupByKey()
            | "Verify" >> beam.ParDo(VerifyPair(*self.arguments))
        )
        return (
            {"repeats": made[COUNTS], "decided": decided}
            | "GroupBySplit" >> beam.CoGroupByKey()
            | "WriteDecisions" >> beam.ParDo(WriteDecisions(output))
        )
