"""Rows of the documents that a shard's build dropped: in the order of the input, without text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.output.documents import RowGroupWriter
from pipeline.output.layout import DROPPED_SCHEMA
from pipeline.passes.process import characters


class DroppedDocuments:
    """Writes ``dropped-N.parquet`` from what an observer of :func:`process_split` sees."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = RowGroupWriter(writer, DROPPED_SCHEMA)
        self._rows_alive = np.zeros(0, np.int64)  # by their place in the batch that was read
        self._pending: list[tuple[npt.NDArray[np.int64], pa.RecordBatch]] = []

    @property
    def n_documents(self) -> int:
        """Number of documents dropped by now."""
        return self._writer.n_rows

    def observe(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        """Note what a step dropped of the batch that was read last."""
        if step == "read":
            self._write_batch()
            self._rows_alive = np.arange(before.num_rows)
        dropped = pc.is_valid(after["dropped_by"])
        if not dropped.true_count:
            return
        gone = after.filter(dropped)
        columns = {
            "step": pa.array([step] * gone.num_rows),
            "reason": gone["dropped_by"],
            "chars": characters(before.filter(dropped)),
        }
        rows = pa.RecordBatch.from_arrays(
            [columns[n] if n in columns else gone[n] for n in DROPPED_SCHEMA.names],
            schema=DROPPED_SCHEMA,
        )
        mask = dropped.to_numpy(zero_copy_only=False)
        self._pending.append((self._rows_alive[mask], rows))
        self._rows_alive = self._rows_alive[~mask]

    def finish(self) -> None:
        """Write the rows of the last batch, and end the file."""
        self._write_batch()
        self._writer.finish()

    def _write_batch(self) -> None:
        """Write what the steps dropped of one batch, in the order in which it was read."""
        if self._pending:
            order = np.argsort(np.concatenate([places for places, _ in self._pending]))
            rows = pa.Table.from_batches([rows for _, rows in self._pending]).combine_chunks()
            self._writer.append(rows.to_batches()[0].take(pa.array(order)))
            self._pending = []
