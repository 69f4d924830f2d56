"""Parquet files of documents in the output folder, one row group for each batch of text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.output import whole_files
from transforms.documents import SCHEMA


def write_documents(output: str, name: str, batch: pa.RecordBatch, batch_bytes: int) -> None:
    """Write documents to a Parquet file in row groups of about ``batch_bytes`` bytes of text."""
    with whole_files.write_whole(output, name) as file, parquet_writer(file, SCHEMA) as writer:
        write_row_groups(writer, batch, batch_bytes)


def write_row_groups(writer: pq.ParquetWriter, batch: pa.RecordBatch, batch_bytes: int) -> None:
    """Write a batch in row groups of about ``batch_bytes`` bytes of text."""
    ends = np.cumsum(pc.binary_length(batch["text"]).to_numpy(zero_copy_only=False))
    start = 0
    while start < batch.num_rows:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + batch_bytes, "right")))
        writer.write_batch(batch.slice(start, stop - start))
        start = stop


def read_documents(path: str) -> Iterator[pa.RecordBatch]:
    """Read the documents of a file, one batch for each row group."""
    with storage.open_read(path) as stream:
        file = pq.ParquetFile(stream)
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number).combine_chunks().to_batches()


ROW_GROUP = 10_000
"""Documents in a row group of the files with one row a document."""


@contextmanager
def parquet_writer(file: whole_files.HashingFile, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open a Parquet writer on a file. After an error in the block, it writes no footer."""
    writer = pq.ParquetWriter(pa.PythonFile(file, mode="w"), schema, compression="zstd")
    try:
        yield writer
        writer.close()
    finally:
        writer.is_open = False  # else it would write its footer when garbage-collected


class RowGroupWriter:
    """A writer of batches in row groups of :data:`ROW_GROUP` rows; the last may be smaller."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self.schema = schema
        self.n_rows = 0
        self._writer = writer
        self._pending: list[pa.RecordBatch] = []

    def append(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self._pending.append(batch)
        self.n_rows += batch.num_rows
        self._write(at_least=ROW_GROUP)

    def finish(self) -> None:
        """Write the rows that do not fill a row group."""
        self._write(at_least=1)

    def _write(self, at_least: int) -> None:
        if sum(batch.num_rows for batch in self._pending) >= at_least:
            rows = pa.Table.from_batches(self._pending, self.schema).combine_chunks()
            whole = rows.num_rows - rows.num_rows % at_least
            self._writer.write_table(rows.slice(0, whole), ROW_GROUP)
            self._pending = rows.slice(whole).to_batches()
