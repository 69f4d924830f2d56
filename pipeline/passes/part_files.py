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
        self, shard: Shard, part: str, output: str, stack: ExitStack, uint16: bool
    ) -> None:
        def opened(suffix: str) -> whole_files.HashingFile:
            name = shard_file(shard.source, part, shard.shard, suffix)
            self.files[name] = stack.enter_context(whole_files.write_whole(output, name))
            return self.files[name]

        self.files: dict[str, whole_files.HashingFile] = {}
        bin_file, idx_file, docs_file = opened("bin"), opened("idx"), opened("docs.parquet")
        self.tokens = ShardWriter(bin_file, idx_file, np.uint16 if uint16 else np.int32)
        writer = stack.enter_context(parquet_writer(docs_file, DOCS_SCHEMA))
        self.docs = RowGroupWriter(writer, DOCS_SCHEMA)
        self.n_tokens = self.n_characters = 0

    def append(
        self, batch: pa.RecordBatch, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
    ) -> None:
        """Write documents; ``ids[offsets[d]:offsets[d + 1]]`` are the tokens of document ``d``."""
        counts = np.diff(offsets)
        chars = characters(batch)
        columns = {
            "token_offset": pa.array(offsets[:-1] + self.n_tokens),
            "token_count": pa.array(counts),
            "chars": chars,
        }
        self.tokens.append(ids, offsets)
        self.docs.append(
            pa.RecordBatch.from_arrays(
                [columns[n] if n in columns else batch[n] for n in DOCS_SCHEMA.names],
                schema=DOCS_SCHEMA,
            )
        )
        self.n_tokens += int(counts.sum())
        self.n_characters += int(pc.sum(chars).as_py() or 0)

    def finish(self) -> None:
        """Write what is held back, and the index."""
        self.tokens.finish()
        self.docs.finish()

    def summary(self) -> dict[str, Any]:
        """Return what the shard's ledger says of the part."""
        return {
            "documents": self.docs.n_rows,
            "tokens": self.n_tokens,
            "characters": self.n_characters,
            "files": describe_files(self.files),
        }


def describe_files(files: dict[str, whole_files.HashingFile]) -> dict[str, Any]:
    """Describe whole files as ledger and manifest do."""
    return {name: {"sha256": file.sha256, "bytes": file.n_bytes} for name, file in files.items()}
