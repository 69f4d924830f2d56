"""Documents made of records that stand apart: StackExchange's questions and their answers.

Each split's records are written to a file in the order of their partitions, and where they lie in
it is what is shuffled, by partition: no text goes through a shuffle, and a worker holds one
partition at a time. Every partition becomes one file of documents, which the passes that follow
read like any input. Sources whose records are documents do not come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.documents import write_documents
from pipeline.output.layout import Split, joined_name, read_plan
from pipeline.output.progress import ProgressLog
from pipeline.passes.beam_parts import RecipeDoFn, RecipeTransform
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.process import read_split
from pipeline.readers import Join
from transforms.documents import SCHEMA

SORTED_BYTES = 32 << 20
"""Bytes of records that are sorted by partition and written together: a worker's memory."""


PartitionKey = tuple[str, int]
"""Keys of the shuffle: source and partition. They are plain tuples whose type is named to Beam, as
those of :mod:`pipeline.passes.first.rounds` are."""


class Piece(NamedTuple):
    """Place in a file where some records of one partition lie."""

    name: str  # of the file, below the output folder
    offset: int  # bytes
    n_bytes: int


def records_folder(source: str) -> str:
    """Return where a source's records are kept while they are joined."""
    return f"work/records/{source}"


def splits_of_records(output: str, source: str) -> Iterator[tuple[Split, int]]:
    """Yield every split of a source's records, with the number of its partitions."""
    mine = [split for split in read_plan(output) if split.source == source]
    n_partitions = sum(split.holds == "documents" for split in mine)
    yield from ((split, n_partitions) for split in mine if split.holds == "records")


class PartitionRecords(RecipeDoFn):
    """Writes a split's records by partition, and says where those of each partition lie.

    Files that a run which was killed has left whole are not written again.
    """

    def __init__(self, recipe_json: str, output: str, progress: str) -> None:
        super().__init__(recipe_json, output)
        self.progress = progress

    def process(self, element: tuple[Split, int]) -> Iterator[tuple[PartitionKey, Piece]]:
        """Yield pieces, keyed by source and partition."""
        split, n_partitions = Split(*element[0]), element[1]
        name = f"{records_folder(split.source)}/split{split.split:06d}"
        index = storage.join(self.output, f"{name}.index")
        if not storage.exists(index):
            self._write(split, n_partitions, name)
        if split.split == 0:  # so that a partition without records becomes a file all the same
            for partition in range(n_partitions):
                yield (split.source, partition), Piece(f"{name}.records", 0, 0)
        places = np.frombuffer(storage.read_bytes(index), np.int64).reshape(-1, 3)
        for partition, offset, n_bytes in places.tolist():
            yield (split.source, partition), Piece(f"{name}.records", offset, n_bytes)

    def _write(self, split: Split, n_partitions: int, name: str) -> None:
        recipe = self.recipe
        source = recipe.source(split.source)
        assert source.reader.join is not None, "the plan lists records of such sources only"
        progress = ProgressLog(self.output, self.progress, split)
        batches = progress.watch(read_split(split, source, recipe.reading, self.output))
        places: list[tuple[int, int, int]] = []
        with whole_files.write_whole(self.output, f"{name}.records") as file:
            for partition, records in by_partition(batches, source.reader.join, n_partitions):
                offset = file.n_bytes
                places.append((partition, offset, file.write(_to_bytes(records))))
        index = np.array(places, np.int64).reshape(-1, 3)
        whole_files.write_bytes(self.output, f"{name}.index", index.tobytes())
        progress.done()


def by_partition(
    batches: Iterable[pa.RecordBatch], join: Join, n_partitions: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Sort records by partition, :data:`SORTED_BYTES` or so at a time; their order stays within."""
    for records in _gathered(batches):
        partitions = join.partition(records, n_partitions)
        order = np.argsort(partitions, kind="stable")
        ordered = partitions[order]
        for start, end in pairwise([*np.flatnonzero(np.diff(ordered, prepend=-1)), len(ordered)]):
            yield int(ordered[start]), records.take(pa.array(order[start:end]))


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.nbytes for one in held) >= SORTED_BYTES:
            yield from pa.Table.from_batches(held).combine_chunks().to_batches()
            held = []
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


class JoinPartition(RecipeDoFn):
    """Makes documents of a partition's records and writes them."""

    def process(self, element: tuple[PartitionKey, Iterable[Piece]]) -> None:
        """Write the file of documents that the element's key names, unless it is there."""
        (source_name, partition), pieces = element
        name = joined_name(source_name, partition)
        if storage.exists(storage.join(self.output, name)):
            return
        recipe = self.recipe
        source = recipe.source(source_name)
        assert source.reader.join is not None
        documents = pa.RecordBatch.from_pylist([], SCHEMA)
        batches = list(read_pieces(self.output, pieces))
        if batches:
            (records,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
            del batches  # the documents are a copy
            documents = source.reader.join.join(records, source.reader_options)
            del records
        write_documents(self.output, name, documents, recipe.reading.batch_bytes)


def read_pieces(output: str, pieces: Iterable[Piece]) -> Iterator[pa.RecordBatch]:
    """Read pieces in the order of the input."""
    ordered = sorted(piece for piece in (Piece(*one) for one in pieces) if piece.n_bytes)
    for name, of_file in groupby(ordered, lambda piece: piece.name):
        with storage.open_read(storage.join(output, name)) as file:
            for piece in of_file:
                file.seek(piece.offset)
                yield _from_bytes(file.read(piece.n_bytes))


class JoinRecords(RecipeTransform):
    """From the output folder's plan to a source's files of joined documents."""

    def __init__(self, recipe_json: str, output: str, source: str, progress: str) -> None:
        super().__init__(recipe_json, output)
        self.source = source
        self.progress = progress

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Write records by partition, shuffle where they lie, join and write."""
        return (
            root
            | "ListRecordSplits" >> FromPlan(self.output, splits_of_records, self.source)
            | "PartitionRecords"
            >> beam.ParDo(
                PartitionRecords(self.recipe_json, self.output, self.progress)
            ).with_output_types(tuple[PartitionKey, tuple[str, int, int]])
            | "GroupByPartition" >> beam.GroupByKey()
            | "JoinPartition" >> beam.ParDo(JoinPartition(self.recipe_json, self.output))
        )


def _to_bytes(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _from_bytes(data: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(data).read_next_batch()
