"""The file of a part of a shard of text: Parquet, a row a document, with its text.

Row groups are cut at documents, by their number and their bytes of text, so that whoever reads one
document reads little else, and the bytes do not depend on the batches in which documents come.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.output import whole_files
from pipeline.output.documents import ROW_GROUP, parquet_writer
from pipeline.output.layout import TEXT_SUFFIX, Shard, shard_file
from pipeline.passes.shards.part_files import describe_files, document_rows
from transforms.documents import texts_from_buffers

GROUP_BYTES = 16 << 20
"""Bytes of text at which a row group ends. A document that is longer has one of its own."""


class TextPartWriter:
    """The file of a part of a shard of text. Its units, where tokens would be, are UTF-8 bytes."""

    n_tokens = 0
    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(
        self, shard: Shard, part: str, output: str, stack: ExitStack, schema: pa.Schema
    ) -> None:
        name = shard_file(shard.source, part, shard.shard, TEXT_SUFFIX)
        file = stack.enter_context(whole_files.write_whole(output, name))
        self.files = {name: file}
        self.source = shard.source
        self.schema = schema
        self.n_documents = self.n_characters = self.n_bytes = 0
        self._writer = stack.enter_context(parquet_writer(file, schema))
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0

    def append(
        self, batch: pa.RecordBatch, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
    ) -> None:
        """Write documents, of which ``ids[offsets[d]:offsets[d + 1]]`` are the bytes."""
        self.append_rows(document_rows(batch), ids, offsets)

    def append_rows(
        self, rows: pa.RecordBatch, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
    ) -> None:
        """Write documents of which the other columns are made already."""
        data = np.ascontiguousarray(ids[offsets[0] : offsets[-1]])
        texts = texts_from_buffers(data, offsets - offsets[0])
        whole = pa.RecordBatch.from_arrays(
            [texts if n == "text" else rows[n] for n in self.schema.names], schema=self.schema
        )
        self.n_documents += whole.num_rows
        self.n_characters += int(pc.sum(rows["chars"]).as_py() or 0)
        self.n_bytes += int(offsets[-1] - offsets[0])
        start = 0
        ends = offsets[1:] - offsets[0]
        while start < whole.num_rows:
            before = int(ends[start - 1]) if start else 0
            room = before + GROUP_BYTES - self._pending_bytes
            stop = 1 + int(np.searchsorted(ends, room, "left"))
            stop = min(stop, start + ROW_GROUP - self._pending_rows, whole.num_rows)
            self._pending.append(whole.slice(start, stop - start))
            self._pending_rows += stop - start
            self._pending_bytes += int(ends[stop - 1]) - before
            if self._pending_rows == ROW_GROUP or self._pending_bytes >= GROUP_BYTES:
                self._write()
            start = stop

    def finish(self) -> None:
        """Write the rows that do not fill a row group."""
        if self._pending:
            self._write()

    def summary(self) -> dict[str, Any]:
        """Return what the shard's ledger says of the part."""
        return {
            "documents": self.n_documents,
            "tokens": 0,
            "characters": self.n_characters,
            "text_bytes": self.n_bytes,
            "files": describe_files(self.files),
        }

    def _write(self) -> None:
        rows = pa.Table.from_batches(self._pending, self.schema).combine_chunks()
        self._writer.write_table(rows, rows.num_rows)
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
