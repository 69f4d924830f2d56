"""Writing of one shard: splits read, filtered, tokenised, and three files for each of its parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.output import whole_files
from pipeline.output.documents import RowGroupWriter, parquet_writer
from pipeline.output.layout import (
    DOCS_SCHEMA,
    DROPPED,
    DROPPED_SCHEMA,
    PARTS,
    Shard,
    dropped_name,
    observed_name,
    shard_file,
    shard_ledger_name,
)
from pipeline.output.ledger import Tally, check_balance
from pipeline.output.opt_out import list_of_run
from pipeline.output.progress import ProgressLog
from pipeline.passes.dropped import DroppedDocuments
from pipeline.passes.observe_shard import ShardObserver
from pipeline.passes.process import characters, process_split
from pipeline.recipe.recipe import Recipe
from tokenizer.encode import BatchEncoder, load_encoder
from tokenizer.shards import ShardWriter
from transforms.privacy.opt_out import parse_opt_out


def is_validation(identifier: str, fraction: float) -> bool:
    """Tell by its id alone whether a document belongs to the validation part."""
    digest = hashlib.blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2.0**64


class _PartWriter:
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
        self.tokens.finish()
        self.docs.finish()

    def summary(self) -> dict[str, Any]:
        return {
            "documents": self.docs.n_rows,
            "tokens": self.n_tokens,
            "characters": self.n_characters,
            "files": _described(self.files),
        }


def _described(files: dict[str, whole_files.HashingFile]) -> dict[str, Any]:
    """Describe whole files as ledger and manifest do."""
    return {name: {"sha256": file.sha256, "bytes": file.n_bytes} for name, file in files.items()}


def build_shard(shard: Shard, recipe: Recipe, output: str) -> None:
    """Read, filter, tokenise and write a shard, and its ledger last.

    Raises ValueError where the shard's counts do not add up.
    """
    encoder = load_encoder(local_copy(recipe.tokenizer.model))
    rows: list[dict[str, Any]] = []
    parts: dict[str, _PartWriter] = {}
    with ExitStack() as stack:
        name_of_dropped = dropped_name(shard.source, shard.shard)
        file_of_dropped = stack.enter_context(whole_files.write_whole(output, name_of_dropped))
        dropped = DroppedDocuments(
            stack.enter_context(parquet_writer(file_of_dropped, DROPPED_SCHEMA))
        )
        left_out = parse_opt_out(list_of_run(output))
        observer = ShardObserver(left_out, dropped.observe)
        for split in shard.splits:
            tally = Tally()
            progress = ProgressLog(output, "build", split)
            observer.times.restart()
            batches = process_split(
                split, recipe, output, tally, observer=observer.observe, left_out=left_out
            )
            for batch in progress.watch(batches):
                for part, documents in _divided(batch, recipe.shards.validation_fraction):
                    if part not in parts:
                        parts[part] = _PartWriter(
                            shard, part, output, stack, encoder.vocabulary_size <= 1 << 16
                        )
                    n_characters = int(pc.sum(characters(documents)).as_py())
                    tally.add("write", "out", part, documents.num_rows, n_characters)
                    observer.kept(part, documents)
                    tokens = _tokens(encoder, documents, recipe)
                    observer.times.lap("tokenise", documents)
                    parts[part].append(documents, *tokens)
                    observer.times.lap("write", documents)
            place = {
                "source": shard.source,
                "file": split.name,
                "split": split.split,
                "shard": shard.shard,
            }
            rows += [{**place, **row} for row in tally.rows()]
            check_balance(tally.rows(), split.name)
            progress.done()
        for writer in parts.values():
            writer.finish()
        dropped.finish()
        observer.times.lap("write")
    for part, writer in parts.items():
        counted = [r for r in rows if r["outcome"] == "out" and r["reason"] == part]
        expected = sum(r["documents"] for r in counted), sum(r["characters"] for r in counted)
        if expected != (writer.docs.n_rows, writer.n_characters):
            raise ValueError(
                f"{shard.source} shard {shard.shard}: {writer.docs.n_rows} documents written, "
                f"{expected[0]} in the ledger"
            )
    summary = {part: writer.summary() for part, writer in sorted(parts.items())}
    observed = storage.json_bytes(observer.result())
    whole_files.write_bytes(output, observed_name(shard.source, shard.shard), observed)
    ledger = {
        "source": shard.source,
        "shard": shard.shard,
        "parts": summary,
        DROPPED: {
            "documents": dropped.n_documents,
            "files": _described({name_of_dropped: file_of_dropped}),
        },
        "rows": rows,
    }
    whole_files.write_bytes(
        output, shard_ledger_name(shard.source, shard.shard), storage.json_bytes(ledger)
    )


def _divided(batch: pa.RecordBatch, fraction: float) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Divide a batch into its training and its validation documents; empty parts are left out."""
    ids = batch["id"].to_pylist()
    held_out = pa.array([is_validation(identifier, fraction) for identifier in ids], pa.bool_())
    for part, mask in zip(PARTS, (pc.invert(held_out), held_out), strict=True):
        documents = batch.filter(mask)
        if documents.num_rows:
            yield part, documents


def _tokens(
    encoder: BatchEncoder, batch: pa.RecordBatch, recipe: Recipe
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    return encoder.encode(batch["text"], bos=recipe.tokenizer.bos, eos=recipe.tokenizer.eos)
