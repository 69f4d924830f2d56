"""The shards of a run with another tokenizer: their text is encoded again, without the passes.

The text is that of shards of text, or is decoded from the first tokenizer's ids. All else of the
run stays as it is: documents, their order, what was dropped, the ledger. The files are those of a
run with the other tokenizer.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import RunError
from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.files.trusted import FILE_STATES, sealed, states_of
from pipeline.output import whole_files
from pipeline.output.key_indexes import CARD
from pipeline.output.layout import (
    INDEXES_FOLDER,
    MANIFEST_NAME,
    OPT_OUT_NAME,
    PARTS,
    PLAN_NAME,
    RUN_NAME,
    TEXT_SUFFIX,
    Shard,
    holds_text,
    read_shards,
    shard_file,
    shard_ledger_name,
)
from pipeline.output.output_folder import fingerprinted, locked
from pipeline.passes.mix import write_manifest
from pipeline.passes.process import characters
from pipeline.passes.shards.units import open_part, token_units
from pipeline.recipe.from_yaml import tell_of_library, tokenizer_file
from pipeline.recipe.recipe import Recipe, recipe_from_mapping
from pipeline.recipe.sections import Shards, SpecialTokensInText, Tokenizer
from tokenizer.losses import LOSES_MARKS, loss
from tokenizer.opening import Encoder, open_encoder
from tokenizer.shards import ShardReader
from transforms.documents import FilePath

ROWS = 1_000
"""Most documents that are encoded at a time."""

BATCH_CHARS = 8_000_000
"""Most characters of documents that are encoded at a time, where they are several."""

KEPT_FOLDERS = ("decisions", INDEXES_FOLDER, "joined", "observed")
"""Folders of a run that a tokenizer has no part in."""


def retokenise(
    first: str,
    output: str,
    tokenizer: str,
    *,
    bos: bool,
    eos: bool,
    special_tokens_in_text: SpecialTokensInText = "keep_as_text",
    marks_are_spaces: bool = False,
) -> dict[str, Any]:
    """Write the run in ``first`` to the folder ``output`` with another tokenizer; return counts.

    ``tokenizer`` is a tokenizer's file, or a folder with one. ``bos`` and ``eos`` put its marks
    around documents, ``special_tokens_in_text`` says what becomes of special tokens that are
    spelt out in them. ``marks_are_spaces`` takes the
    one loss of LLaMA's tokenizer, U+2581, for the spaces that it became. Raises RunError where the
    first tokenizer loses more, or has changed; where the run is not complete or is not on this
    machine; and where ``output`` holds a run.
    """
    if storage.is_remote(first) or storage.is_remote(output):
        raise RunError("shards are mapped into memory; copy the folder here first")
    if not Path(first, MANIFEST_NAME).exists():
        raise RunError(f"{first}: no {MANIFEST_NAME} there; the run is not complete")
    manifest = storage.read_json(storage.join(first, MANIFEST_NAME))
    if not holds_text(manifest):
        _check_losses(manifest, marks_are_spaces=marks_are_spaces)
    tokenizer = tokenizer_file(tokenizer)
    if not storage.exists(tokenizer):
        raise RunError(f"{tokenizer}: there is no such tokenizer")
    other = Tokenizer(FilePath(tokenizer), bos, eos, special_tokens_in_text)
    tell_of_library(other, local_copy(tokenizer))
    if Path(output, RUN_NAME).exists():
        raise RunError(f"{output} holds a run; give another --output")
    recipe, described = _with_tokenizer(first, manifest, other)
    decoder = None
    if not holds_text(manifest):
        decoder = open_encoder(local_copy(manifest["tokenizer"]["model"]))
    with locked(output), whole_files.attempt(output):
        _copy_rest(first, output, manifest)
        _rename_run(output, described)
        whole_files.write_bytes(output, RUN_NAME, storage.json_bytes(described))
        for shard in read_shards(output):
            _write_shard(first, output, shard, recipe, decoder)
        write_manifest(recipe, output, described)
    storage.remove(output, "work")
    made = storage.read_json(storage.join(output, MANIFEST_NAME))
    parts = [part for shard in made["shards"] for part in shard["parts"].values()]
    return {key: sum(part[key] for part in parts) for key in ("documents", "tokens", "characters")}


def _check_losses(manifest: dict[str, Any], *, marks_are_spaces: bool) -> None:
    model = manifest["tokenizer"]["model"]
    if not storage.exists(model):
        raise RunError(f"{model}: the tokenizer of the shards is not there")
    data = storage.read_bytes(model)
    if storage.sha256_of(model) != manifest["tokenizer"]["sha256"]:
        raise RunError(f"{model}: not the tokenizer that made the shards (by SHA-256)")
    lost = loss(data)
    if manifest["tokenizer"].get("special_tokens_in_text") == "encode":
        lost = "special tokens that were spelt out in it are tokens (special_tokens_in_text)"
    if lost == LOSES_MARKS and marks_are_spaces:
        return
    if lost:
        more = "; --marks_are_spaces takes it for one" if lost == LOSES_MARKS else ""
        raise RunError(f"{model}: the text of the shards is not the documents': {lost}{more}")


def _with_tokenizer(
    first: str, manifest: dict[str, Any], other: Tokenizer
) -> tuple[Recipe, dict[str, Any]]:
    """Return the run's recipe and description, as they are with another tokenizer."""
    tokenizer = other.model
    model: dict[str, Any] = {"model": tokenizer, "bos": other.bos, "eos": other.eos}
    if other.special_in_text:
        model["special_tokens_in_text"] = other.special_tokens_in_text
    shards = _of_tokens(manifest["recipe"]["shards"])
    recipe = recipe_from_mapping({**manifest["recipe"], "tokenizer": model, "shards": shards})
    before = storage.read_json(storage.join(first, RUN_NAME))
    seal = sealed(tokenizer)
    states = before.pop(FILE_STATES, {}) | states_of({tokenizer: seal})
    run = {**before, "recipe": {**before["recipe"], "tokenizer": model, "shards": shards}}
    files = run.pop("files") | {tokenizer: seal.sha256}
    run["files"] = {path: files[path] for path in recipe.files()}
    del run["plan_fingerprint"]
    opt_out = run.pop("opt_out")
    states = {path: states[path] for path in recipe.files() if path in states}
    return recipe, {**fingerprinted(run, opt_out), FILE_STATES: states}


def _of_tokens(shards: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's section of shards as a run has it whose shards hold the tokens."""
    rest = {k: v for k, v in shards.items() if k not in ("format", "target_shard_text_bytes")}
    return {**rest, "target_shard_tokens": Shards(**shards).planned_tokens}


def _copy_rest(first: str, output: str, manifest: dict[str, Any]) -> None:
    dropped = [name for shard in manifest["shards"] for name in shard["dropped"]["files"]]
    kept = [PLAN_NAME, OPT_OUT_NAME, *dropped]
    for folder in KEPT_FOLDERS:
        paths = Path(first, folder).rglob("*")
        kept += [str(path.relative_to(first)) for path in paths if path.is_file()]
    for name in kept:
        if Path(first, name).exists():
            Path(output, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(first, name), Path(output, name))


def _rename_run(output: str, described: dict[str, Any]) -> None:
    """Let the cards of indexes say that they are of this run."""
    for name in storage.list_names(output, INDEXES_FOLDER):
        if name.endswith(f"/{CARD}"):
            card = storage.read_json(storage.join(output, name))
            card["run"] = described["plan_fingerprint"]
            whole_files.write_bytes(output, name, storage.json_bytes(card))


def _write_shard(
    first: str, output: str, shard: Shard, recipe: Recipe, decoder: Encoder | None
) -> None:
    """Encode a shard's documents again; write its ledger last."""
    units = token_units(recipe.tokenizer, local_copy(recipe.tokenizer.model))
    name = shard_ledger_name(shard.source, shard.shard)
    ledger = storage.read_json(storage.join(first, name))
    summaries = {}
    for part in PARTS:
        if part not in ledger["parts"]:
            continue
        with ExitStack() as stack:
            writer = open_part(part, shard, recipe, output, stack, units)
            prefix = shard_file(shard.source, part, shard.shard, "bin").removesuffix(".bin")
            for batch in _documents(Path(first, prefix), decoder):
                writer.append(batch, *units.encode(batch["text"]))
            writer.finish()
        summaries[part] = writer.summary()
    ledger["parts"] = summaries
    whole_files.write_bytes(output, name, storage.json_bytes(ledger))


def _documents(prefix: Path, decoder: Encoder | None) -> Iterator[pa.RecordBatch]:
    """Yield a part's rows with their texts. RunError where a text is not as long as it was."""
    batches = _written(prefix) if decoder is None else _decoded(prefix, decoder)
    for batch in batches:
        lengths = zip(batch["chars"].to_pylist(), characters(batch).to_pylist(), strict=True)
        for row, (had, has) in enumerate(lengths):
            if had != has:
                raise RunError(
                    f"{batch['id'][row]}: {has:,} characters come back of {had:,}; its text is lost"
                )
        yield batch


def _written(prefix: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part of a shard of text."""
    with pq.ParquetFile(f"{prefix}.{TEXT_SUFFIX}") as file:
        for rows in file.iter_batches(ROWS):
            yield from _bounded(rows)


def _bounded(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut rows of documents so that each part has so many characters at most, or one document."""
    ends = np.cumsum(rows["chars"].to_numpy())
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + BATCH_CHARS, "right")))
        yield rows.slice(start, end - start)
        start = end


def _decoded(prefix: Path, decoder: Encoder) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part of a shard of tokens, with the texts that they decode to."""
    reader = ShardReader(prefix)
    number = 0
    with pq.ParquetFile(f"{prefix}.docs.parquet") as file:
        batches = (part for rows in file.iter_batches(ROWS) for part in _bounded(rows))
        for rows in batches:
            texts = [decoder.decode(reader[number + row]) for row in range(rows.num_rows)]
            yield rows.append_column("text", pa.array(texts, pa.string()))
            number += rows.num_rows
