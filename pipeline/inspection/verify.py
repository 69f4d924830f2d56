"""Checks of an output folder against its manifest: checksums, indexes, token ids, counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.files.trusted import FILE_STATES
from pipeline.output.arrow_values import added_up, numbers
from pipeline.output.layout import (
    DROPPED_SCHEMA,
    MANIFEST_NAME,
    MIXTURES_FOLDER,
    RUN_NAME,
    dropped_summary,
    holds_text,
    kept_schema,
    sealed,
)
from pipeline.output.ledger import imbalance, read_ledger


def verify(output: str) -> list[str]:
    """Return the faults of a run's output, a line each with the file's name; [] if none."""
    try:
        data = storage.read_bytes(storage.join(output, MANIFEST_NAME))
        manifest = storage.read_json(storage.join(output, MANIFEST_NAME))
        if data != storage.json_bytes(manifest) or manifest != sealed(manifest):
            return [f"{MANIFEST_NAME}: does not match its own SHA-256"]
    except FileNotFoundError:
        return [f"{MANIFEST_NAME}: not there; the run is not complete"]
    except (ValueError, AttributeError) as error:
        return [f"{MANIFEST_NAME}: not readable: {error}"]
    return list(_problems(output, manifest))


def _with_states_of(data: bytes, run: Mapping[str, Any]) -> bytes:
    """Return what ``run.json`` is to be, by the manifest.

    How models looked, which the last command that came by has noted, is in the file alone.
    """
    try:
        states = json.loads(data)[FILE_STATES]
    except (ValueError, KeyError, TypeError):  # an older run, or damaged
        return storage.json_bytes(run)
    return storage.json_bytes({**run, FILE_STATES: states})


def _problems(output: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    for name, sha256 in manifest["files"].items():
        yield from _checksum(output, name, sha256)
    yield from _run_file(output, manifest)
    yield from _mixtures(output, manifest)
    for shard in manifest["shards"]:
        damaged_ledger = list(_checksum(output, shard["ledger"]["name"], shard["ledger"]["sha256"]))
        yield from damaged_ledger
        for part in shard["parts"].values():
            damaged = False
            for name, file in part["files"].items():
                for problem in _checksum(output, name, file["sha256"]):
                    damaged = True
                    yield problem
            if not damaged and holds_text(manifest):
                yield from _texts(output, part)
            elif not damaged:
                yield from _contents(output, part, manifest)
        for name, file in dropped_summary(shard)["files"].items():
            problems = list(_checksum(output, name, file["sha256"]))
            yield from problems
            if not (problems or damaged_ledger):
                yield from _dropped(output, shard, name)
    yield from _counts(output, manifest)


def _checksum(output: str, name: str, sha256: str) -> Iterator[str]:
    try:
        if storage.sha256_of(storage.join(output, name)) != sha256:
            yield f"{name}: its SHA-256 is not the manifest's"
    except OSError as error:
        yield f"{name}: cannot be read: {error}"


def _run_file(output: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    try:
        data = storage.read_bytes(storage.join(output, RUN_NAME))
    except OSError as error:
        yield f"{RUN_NAME}: cannot be read: {error}"
        return
    if data != _with_states_of(data, manifest["run"]):
        yield f"{RUN_NAME}: is not the run that the manifest describes"


def _mixtures(output: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Check that the kept mixtures are whole, and of the shards that are there."""
    for name in sorted(storage.list_names(output, MIXTURES_FOLDER)):
        try:
            kept = storage.read_json(storage.join(output, name))
            if storage.read_bytes(storage.join(output, name)) != storage.json_bytes(sealed(kept)):
                yield f"{name}: does not match its own SHA-256"
            elif any(kept[key] != manifest[key] for key in ("run", "shards", "files")):
                yield f"{name}: is of other shards than the manifest's"
        except (OSError, ValueError, AttributeError, KeyError) as error:
            yield f"{name}: not readable: {error}"


def _contents(output: str, part: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Check index, documents and token ids of one part of a shard against each other."""
    from tokenizer.shards import ShardReader

    names = {name.rsplit(".", 1)[-1]: name for name in part["files"]}
    if storage.is_remote(output):
        return
    try:
        reader = ShardReader(storage.join(output, names["bin"].removesuffix(".bin")))
    except ValueError as error:
        yield str(error)
        return
    data = storage.read_bytes(storage.join(output, names["parquet"]))
    docs = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    lengths = np.asarray(reader.lengths, np.int64)
    offsets = np.cumsum(lengths) - lengths
    groups = part.get("domains")
    schema = kept_schema(is_text=False, is_divided=groups is not None)
    if docs.schema.names != schema.names:
        yield f"{names['parquet']}: its columns are {', '.join(docs.schema.names)}"
    elif not (
        docs["token_count"].equals(pa.chunked_array([numbers(lengths)]))
        and docs["token_offset"].equals(pa.chunked_array([numbers(offsets)]))
    ):
        yield f"{names['parquet']}: its rows do not match the index"
    elif groups is not None and groups != _groups(docs["domain"].to_pylist(), lengths):
        yield f"{names['parquet']}: its domains are not the manifest's"
    if (len(lengths), int(lengths.sum())) != (part["documents"], part["tokens"]):
        yield f"{names['idx']}: {len(lengths)} documents, {lengths.sum()} tokens: not the manifest"
    vocabulary_size = manifest["tokenizer"]["vocabulary_size"]
    tokens = reader.tokens
    if len(tokens) and (int(tokens.max()) >= vocabulary_size or int(tokens.min()) < 0):
        yield f"{names['bin']}: a token id is outside the vocabulary of {vocabulary_size}"


def _texts(output: str, part: Mapping[str, Any]) -> Iterator[str]:
    """Check the rows and texts of one part of a shard of text against the manifest."""
    (name,) = part["files"]
    groups = part.get("domains")
    counts: Counter[str] = Counter()
    domains: list[str] = []
    wrong = 0
    with storage.open_read(storage.join(output, name)) as stream:
        file = pq.ParquetFile(stream)
        if file.schema_arrow != kept_schema(is_text=True, is_divided=groups is not None):
            yield f"{name}: its columns are {', '.join(file.schema_arrow.names)}"
            return
        for batch in file.iter_batches(use_threads=False):
            lengths = pc.utf8_length(batch["text"]).to_numpy()
            wrong += int((lengths != batch["chars"].to_numpy()).sum())
            counts["documents"] += batch.num_rows
            counts["characters"] += int(lengths.sum())
            counts["text_bytes"] += int(pc.binary_length(batch["text"]).to_numpy().sum())
            domains += batch["domain"].to_pylist() if groups is not None else []
    if wrong:
        yield f"{name}: {wrong} texts are not as long as their rows say"
    for key, count in counts.items():
        if count != part[key]:
            yield f"{name}: {count} {key}: not the manifest"
    if groups is not None and groups != _groups(domains, np.zeros(len(domains), np.int64)):
        yield f"{name}: its domains are not the manifest's"


def _groups(names: Sequence[str], lengths: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the groups of equal neighbours among documents' domains, as the manifest does."""
    ends = np.cumsum(lengths)
    groups, begin = [], 0
    for name, group in groupby(names):
        end = begin + sum(1 for _ in group)
        tokens = int(lengths[begin:end].sum())
        groups.append({"domain": name, "documents": end - begin, "tokens": tokens,
                       "token_offset": int(ends[end - 1]) - tokens})  # fmt: skip
        begin = end
    return groups


def _dropped(output: str, shard: Mapping[str, Any], name: str) -> Iterator[str]:
    """Check the rows of dropped documents against the shard's ledger."""
    counted: Counter[tuple[str, str]] = Counter()
    chars: Counter[tuple[str, str]] = Counter()
    with storage.open_read(storage.join(output, name)) as stream:
        file = pq.ParquetFile(stream)
        if file.schema_arrow.names != DROPPED_SCHEMA.names:
            yield f"{name}: its columns are {', '.join(file.schema_arrow.names)}"
            return
        for batch in file.iter_batches(columns=["step", "reason", "chars"], use_threads=False):
            rows = pa.Table.from_batches([batch])
            rows = rows.append_column("documents", [numbers(np.ones(len(rows), np.int64))])
            for row in added_up(rows, ["step", "reason"], ["documents", "chars"]):
                counted[row["step"], row["reason"]] += row["documents"]
                chars[row["step"], row["reason"]] += row["chars"]
    for row in storage.read_json(storage.join(output, shard["ledger"]["name"]))["rows"]:
        if row["outcome"] == "dropped":
            counted[row["step"], row["reason"]] -= row["documents"]
            chars[row["step"], row["reason"]] -= row["characters"]
    for (step, reason), more in counted.items():
        if more or chars[step, reason]:
            yield (
                f"{name}: {more:+} documents and {chars[step, reason]:+} characters against the "
                f"ledger's, dropped by {step} as {reason}"
            )
    if file.metadata.num_rows != dropped_summary(shard)["documents"]:
        yield f"{name}: {file.metadata.num_rows} documents: not the manifest"


def _counts(output: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    try:
        ledger = read_ledger(output)
    except (OSError, ValueError) as error:
        yield f"ledger.parquet: cannot be read: {error}"
        return
    balances: dict[tuple[str, int], list[Any]] = {}
    written: Counter[tuple[str, str, str]] = Counter()
    for row in ledger.to_pylist():
        balances.setdefault((row["source"], row["split"]), []).append(row)
        if row["outcome"] == "out":
            for key in ("documents", "characters"):
                written[row["source"], row["reason"], key] += row[key]
    for (source, split), rows in balances.items():
        if imbalance(rows) != (0, 0):
            yield f"ledger.parquet: {source} split {split} does not add up"
    for source, counts in manifest["sources"].items():
        for part in ("train", "validation"):
            for key in ("documents", "characters"):
                if (counted := written[source, part, key]) != counts[f"{part}_{key}"]:
                    yield (
                        f"ledger.parquet: {counted} {key} of {source} written to {part}, "
                        f"{counts[f'{part}_{key}']} in the manifest"
                    )
