"""The documents that a shard's build dropped: a row each, in the order of the input, no text."""

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
        """Documents dropped by now."""
        return self._writer.n_rows

    def observe(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        """Note what a step dropped; a batch's steps follow upon its reading."""
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
        """Write the rest."""
        self._write_batch()
        self._writer.finish()

    def _write_batch(self) -> None:
        """Put what the steps dropped of one batch into the order in which it was read."""
        if self._pending:
            order = np.argsort(np.concatenate([places for places, _ in self._pending]))
            rows = pa.Table.from_batches([rows for _, rows in self._pending]).combine_chunks()
            self._writer.append(rows.to_batches()[0].take(pa.array(order)))
            self._pending = []
