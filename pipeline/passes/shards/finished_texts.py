"""The texts of a finished shard: as they stand in a shard of text, or decoded from its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ChangedError
from pipeline.output.layout import TEXT_SUFFIX
from pipeline.passes.process import characters
from tokenizer.opening import Encoder
from tokenizer.shards import ShardReader

ROWS = 1_000
"""Most documents that are encoded at a time."""

BATCH_CHARS = 8_000_000
"""Most characters of documents that are encoded at a time, where they are several."""


def finished_documents(prefix: Path, decoder: Encoder | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part of a shard, with the texts of its documents.

    ``prefix`` is the path of its files without their suffixes. Tokens are decoded by ``decoder``;
    without one it is a shard of text. Raises ChangedError where a text is not as long as it was.
    """
    batches = _written(prefix) if decoder is None else _decoded(prefix, decoder)
    for batch in batches:
        lengths = zip(batch["chars"].to_pylist(), characters(batch).to_pylist(), strict=True)
        for row, (had, has) in enumerate(lengths):
            if had != has:
                raise ChangedError(
                    f"{batch['id'][row]}: {has:,} characters come back of {had:,}; its text is lost"
                )
        yield batch


def _written(prefix: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part of a shard of text."""
    with pq.ParquetFile(f"{prefix}.{TEXT_SUFFIX}") as file:
        for rows in file.iter_batches(ROWS):
            yield from bounded(rows)


def bounded(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut rows of documents so that each part has so many characters at most, or one document."""
    ends = np.cumsum(rows["chars"].to_numpy())
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + BATCH_CHARS, "right")))
        yield rows.slice(start, end - start)
        start = end


def _decoded(prefix: Path, decoder: Encoder) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part of a shard of tokens, with the texts that they decode to."""
    reader = ShardReader(prefix)
    number = 0
    with pq.ParquetFile(f"{prefix}.docs.parquet") as file:
        batches = (part for rows in file.iter_batches(ROWS) for part in bounded(rows))
        for rows in batches:
            texts = [decoder.decode(reader[number + row]) for row in range(rows.num_rows)]
            yield rows.append_column("text", pa.array(texts, pa.string()))
            number += rows.num_rows
