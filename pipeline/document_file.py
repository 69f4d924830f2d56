"""Documents kept in a file of the output folder: Parquet, a row group a batch of text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.row_groups import parquet_writer
from transforms.documents import SCHEMA


def write_documents(output: str, name: str, batch: pa.RecordBatch, batch_bytes: int) -> None:
    """Write documents as Parquet, a row group of about ``batch_bytes`` of text at a time."""
    with storage.write_whole(output, name) as file, parquet_writer(file, SCHEMA) as writer:
        write_row_groups(writer, batch, batch_bytes)


def write_row_groups(writer: pq.ParquetWriter, batch: pa.RecordBatch, batch_bytes: int) -> None:
    """Write a batch in row groups of about ``batch_bytes`` of text."""
    ends = np.cumsum(pc.binary_length(batch["text"]).to_numpy(zero_copy_only=False))
    start = 0
    while start < batch.num_rows:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + batch_bytes, "right")))
        writer.write_batch(batch.slice(start, stop - start))
        start = stop


def read_documents(path: str) -> Iterator[pa.RecordBatch]:
    """Read the documents of a file, a batch for every row group, as they were written."""
    with storage.open_read(path) as stream:
        file = pq.ParquetFile(stream)
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number).combine_chunks().to_batches()
