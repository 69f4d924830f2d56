"""Parquet files in row groups of one size, so that a file does not depend on how input is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage

ROW_GROUP = 10_000
"""Documents of a row group."""


@contextmanager
def parquet_writer(file: storage.HashingFile, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Write Parquet to a file, and no more of it once that has failed."""
    writer = pq.ParquetWriter(pa.PythonFile(file, mode="w"), schema, compression="zstd")
    try:
        yield writer
        writer.close()
    finally:
        writer.is_open = False  # or it would write its footer when it is collected


class RowGroupWriter:
    """Writes batches, :data:`ROW_GROUP` rows a row group, less in the last."""

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
        """Write what is left."""
        self._write(at_least=1)

    def _write(self, at_least: int) -> None:
        if sum(batch.num_rows for batch in self._pending) >= at_least:
            rows = pa.Table.from_batches(self._pending, self.schema).combine_chunks()
            whole = rows.num_rows - rows.num_rows % at_least
            self._writer.write_table(rows.slice(0, whole), ROW_GROUP)
            self._pending = rows.slice(whole).to_batches()
