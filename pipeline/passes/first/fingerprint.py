"""First pass of exact deduplications: units are hashed, hashes compared, and units told to go.

Each split is read and taken through the steps ahead of the deduplication, and its units are hashed.
The packed hashes alone are shuffled, one element for each chunk of units and each partition of the
keys. The decisions come back grouped by split, and become one small file a split. A split's
fingerprints are also kept in a file while the pass runs, so that a run that was killed does not
read the split again. Where the shuffle is in memory, its elements say where in that file they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.decisions import fell_to, packed_sizes
from pipeline.output.key_indexes import seen_before, write_index_part
from pipeline.output.layout import Split
from pipeline.output.progress import ProgressLog
from pipeline.passes.beam_parts import RecipeDoFn
from pipeline.passes.first.rounds import (
    SIZES,
    SURVIVORS,
    FirstPass,
    PartitionKey,
    Round,
    SplitKey,
    WriteDecisions,
    names_survivors,
    own_key,
    splits_of_rounds,
)
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.process import documents_ahead
from transforms.dedup.exact import (
    ExactDeduplication,
    Fingerprint,
    Keys,
    Part,
    Units,
    cluster_sizes,
    counts_of,
    counts_of_keys,
    decide_with_firsts,
    distinct_keys,
    fingerprint,
    pack,
    partition_bounds,
    unpack,
)
from transforms.dedup.key_files import Rows, saturated

CHUNK_UNITS = 1 << 21
"""Units that are sorted and sent together, which bounds a worker's memory (some 100 MB)."""


class FingerprintSplit(RecipeDoFn):
    """Reads a split and sends its fingerprints by partition, and its own repeats by split."""

    REPEATS = "repeats"

    def __init__(
        self, recipe_json: str, output: str, progress_name: str, *, by_reference: bool = False
    ) -> None:
        super().__init__(recipe_json, output)
        self.progress_name = progress_name
        self.by_reference = by_reference

    def process(
        self, element: tuple[Round, Split]
    ) -> Iterator[tuple[PartitionKey, bytes] | beam.pvalue.TaggedOutput]:
        """Yield parts keyed by round and partition; tagged, the repeats keyed by split.

        A part is packed, or, by reference, where it is in the split's file.
        """
        one, split = Round(*element[0]), Split(*element[1])
        recipe = self.recipe
        place = one.place_of(recipe, split)
        assert place is not None
        number, step = place
        own = split.source, step, split.split
        name = one.work_name(split.source, split.split, "fp")
        if not storage.exists(storage.join(self.output, name)):
            self._make(split, step, name)
        named = names_survivors(recipe, split.source, step)
        deduplication = recipe.source(split.source).steps[step].deduplication
        assert isinstance(deduplication, ExactDeduplication)
        counted = deduplication.counts_units
        if deduplication.records_sizes:  # so that there is a file for a split without copies, too
            yield beam.pvalue.TaggedOutput(SIZES, (own, b""))
        n_units, repeats = 0, []
        for at, n, chunk in read_fingerprints(self.output, name):
            n_units += n
            repeats.append(chunk.repeats)
            if named and len(chunk.repeats):
                split_of_each = np.full(len(chunk.repeats), number)
                packed = fell_to(chunk.repeats, split_of_each, chunk.repeated)
                yield beam.pvalue.TaggedOutput(SURVIVORS, (own, packed))
            counts = counts_of(chunk) if counted else None
            bounds = partition_bounds(chunk.keys, one.n_partitions)
            for partition in range(one.n_partitions):
                here = slice(bounds[partition], bounds[partition + 1])
                if here.start == here.stop:
                    continue
                if self.by_reference and counts is None:
                    reference = Reference(number, at, len(chunk.keys), here.start, here.stop)
                    yield one.partition_key(partition), np.array(reference, np.uint64).tobytes()
                else:
                    mine = None if counts is None else counts[here]
                    part = Part(number, chunk.keys[here], chunk.firsts[here], mine)
                    yield one.partition_key(partition), pack(part)
        yield beam.pvalue.TaggedOutput(
            self.REPEATS,
            (
                own,
                np.uint64(n_units).tobytes() + b"".join(r.tobytes() for r in repeats),
            ),
        )

    def _make(self, split: Split, step: int, name: str) -> None:
        recipe = self.recipe
        deduplication = recipe.source(split.source).steps[step].deduplication
        assert isinstance(deduplication, ExactDeduplication)
        progress = ProgressLog(self.output, self.progress_name, split)
        with whole_files.write_whole(self.output, name) as file:
            batches = documents_ahead(split, recipe, self.output, step)
            units = (deduplication.units(batch) for batch in progress.watch(batches))
            for n, chunk in chunks(units):
                file.write(_chunk_bytes(n, chunk))
        progress.done()


def chunks(batches: Iterable[Units]) -> Iterator[tuple[int, Fingerprint]]:
    """Make a fingerprint of every :data:`CHUNK_UNITS` units or so, with the number of units."""
    first_unit = n = first_document = 0
    keys: list[Keys] = []
    documents: list[npt.NDArray[np.int64]] = []

    def finish() -> tuple[int, Fingerprint]:
        return n, fingerprint(np.concatenate(keys), np.concatenate(documents), first_unit)

    for units in batches:
        n_documents = len(units.offsets) - 1
        keys.append(units.keys)
        documents.append(np.repeat(np.arange(n_documents) + first_document, np.diff(units.offsets)))
        first_document += n_documents
        n += len(units.keys)
        if n >= CHUNK_UNITS:
            yield finish()
            first_unit, n, keys, documents = first_unit + n, 0, [], []
    if n:
        yield finish()


def _chunk_bytes(n_units: int, chunk: Fingerprint) -> bytes:
    header = np.array([n_units, len(chunk.keys), len(chunk.repeats)], np.uint64)
    return b"".join([header.tobytes(), *(array.tobytes() for array in chunk)])


class Reference(NamedTuple):
    """A part of a partition, by its place in the file with a split's fingerprints."""

    split: int  # number in the round
    chunk_offset: int  # where the chunk's arrays begin, in bytes
    n_keys: int  # of the whole chunk
    start: int  # of the part's keys among these
    stop: int


def read_part(output: str, name: str, reference: Reference) -> Part:
    """Read a part from the file ``name`` of its split's fingerprints."""
    n = reference.stop - reference.start
    with storage.open_read(storage.join(output, name)) as file:
        file.seek(reference.chunk_offset + 8 * reference.start)
        keys = np.frombuffer(file.read(8 * n), np.uint64)
        file.seek(reference.chunk_offset + 8 * reference.n_keys + 4 * reference.start)
        firsts = np.frombuffer(file.read(4 * n), np.uint32)
    assert len(keys) == len(firsts) == n, f"{name}: shorter than its keys"
    return Part(reference.split, keys, firsts)


def read_fingerprints(output: str, name: str) -> Iterator[tuple[int, int, Fingerprint]]:
    """Read the chunks of a split's fingerprints: where each begins, in bytes, and its units."""
    with storage.open_read(storage.join(output, name)) as file:
        at = 0
        while header := file.read(24):
            n_units, n_keys, n_repeats = np.frombuffer(header, np.uint64).tolist()
            data = io.BytesIO(file.read(12 * n_keys + 8 * n_repeats)).getbuffer()
            at += 24
            yield (
                at,
                n_units,
                Fingerprint(
                    np.frombuffer(data, np.uint64, n_keys),
                    np.frombuffer(data, np.uint32, n_keys, 8 * n_keys),
                    np.frombuffer(data, np.uint32, n_repeats, 12 * n_keys),
                    np.frombuffer(data, np.uint32, n_repeats, 12 * n_keys + 4 * n_repeats),
                ),
            )
            at += len(data)


class DecidePartition(RecipeDoFn):
    """Sorts one partition's keys and says which units go; writes them for later runs."""

    def __init__(self, recipe_json: str, output: str, *, by_reference: bool = False) -> None:
        super().__init__(recipe_json, output)
        self.by_reference = by_reference

    def process(
        self, element: tuple[PartitionKey, Iterable[bytes]]
    ) -> Iterator[tuple[SplitKey, bytes] | beam.pvalue.TaggedOutput]:
        """Yield the numbers of units that go, packed, keyed by split; tagged, what they equal."""
        (source, step, window, partition), packed = element
        recipe = self.recipe
        deduplication = recipe.source(source).steps[step].deduplication
        assert isinstance(deduplication, ExactDeduplication)
        named = names_survivors(recipe, source, step)
        if self.by_reference and not deduplication.counts_units:
            parts = [self._referenced(element[0], reference) for reference in packed]
        else:
            parts = list(map(unpack, packed))
        older = None
        if deduplication.index or deduplication.against:
            keys = distinct_keys(parts)
            if deduplication.index:
                rows = Rows(keys, saturated(counts_of_keys(parts)))
                write_index_part(self.output, source, step, window, partition, rows)
            cards = recipe.source(source).steps[step].parameters.get("against") or []
            older = seen_before(cards, deduplication.against or [], keys)
        if deduplication.records_sizes:
            for cluster in cluster_sizes(parts):
                packed_cluster = packed_sizes(cluster.units, cluster.sizes)
                key = own_key(recipe, source, step, cluster.split)
                yield beam.pvalue.TaggedOutput(SIZES, (key, packed_cluster))
        for one in decide_with_firsts(parts, deduplication.keep, older, named=named):
            key = own_key(recipe, source, step, one.split)
            yield key, one.units.tobytes()
            if len(one.named):
                fell = fell_to(one.named, one.first_splits, one.first_units)
                yield beam.pvalue.TaggedOutput(SURVIVORS, (key, fell))

    def _referenced(self, key: PartitionKey, packed: bytes) -> Part:
        """Read a part that an element says the place of."""
        source, step, window, _ = key
        reference = Reference(*np.frombuffer(packed, np.uint64).tolist())
        of_split, _, split = own_key(self.recipe, source, step, reference.split)
        name = Round(source, step, window, 0).work_name(of_split, split, "fp")
        return read_part(self.output, name, reference)


class FingerprintSplits(FirstPass):
    """The first pass of exact deduplications."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Read, hash, shuffle hashes, decide, and group decisions by split."""
        form = {"by_reference": self.by_reference}
        make = FingerprintSplit(self.recipe_json, self.output, self.progress_name, **form)
        decide = DecidePartition(self.recipe_json, self.output, **form)
        made = (
            root
            | "ListSplits" >> FromPlan(self.output, splits_of_rounds, self.recipe_json, self.rounds)
            | "Fingerprint"
            >> beam.ParDo(make)
            .with_output_types(
                tuple[PartitionKey, bytes],
                repeats=tuple[SplitKey, bytes],
                survivors=tuple[SplitKey, bytes],
                sizes=tuple[SplitKey, bytes],
            )
            .with_outputs(FingerprintSplit.REPEATS, SURVIVORS, SIZES, main="parts")
        )
        decided = (
            made.parts
            | "GroupByPartition" >> beam.GroupByKey()
            | "Decide"
            >> beam.ParDo(decide)
            .with_output_types(
                tuple[SplitKey, bytes],
                survivors=tuple[SplitKey, bytes],
                sizes=tuple[SplitKey, bytes],
            )
            .with_outputs(SURVIVORS, SIZES, main="units")
        )
        sizes = (made[SIZES], decided[SIZES]) | "AllSizes" >> beam.Flatten()
        named = (made[SURVIVORS], decided[SURVIVORS]) | "AllNamed" >> beam.Flatten()
        return (
            {
                "own": made[FingerprintSplit.REPEATS],
                "decided": decided.units,
                SURVIVORS: named,
                SIZES: sizes,
            }
            | "GroupBySplit" >> beam.CoGroupByKey()
            | "WriteDecisions" >> beam.ParDo(WriteDecisions(self.output))
        )
