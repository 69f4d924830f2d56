"""The files of a shard's part: tokens, their index, and a row a document."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.output import whole_files
from pipeline.output.documents import RowGroupWriter, parquet_writer
from pipeline.output.layout import DOCS_SCHEMA, Shard, shard_file
from pipeline.passes.process import characters
from tokenizer.shards import ShardWriter


class PartWriter:
    """The three files of a shard's part, which appear together when it is whole."""

    def __init__(
        self,
        shard: Shard,
        part: str,
        output: str,
        stack: ExitStack,
        uint16: bool,
        schema: pa.Schema = DOCS_SCHEMA,
    ) -> None:
        def opened(suffix: str) -> whole_files.HashingFile:
            name = shard_file(shard.source, part, shard.shard, suffix)
            self.files[name] = stack.enter_context(whole_files.write_whole(output, name))
            return self.files[name]

        self.files: dict[str, whole_files.HashingFile] = {}
        bin_file, idx_file, docs_file = opened("bin"), opened("idx"), opened("docs.parquet")
        self.source = shard.source
        self.dtype: np.dtype[Any] = np.dtype(np.uint16 if uint16 else np.int32)
        self.tokens = ShardWriter(bin_file, idx_file, self.dtype)
        writer = stack.enter_context(parquet_writer(docs_file, schema))
        self.docs = RowGroupWriter(writer, schema)
        self.n_tokens = self.n_characters = 0

    def append(
        self, batch: pa.RecordBatch, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
    ) -> None:
        """Write documents; ``ids[offsets[d]:offsets[d + 1]]`` are the tokens of document ``d``."""
        self.append_rows(document_rows(batch), ids, offsets)

    def append_rows(
        self, rows: pa.RecordBatch, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
    ) -> None:
        """Write documents of which the rows are made already, as :meth:`append` does."""
        counts = np.diff(offsets)
        columns = {
            "token_offset": pa.array(offsets[:-1] - offsets[0] + self.n_tokens),
            "token_count": pa.array(counts),
        }
        self.tokens.append(ids, offsets)
        schema = self.docs.schema
        self.docs.append(
            pa.RecordBatch.from_arrays(
                [columns[n] if n in columns else rows[n] for n in schema.names], schema=schema
            )
        )
        self.n_tokens += int(counts.sum())
        self.n_characters += int(pc.sum(rows["chars"]).as_py() or 0)

    @property
    def n_documents(self) -> int:
        """Number of documents that were written."""
        return self.docs.n_rows

    def finish(self) -> None:
        """Write what is held back, and the index."""
        self.tokens.finish()
        self.docs.finish()

    def summary(self) -> dict[str, Any]:
        """Return what the shard's ledger says of the part."""
        return {
            "documents": self.n_documents,
            "tokens": self.n_tokens,
            "characters": self.n_characters,
            "files": describe_files(self.files),
        }


def document_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the columns of ``docs.parquet`` that do not depend on tokens."""
    names = [name for name in DOCS_SCHEMA.names if not name.startswith("token_")]
    columns = {"chars": characters(batch)}
    return pa.RecordBatch.from_arrays(
        [columns[name] if name in columns else batch[name] for name in names],
        schema=pa.schema([DOCS_SCHEMA.field(name) for name in names]),
    )


def describe_files(files: dict[str, whole_files.HashingFile]) -> dict[str, Any]:
    """Describe whole files as ledger and manifest do."""
    return {name: {"sha256": file.sha256, "bytes": file.n_bytes} for name, file in files.items()}
