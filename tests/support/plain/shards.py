"""A plain reader of a run's documents, by SentencePiece and numpy alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from sentencepiece import SentencePieceProcessor


class Document(NamedTuple):
    shard: str
    number: int
    row: dict[str, Any]
    ids: list[int]
    text: str


def tokenizer_of(output: Path) -> Any:
    """Load the SentencePiece model that a run's manifest names."""
    manifest = json.loads((output / "manifest.json").read_text())
    return SentencePieceProcessor(model_file=manifest["tokenizer"]["model"])


def plain_documents(output: Path) -> list[Document]:
    """Return all kept documents, each decoded alone."""
    tokenizer = tokenizer_of(output)
    marks = {tokenizer.bos_id(), tokenizer.eos_id()}
    found = []
    for path in sorted((output / "shards").rglob("*.docs.parquet")):
        shard = path.relative_to(output / "shards").as_posix().removesuffix(".docs.parquet")
        tokens = np.fromfile(path.parents[1] / f"{shard.split('/')[0]}/{shard.split('/')[1]}.bin",
                             "<u2").tolist()  # fmt: skip
        for number, row in enumerate(pq.read_table(path).to_pylist()):
            ids = tokens[row["token_offset"] : row["token_offset"] + row["token_count"]]
            text = tokenizer.decode([i for i in ids if i not in marks])
            found.append(Document(shard, number, row, ids, text))
    return found


def plain_dropped(output: Path) -> list[dict[str, Any]]:
    """Return the rows of all dropped documents."""
    return [
        row
        for path in sorted((output / "shards").rglob("dropped-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
