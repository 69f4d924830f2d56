"""A run's opt-out list: what changes when it does.

The list is applied after all of a source's steps, so that what a document has in common with others
is decided as before and no other document changes. The run keeps a copy of it, ``opt_out.txt``.
Where the next run comes with another list, the shards that hold one of its documents go, and are
built again without them; all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import RecipeError
from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import (
    DATA_CARD_NAME,
    MANIFEST_NAME,
    OBSERVED_FOLDER,
    OPT_OUT_NAME,
    REPORT_NAME,
    dropped_name,
    observed_name,
    read_shards,
    shard_ledger_name,
)
from pipeline.recipe.recipe import Recipe
from transforms.privacy.opt_out import OptOutList, parse_opt_out


def given_list(recipe: Recipe) -> bytes:
    """Read the list that the recipe names; empty where it names none.

    Raises RecipeError where an entry cannot be understood.
    """
    if recipe.opt_out is None:
        return b""
    data = storage.read_bytes(recipe.opt_out)
    try:
        parse_opt_out(data)
    except ValueError as error:
        raise RecipeError(f"{recipe.path}: opt_out: {recipe.opt_out}: {error}") from None
    return data


def list_of_run(output: str) -> bytes:
    """Read the list that the run in ``output`` is made with; empty where there is none."""
    path = storage.join(output, OPT_OUT_NAME)
    return storage.read_bytes(path) if storage.exists(path) else b""


def replace_list(output: str, data: bytes) -> None:
    """Make ``data`` the run's list, and remove the shards that this changes.

    A run that is killed in between finds the old list still there, and does all of it again.
    """
    before = list_of_run(output)
    if data == before:
        return
    old, now = parse_opt_out(before), parse_opt_out(data)
    changed = list(_changed_shards(output, old, now))
    for name in (MANIFEST_NAME, REPORT_NAME, DATA_CARD_NAME):
        storage.remove(output, name)
    for name in changed:
        storage.remove(output, name)
    if data:
        _remove_texts(output, old, now)
        whole_files.write_bytes(output, OPT_OUT_NAME, data)
    else:
        storage.remove(output, OPT_OUT_NAME)


def _changed_shards(output: str, before: OptOutList, now: OptOutList) -> Iterator[str]:
    """Name the ledgers of shards that hold a document of the list, or lack one that may be back."""
    there = storage.list_names(output, "ledger")
    for shard in read_shards(output):
        name = shard_ledger_name(shard.source, shard.shard)
        if name not in there:
            continue
        ledger = storage.read_json(storage.join(output, name))
        lacks_some = any(row["reason"] == "opted_out" for row in ledger["rows"])
        docs = (n for part in ledger["parts"].values() for n in part["files"]
                if n.endswith(".docs.parquet"))  # fmt: skip
        if (lacks_some and not now.covers(before)) or any(
            _holds_any(storage.join(output, name_of_docs), now) for name_of_docs in docs
        ):
            yield name


def _remove_texts(output: str, before: OptOutList, now: OptOutList) -> None:
    """Take the list's documents out of what was observed of shards that stay, which dropped them.

    Removed lines do not say whose they were: where a shard dropped a document that is new on the
    list, all go.
    """
    there = storage.list_names(output, OBSERVED_FOLDER)
    for shard in read_shards(output):
        name = observed_name(shard.source, shard.shard)
        if name not in there:
            continue
        observed = storage.read_json(storage.join(output, name))
        samples = observed["samples"]
        ids = pa.array([sample["id"] for sample in samples], pa.string())
        urls = pa.array([sample.get("url") for sample in samples], pa.string())
        named = now.matches(ids, urls).tolist()
        left = [one for one, is_named in zip(samples, named, strict=True) if not is_named]
        changed = {**observed, "samples": left}
        dropped = storage.join(output, dropped_name(shard.source, shard.shard))
        if not storage.exists(dropped) or _holds_any(dropped, now, before):
            changed["removed_lines"] = {
                step: _unlisted(listed) for step, listed in observed["removed_lines"].items()
            }
        if changed != observed:
            whole_files.write_bytes(output, name, storage.json_bytes(changed))


def _unlisted(listed: dict[str, Any]) -> dict[str, Any]:
    """Return a list of frequent lines without its items, which are among the others now."""
    most = [item["count"] + item["missed_at_most"] for item in listed["items"]]
    return {"items": [], "others_at_most": max([listed["others_at_most"], *most])}


def _holds_any(path: str, now: OptOutList, before: OptOutList | None = None) -> bool:
    """Tell whether a file of documents' rows has one of the list, that was not on the one before.

    Without ``before`` every one counts.
    """
    with storage.open_read(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(columns=["id", "url"]):
            named = now.matches(batch["id"], batch["url"])
            if before is not None:
                named &= ~before.matches(batch["id"], batch["url"])
            if named.any():
                return True
    return False
