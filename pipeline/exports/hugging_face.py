"""Export to Parquet with a dataset card, as Hugging Face ``datasets`` loads it.

Shards contain no text, so it is decoded from the tokens. It equals the original text if the
tokenizer's normalisation changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipeline.exports.corpus_parts import Corpus, ShardPart, spans
from pipeline.files.trusted import Seal, expect, trusted
from pipeline.inspection.piece_table import read_tokenizer
from pipeline.output.layout import DOCS_SCHEMA
from tokenizer.opening import Encoder, open_encoder
from tokenizer.shards import ShardReader

ROWS, TOKENS = 1_000, 1 << 22
"""Most documents of a row group, and most tokens of one that has more than one document."""

KEPT_COLUMNS = [name for name in DOCS_SCHEMA.names if name not in ("id", "token_offset")]


def write_hugging_face(corpus: Corpus, folder: Path, *, tokens: bool) -> None:
    """Write a Parquet file a shard, and ``README.md`` with a configuration for each source and all.

    ``tokens`` adds a column of token ids. Raises ValueError if the tokenizer is missing or is not
    the one that made the shards.
    """
    encoder = _encoder(corpus)
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            *([("domain", pa.string())] if _has_domains(corpus) else []),
            ("text", pa.string()),
            *(DOCS_SCHEMA.field(name) for name in KEPT_COLUMNS),
            *([("tokens", pa.list_(pa.from_numpy_dtype(corpus.dtype)))] if tokens else []),
        ]
    )
    for part in corpus.parts():
        path = folder / "data" / part.source / f"{part.name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, schema, compression="zstd") as file:
            for batch in _batches(part, part.open(), encoder, schema):
                file.write_batch(batch)
    (folder / "README.md").write_text(_card(corpus), encoding="utf-8")


def _has_domains(corpus: Corpus) -> bool:
    """Tell whether a source that is exported is divided into domains."""
    return any("domains" in corpus.manifest["sources"][source] for source in corpus.sources)


def _encoder(corpus: Corpus) -> Encoder:
    read_tokenizer(corpus.manifest)  # it must be the one that made the shards
    tokenizer = corpus.manifest["tokenizer"]
    expect({tokenizer["model"]: Seal(tokenizer["sha256"])})
    return open_encoder(trusted(tokenizer["model"]))


def _batches(
    part: ShardPart, reader: ShardReader, encoder: Encoder, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    number = 0
    for records in part.records(ROWS):
        lengths = reader.lengths[number : number + records.num_rows].astype(np.int64)
        for first, last in spans(lengths, TOKENS):
            batch = records.slice(first, last - first)
            documents = [reader[number + row] for row in range(first, last)]
            columns = {
                "id": batch["id"],
                "source": pa.array([part.source] * len(documents)),
                "text": pa.array([encoder.decode(ids) for ids in documents], pa.string()),
                **{name: batch[name] for name in KEPT_COLUMNS},
                "domain": batch["domain"]
                if "domain" in batch.schema.names
                else pa.nulls(len(documents), pa.string()),
            }
            if "tokens" in schema.names:
                offsets = np.cumsum([0, *map(len, documents)], dtype=np.int32)
                columns["tokens"] = pa.ListArray.from_arrays(offsets, np.concatenate(documents))
            yield pa.RecordBatch.from_arrays(
                [columns[name] for name in schema.names], schema=schema
            )
        number += records.num_rows


def _card(corpus: Corpus) -> str:
    """Return the dataset card; ``datasets`` reads its YAML head."""
    part = corpus.part

    def configuration(name: str, pattern: str) -> dict[str, Any]:
        files = [{"split": part, "path": f"data/{pattern}/{part}-*.parquet"}]
        return {"config_name": name, "data_files": files}

    head = {
        "configs": [
            {**configuration("default", "*"), "default": True},
            *(configuration(source, source) for source in corpus.sources),
        ]
    }
    rows = [
        f"| {source} | {sum(p.n_documents for p in parts):,} | {sum(p.n_tokens for p in parts):,} "
        f"| {corpus.proportions[source]:g} |"
        for source, parts in corpus.sources.items()
    ]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(head, sort_keys=False).rstrip(),
            "---",
            "",
            f"# The part {part} of a corpus made by llama-corpus",
            "",
            "| source | documents | tokens | sampling proportion |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "`text` is decoded from the corpus's tokens. `chars` counts its characters before",
            "tokenisation, `token_count` its tokens with the marks of begin and end; `metadata` is",
            f"JSON. The corpus's manifest has the SHA-256 `{corpus.manifest['sha256']}`.",
            "",
        ]
    )
