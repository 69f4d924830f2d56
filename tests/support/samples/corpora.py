"""Small corpora in the form of a run's output, and their tokens, read by independent code."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files.storage import json_bytes
from pipeline.output.layout import DOCS_SCHEMA, MANIFEST_NAME, sealed, shard_file
from tokenizer.shards import ShardWriter

Documents = Sequence[Sequence[int]]
"""Documents as lists of tokens."""


def write_corpus(
    folder: Path,
    train: Mapping[str, Sequence[Documents]],
    proportions: Mapping[str, float],
    token_budget: int,
    validation: Mapping[str, Sequence[Documents]] | None = None,
    dtype: npt.DTypeLike = np.uint16,
    domains: Mapping[str, Sequence[Sequence[str]]] | None = None,
    domain_shares: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Write shards and a manifest. ``train`` and ``validation`` have the shards of each source.

    ``domains`` has the domain of every training document of the sources that are divided, equal
    ones next to one another in a shard, and ``domain_shares`` how much is drawn of each.
    """
    shards = []
    for source, shards_of_source in train.items():
        for number, documents in enumerate(shards_of_source):
            of_documents = (domains or {}).get(source)
            parts = {
                "train": _write_part(folder, source, "train", number, documents, dtype,
                                     of_documents[number] if of_documents else None)
            }  # fmt: skip
            if validation and number < len(validation.get(source, [])):
                parts["validation"] = _write_part(
                    folder, source, "validation", number, validation[source][number], dtype
                )
            shards.append({"source": source, "shard": number, "parts": parts})
    manifest = {
        "format": "llama-corpus manifest, version 1",
        "recipe": {"shards": {}},
        "token_budget": token_budget,
        "tokenizer": {"bos": True, "eos": True, "vocabulary_size": 65536, "model": "-"},
        "sources": {
            name: {"proportion": share, **_shares((domain_shares or {}).get(name))}
            for name, share in proportions.items()
        },
        "shards": shards,
        "files": {"plan.jsonl": "0" * 64},
    }
    (folder / MANIFEST_NAME).write_bytes(json_bytes(sealed(manifest)))


def _shares(shares: Mapping[str, float] | None) -> dict[str, dict[str, dict[str, float]]]:
    if shares is None:
        return {}
    return {"domains": {name: {"proportion": share} for name, share in shares.items()}}


def _groups(domains: Sequence[str], offsets: npt.NDArray[np.int64]) -> list[dict[str, object]]:
    groups = []
    for domain in dict.fromkeys(domains):
        first = list(domains).index(domain)
        last = first + list(domains).count(domain)
        assert set(domains[first:last]) == {domain}, "equal ones stand together"
        begin, end = int(offsets[first]), int(offsets[last])
        groups.append({"domain": domain, "documents": last - first, "tokens": end - begin,
                       "token_offset": begin})  # fmt: skip
    return groups


def _write_part(folder, source, part, number, documents, dtype, domains=None):
    bin_file, idx_file, docs_file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    writer = ShardWriter(bin_file, idx_file, dtype)
    offsets = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    writer.append(np.array([t for d in documents for t in d], np.int64), offsets)
    writer.finish()
    columns = {
        "id": [f"{source}/{part}{number}#{i}" for i in range(len(documents))],
        "token_offset": offsets[:-1],
        "token_count": np.diff(offsets),
    }
    empty = {name: [None] * len(documents) for name in DOCS_SCHEMA.names}
    table = pa.table({**empty, **columns}, schema=DOCS_SCHEMA)
    pq.write_table(table, docs_file, row_group_size=3)
    files = {}
    for suffix, file in (("bin", bin_file), ("idx", idx_file), ("docs.parquet", docs_file)):
        name = shard_file(source, part, number, suffix)
        data = file.getvalue()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {
        "documents": len(documents),
        "tokens": int(offsets[-1]),
        "characters": 0,
        "files": files,
        **({} if domains is None else {"domains": _groups(domains, offsets)}),
    }


def plain_streams(folder: Path, part: str) -> dict[str, npt.NDArray[np.int64]]:
    """Return every source's tokens, read by the format's description and the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    streams: dict[str, list[npt.NDArray[np.int64]]] = {}
    for shard in manifest["shards"]:
        if part in shard["parts"]:
            (name,) = (n for n in shard["parts"][part]["files"] if n.endswith(".bin"))
            code = (folder / name).with_suffix(".idx").read_bytes()[17]
            tokens = np.fromfile(folder / name, {8: "<u2", 4: "<i4"}[code]).astype(np.int64)
            streams.setdefault(shard["source"], []).append(tokens)
    return {source: np.concatenate(tokens) for source, tokens in streams.items()}
