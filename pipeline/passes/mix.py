"""Mixture of a run, its last step: ledgers added up, epochs worked out, the manifest written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.files import storage
from pipeline.files.trusted import FILE_STATES, trusted
from pipeline.output import whole_files
from pipeline.output.layout import (
    DROPPED,
    INDEXES_FOLDER,
    MANIFEST_FORMAT,
    MANIFEST_NAME,
    OPT_OUT_NAME,
    PLAN_NAME,
    read_shards,
    sealed,
    shard_ledger_name,
)
from pipeline.output.ledger import LEDGER_NAME, check_balance, write_ledger
from pipeline.output.shares import mixed_sources
from pipeline.passes.session import Session
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import Tokenizer
from tokenizer.opening import open_encoder


def mix(session: Session) -> None:
    """Check that every document is accounted for; write ``ledger.parquet`` and the manifest."""
    write_manifest(session.recipe, session.output, session.described)


def write_manifest(recipe: Recipe, output: str, described: Mapping[str, Any]) -> None:
    """Add up the ledgers of all shards; write ``ledger.parquet`` and the manifest.

    Raises ValueError where a shard is missing or the counts do not add up.
    """
    shards: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    first_pass = {
        name
        for folder in ("decisions", "joined", INDEXES_FOLDER)
        for name in storage.list_names(output, folder)
    }
    for shard in read_shards(output):
        name = shard_ledger_name(shard.source, shard.shard)
        path = storage.join(output, name)
        if not storage.exists(path):
            raise ValueError(f"{name} is missing: the shard was not built")
        ledger = storage.read_json(path)
        if {row["split"] for row in ledger["rows"]} - {split.split for split in shard.splits}:
            raise ValueError(f"{name}: the ledger has splits that are not the shard's")
        check_balance(ledger["rows"], name)
        rows += ledger["rows"]
        shards.append(
            {
                "source": shard.source,
                "shard": shard.shard,
                "parts": ledger["parts"],
                DROPPED: ledger[DROPPED],
                "ledger": {"name": name, "sha256": storage.sha256_of(path)},
            }
        )
    manifest = {
        "format": MANIFEST_FORMAT,
        "run": {key: value for key, value in described.items() if key != FILE_STATES},
        "recipe": recipe.mapping_of_results,
        "tokenizer": None if recipe.shards.is_text else _tokenizer(recipe.tokenizer, described),
        "token_budget": recipe.token_budget,
        "sources": mixed_sources(recipe, shards),
        "shards": shards,
        "files": {
            LEDGER_NAME: write_ledger(output, rows),
            PLAN_NAME: storage.sha256_of(storage.join(output, PLAN_NAME)),
            **_opt_out_list(output),
            **storage.sha256_of_each(output, first_pass),
        },
    }
    whole_files.write_bytes(output, MANIFEST_NAME, storage.json_bytes(sealed(manifest)))


def _tokenizer(tokenizer: Tokenizer, described: Mapping[str, Any]) -> dict[str, Any]:
    # Opened as for the shards: a process that wrote some has it.
    encoder = open_encoder(trusted(tokenizer.model), special_in_text=tokenizer.special_in_text)
    return {
        "model": tokenizer.model,
        "sha256": described["files"][tokenizer.model],
        "vocabulary_size": encoder.vocabulary_size,
        "bos": tokenizer.bos,
        "eos": tokenizer.eos,
        **_special_tokens(tokenizer),
    }


def _special_tokens(tokenizer: Tokenizer) -> dict[str, str]:
    """Return what becomes of special tokens in text, nothing where they stay text."""
    chosen = tokenizer.special_tokens_in_text
    return {"special_tokens_in_text": chosen} if tokenizer.special_in_text else {}


def _opt_out_list(output: str) -> dict[str, str]:
    path = storage.join(output, OPT_OUT_NAME)
    return {OPT_OUT_NAME: storage.sha256_of(path)} if storage.exists(path) else {}
