"""What a run wrote, as plain values: shards, documents, statistics. Imports no Beam."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.layout import MANIFEST_NAME, OPT_OUT_STEP


class InspectError(ValueError):
    """A user's mistake, told in one line."""


def load_manifest(output: str) -> dict[str, Any]:
    """Read a run's manifest. Raises InspectError where there is none."""
    try:
        return storage.read_json(storage.join(output, MANIFEST_NAME))
    except FileNotFoundError:
        raise InspectError(
            f"{output}: no manifest.json there; give the output folder of a finished run"
        ) from None
    except ValueError as error:
        raise InspectError(f"{output}/{MANIFEST_NAME}: not readable: {error}") from None


def list_shards(output: str) -> list[dict[str, Any]]:
    """Return one row for each part of each shard."""
    return [
        {
            "shard": f"{shard['source']}/{part}-{shard['shard']:05d}",
            "documents": summary["documents"],
            "tokens": summary["tokens"],
            "characters": summary["characters"],
            "bytes": sum(file["bytes"] for file in summary["files"].values()),
        }
        for shard in load_manifest(output)["shards"]
        for part, summary in shard["parts"].items()
    ]


def show_document(
    output: str, shard: str, number: int | None, identifier: str | None, at_random: bool
) -> dict[str, Any]:
    """Return one document of a shard, its record and its tokens decoded.

    ``shard`` is a name as ``corpus ls`` prints it, ``SOURCE/PART-NNNNN``.
    """
    from tokenizer.shards import ShardReader

    manifest = load_manifest(output)
    name = shard.removeprefix("shards/").removesuffix(".bin").removesuffix(".idx")
    name = name.removesuffix(".docs.parquet")
    known = [row["shard"] for row in list_shards(output)]
    if name not in known:
        raise InspectError(f"{output}: no shard {shard!r}; there are {', '.join(known[:8])} ...")
    prefix = storage.join(output, "shards", name)
    docs = _read_docs(f"{prefix}.docs.parquet")
    if identifier is not None:
        number = docs["id"].index(identifier).as_py()
        if number < 0:
            raise InspectError(
                f"{identifier} is not in {name}; 'corpus explain {output} {identifier}' tells why"
            )
    elif at_random:
        number = random.randrange(docs.num_rows)
    number = number or 0
    if not 0 <= number < docs.num_rows:
        raise InspectError(f"{name} has the documents 0 to {docs.num_rows - 1}, not {number}")
    ids = np.asarray(ShardReader(prefix)[number])
    record = docs.slice(number, 1).to_pylist()[0]
    record["metadata"] = json.loads(record["metadata"]) if record["metadata"] else None
    text = _decode(manifest, ids)
    return {"shard": name, "number": number, "record": record, "text": text, "tokens": ids.tolist()}


def _read_docs(path: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(storage.read_bytes(path)))


def _decode(manifest: dict[str, Any], ids: np.ndarray[Any, Any]) -> str:
    from sentencepiece import SentencePieceProcessor

    model = manifest["tokenizer"]["model"]
    if not storage.exists(model):
        raise InspectError(f"the tokenizer {model} of this run is not there any more")
    processor = SentencePieceProcessor(model_proto=storage.read_bytes(model))
    marks = {processor.bos_id(), processor.eos_id()}
    return str(processor.decode([i for i in ids.tolist() if i not in marks]))


def statistics(output: str) -> dict[str, Any]:
    """Return the funnel of every source and the mixture."""
    from pipeline.ledger import funnel, read_ledger

    manifest = load_manifest(output)
    try:
        ledger = read_ledger(output)
    except (OSError, ValueError) as error:
        raise InspectError(f"{output}/ledger.parquet: not readable: {error}") from None
    sources = {}
    for name, counts in manifest["sources"].items():
        steps = manifest["recipe"]["sources"][name]["steps"]
        order = ["read", *(s if isinstance(s, str) else next(iter(s)) for s in steps)]
        order += [OPT_OUT_STEP, "write"]
        outcomes = ["in", "dropped", "changed", "out"]
        rows = sorted(
            funnel(ledger, name),
            key=lambda r: (order.index(r["step"]), outcomes.index(r["outcome"]), r["reason"] or ""),
        )
        sources[name] = {"mixture": counts, "funnel": rows}
    return {"token_budget": manifest["token_budget"], "sources": sources}
