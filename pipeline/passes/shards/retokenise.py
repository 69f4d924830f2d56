"""The shards of a run with another tokenizer: their text is encoded again, without the passes.

The text is that of shards of text, or is decoded from the first tokenizer's ids. All else of the
run stays as it is: documents, their order, what was dropped, the ledger. The files are those of a
run with the other tokenizer. A command that was stopped goes on when it is given again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import ERROR_NAME, ChangedError, RunError
from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.files.trusted import FILE_STATES, Seal, expect, forget, sealed, states_of
from pipeline.output import output_folder, whole_files
from pipeline.output.key_indexes import CARD
from pipeline.output.layout import (
    EVENTS_NAME,
    MANIFEST_NAME,
    OBSERVED_FOLDER,
    PLAN_NAME,
    RUN_NAME,
    RUN_TIMES_NAME,
    dropped_summary,
    holds_text,
    read_plan,
)
from pipeline.output.ledger import LEDGER_NAME
from pipeline.output.progress import ProgressDisplay
from pipeline.output.run_times import timed
from pipeline.output.shares import check_weights
from pipeline.passes.mix import write_manifest
from pipeline.passes.process import CODE, SEALS
from pipeline.passes.shards.encode_again import PASS, EncodeAgain
from pipeline.recipe.code import all_code, code_digest
from pipeline.recipe.from_yaml import tell_of_library, tokenizer_file
from pipeline.recipe.recipe import Recipe, recipe_from_mapping
from pipeline.recipe.sections import Shards, SpecialTokensInText, Tokenizer
from pipeline.runners.execution import Execution
from tokenizer.losses import LOSES_MARKS, loss
from transforms.documents import FilePath

CHARACTERS_A_SECOND = 5e6
"""Characters that one core decodes and encodes in a second, about, for the number of workers."""

CODE_NAME = "work/code"
"""Name of the file with the digest of the code that began to encode."""

_COPIED_BYTES = 1 << 20


class Retokenised(NamedTuple):
    """A run with another tokenizer."""

    counts: dict[str, int]  # documents, tokens and characters
    was_complete: bool  # before the command was given


class Work(NamedTuple):
    """What there is to encode, for the choice of a number of workers."""

    core_seconds: float
    n_splits: int
    shuffle_bytes: int = 0
    compared_text_bytes: float = 0.0


def retokenise(
    first: str,
    output: str,
    tokenizer: str,
    execution: Execution,
    *,
    bos: bool,
    eos: bool,
    special_tokens_in_text: SpecialTokensInText = "keep_as_text",
    marks_are_spaces: bool = False,
    start_over: bool = False,
) -> Retokenised:
    """Write the run in ``first`` to the folder ``output`` with another tokenizer.

    ``tokenizer`` is a tokenizer's file, or a folder with one. ``bos`` and ``eos`` put its marks
    around documents, ``special_tokens_in_text`` says what becomes of special tokens that are
    spelt out in them. ``marks_are_spaces`` takes the one loss of LLaMA's tokenizer, U+2581, for
    the spaces that it became. ``start_over`` removes what ``output`` holds; else shards that are
    there, and are whole, stay. Raises RunError, before any work, where the first tokenizer loses
    more, or has changed; where the run is not complete or is not on this machine; and where
    ``output`` holds something else. RecipeError names weights that do not fit the domains.
    """
    forget()
    manifest = _manifest_of(first, output)
    text = holds_text(manifest)
    if not text:
        _check_losses(manifest, marks_are_spaces=marks_are_spaces)
    tokenizer = tokenizer_file(tokenizer)
    if not storage.exists(tokenizer):
        raise RunError(f"{tokenizer}: there is no such tokenizer")
    other = Tokenizer(FilePath(tokenizer), bos, eos, special_tokens_in_text)
    tell_of_library(other, local_copy(tokenizer))
    recipe, described, seals = _with_tokenizer(first, manifest, other)
    check_weights(recipe, manifest["shards"])
    decoder = None if text else manifest["tokenizer"]["model"]
    if decoder is not None:
        seals[decoder] = Seal(manifest["tokenizer"]["sha256"])
    expect(seals)
    with output_folder.locked(output):
        described = _opened(first, output, described, recipe, start_over=start_over)
        was_complete = storage.exists(storage.join(output, MANIFEST_NAME))
        if not was_complete:
            told = {SEALS: seals, CODE: code_digest(all_code(recipe))}
            encode = EncodeAgain(first, output, json.dumps({**recipe.mapping, **told}), decoder)
            with output_folder.attempt(output), timed(output):
                _copy_rest(first, output, manifest, described)
                try:
                    _run(encode, output, manifest, execution)
                finally:
                    execution.close()
                write_manifest(recipe, output, described)
        for name in ("work", ERROR_NAME):
            storage.remove(output, name)
    made = storage.read_json(storage.join(output, MANIFEST_NAME))
    return Retokenised(_counts(made), was_complete)


def _counts(manifest: dict[str, Any]) -> dict[str, int]:
    parts = [part for shard in manifest["shards"] for part in shard["parts"].values()]
    return {key: sum(part[key] for part in parts) for key in ("documents", "tokens", "characters")}


def _manifest_of(first: str, output: str) -> dict[str, Any]:
    """Read the manifest of the run that is encoded again, where all is on this machine."""
    if storage.is_remote(first) or storage.is_remote(output):
        raise RunError("shards are mapped into memory; copy the folder here first")
    if not Path(first, MANIFEST_NAME).exists():
        raise RunError(f"{first}: no {MANIFEST_NAME} there; the run is not complete")
    if Path(first).resolve() == Path(output).resolve():
        raise RunError(f"{output} is the run itself; give another --output")
    manifest: dict[str, Any] = storage.read_json(storage.join(first, MANIFEST_NAME))
    return manifest


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
) -> tuple[Recipe, dict[str, Any], dict[str, Seal]]:
    """Return the run's recipe and description with another tokenizer, and the tokenizer's seal."""
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
    described = {**output_folder.fingerprinted(run, opt_out), FILE_STATES: states}
    return recipe, described, {tokenizer: seal}


def _of_tokens(shards: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's section of shards as a run has it whose shards hold the tokens."""
    rest = {k: v for k, v in shards.items() if k not in ("format", "target_shard_text_bytes")}
    return {**rest, "target_shard_tokens": Shards(**shards).planned_tokens}


def _opened(
    first: str, output: str, described: dict[str, Any], recipe: Recipe, *, start_over: bool
) -> dict[str, Any]:
    """Open the locked folder for the run, or to go on with it; return what ``run.json`` holds.

    Raises RunError where it holds something else, or what other code has begun.
    """
    output_folder.open_output(output, described, list(read_plan(first)), start_over)
    there = storage.read_json(storage.join(output, RUN_NAME))
    advice = "give another --output, or --start_over to remove what is there"
    if there["opt_out"] != described["opt_out"]:
        raise RunError(f"{output} holds a run with another opt-out list; {advice}")
    # It is the same run, but may have been begun with another mixture, which a manifest has.
    described = {**described, "recipe": there["recipe"]}
    if there != described:
        whole_files.write_bytes(output, RUN_NAME, storage.json_bytes(described))
    code, path = code_digest(all_code(recipe)).encode(), storage.join(output, CODE_NAME)
    if storage.exists(path) and storage.read_bytes(path) != code:
        raise RunError(f"the code of llama-corpus has changed since {output} was begun; {advice}")
    if not storage.exists(path):
        whole_files.write_bytes(output, CODE_NAME, code)
    return described


def _run(encode: EncodeAgain, output: str, manifest: dict[str, Any], execution: Execution) -> None:
    """Encode all shards in one pipeline, and show how far it is."""
    sizes = [split.n_bytes for split in read_plan(output) if split.holds == "documents"]
    work = Work(_counts(manifest)["characters"] / CHARACTERS_A_SECOND, len(sizes))
    display = ProgressDisplay(output, PASS, "encoding", sum(sizes))
    with display, execution.make_pipeline(work) as pipeline:
        _ = pipeline | encode


def _copy_rest(
    first: str, output: str, manifest: dict[str, Any], described: dict[str, Any]
) -> None:
    """Copy what a tokenizer has no part in, as far as it is not there yet.

    The cards of indexes say of which run they are: of the new one.
    """
    observed = storage.list_names(first, OBSERVED_FOLDER) - {EVENTS_NAME, RUN_TIMES_NAME}
    digests: dict[str, str | None] = dict.fromkeys(observed)
    digests |= {n: sha for n, sha in manifest["files"].items() if n not in (PLAN_NAME, LEDGER_NAME)}
    for shard in manifest["shards"]:
        files = dropped_summary(shard)["files"]
        digests |= {name: one["sha256"] for name, one in files.items()}
    for name, sha256 in digests.items():
        if not storage.exists(storage.join(first, name)):
            continue
        if name.endswith(f"/{CARD}"):
            card = storage.read_json(storage.join(first, name))
            card["run"] = described["plan_fingerprint"]
            whole_files.write_bytes(output, name, storage.json_bytes(card))
        else:
            _copy(first, output, name, sha256)


def _copy(first: str, output: str, name: str, sha256: str | None) -> None:
    if sha256 and storage.has_sha256(storage.join(output, name), sha256):
        return
    source = storage.join(first, name)
    with storage.open_read(source) as read, whole_files.write_whole(output, name) as file:
        shutil.copyfileobj(read, file, _COPIED_BYTES)
        if sha256 and file.sha256 != sha256:
            raise ChangedError(f"{source}: its SHA-256 is not that of the run's manifest")
