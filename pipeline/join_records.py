"""Documents made of records that stand apart: StackExchange's questions and their answers.

Records are shuffled by partition, as compressed Arrow batches, and every partition is written as
one file of documents, which the passes that follow read like any input. This is the one place where
text is shuffled; sources whose records are documents do not come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.document_file import write_documents
from pipeline.layout import Split, joined_name, read_plan
from pipeline.process import cached_recipe, read_split
from pipeline.progress import ProgressLog


class RecordSplits(beam.DoFn):
    """List the splits of records from the plan file, with their source's number of partitions."""

    def __init__(self, wanted: set[str]) -> None:
        self.wanted = wanted

    def process(self, output: str) -> Iterator[tuple[Split, int]]:
        """Yield every split of records."""
        partitions: dict[str, int] = {}
        for split in read_plan(output):
            if split.holds == "documents":
                partitions[split.source] = split.split + 1
        sources = {name.split("/")[1] for name in self.wanted}
        for split in read_plan(output):
            if split.holds == "records" and split.source in sources:
                yield split, partitions[split.source]


class PartitionRecords(beam.DoFn):
    """Read a split's records and send those of the wanted partitions, by partition."""

    def __init__(self, recipe_json: str, output: str, wanted: set[str], progress: str) -> None:
        self.recipe_json = recipe_json
        self.output = output
        self.wanted = wanted
        self.progress = progress

    def process(self, element: tuple[Split, int]) -> Iterator[tuple[str, bytes]]:
        """Yield Arrow batches, keyed by the file that their documents will be in."""
        split, n_partitions = Split(*element[0]), element[1]
        recipe = cached_recipe(self.recipe_json)
        source = recipe.source(split.source)
        join = source.reader.join
        assert join is not None, "the plan lists records of such sources only"
        progress = ProgressLog(self.output, self.progress, split)
        for batch in progress.watch(read_split(split, source, recipe.reading, self.output)):
            partitions = join.partition(batch, n_partitions)
            for partition in np.unique(partitions).tolist():
                if joined_name(source.name, partition) not in self.wanted:
                    continue
                part = batch.filter(pa.array(partitions == partition))
                yield f"{source.name}/{partition}", _to_bytes(part)
        progress.done()


class JoinPartition(beam.DoFn):
    """Make documents of a partition's records and write them."""

    def __init__(self, recipe_json: str, output: str) -> None:
        self.recipe_json = recipe_json
        self.output = output

    def process(self, element: tuple[str, Iterable[bytes]]) -> None:
        """Write the file of documents that the element's key names."""
        name, _, partition = element[0].rpartition("/")
        recipe = cached_recipe(self.recipe_json)
        source = recipe.source(name)
        join = source.reader.join
        assert join is not None
        records = pa.Table.from_batches([_from_bytes(data) for data in element[1]])
        (batch,) = records.combine_chunks().to_batches() or [None]
        documents = join.join(batch, source.reader_options)
        del records, batch  # the documents are a copy
        write_documents(
            self.output, joined_name(name, int(partition)), documents, recipe.reading.batch_bytes
        )


class JoinRecords(beam.PTransform):
    """From the output folder's plan to the wanted files of joined documents."""

    def __init__(self, recipe_json: str, output: str, wanted: set[str], progress: str) -> None:
        super().__init__()
        self.recipe_json = recipe_json
        self.output = output
        self.wanted = wanted
        self.progress = progress

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Read records, shuffle them by partition, join and write."""
        return (
            root
            | "Start" >> beam.Create([self.output])
            | "ListRecordSplits" >> beam.ParDo(RecordSplits(self.wanted))
            | "SpreadSplits" >> beam.Reshuffle()
            | "PartitionRecords"
            >> beam.ParDo(
                PartitionRecords(self.recipe_json, self.output, self.wanted, self.progress)
            )
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
