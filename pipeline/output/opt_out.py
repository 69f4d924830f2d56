"""The opt-out list of a run, and which shards are built again when it changes.

The list is applied after all of a source's steps. Deduplication therefore decides as it did without
the list, and no other document changes. The run keeps a copy of the list, ``opt_out.txt``. If the
next run is given another list, the shards that contain one of its documents are removed and built
again. All other shards stay as they are. A command that gives no list leaves the run's in force; to
take it back, it has to say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import RecipeError
from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import (
    DATA_CARD_NAME,
    MANIFEST_NAME,
    MIXTURES_FOLDER,
    OBSERVED_FOLDER,
    OPT_OUT_NAME,
    OPT_OUT_STEP,
    REPORT_NAME,
    dropped_name,
    observed_name,
    read_shards,
    shard_ledger_name,
)
from pipeline.recipe.recipe import Recipe
from transforms.privacy.opt_out import OptOutList, UnmatchedEntries, parse_opt_out

MAX_NAMED_ENTRIES = 20
"""Most entries that are named of those that took no document out."""


def given_list(recipe: Recipe) -> bytes:
    """Read the list that the recipe names; empty if it names none.

    Raises RecipeError if an entry cannot be parsed.
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
    """Read the list with which the run in ``output`` was made; empty if it had none."""
    path = storage.join(output, OPT_OUT_NAME)
    return storage.read_bytes(path) if storage.exists(path) else b""


def digest_of_list(data: bytes) -> str | None:
    """Return the SHA-256 of a list that ``run.json`` has; None for an empty one, as for none."""
    return hashlib.sha256(data).hexdigest() if data else None


def left_out(output: str) -> int:
    """Count the documents that the list of the run in ``output`` has left out so far."""
    return sum(
        row["documents"]
        for name in storage.list_names(output, "ledger")
        for row in storage.read_json(storage.join(output, name))["rows"]
        if (row["step"], row["outcome"]) == (OPT_OUT_STEP, "dropped")
    )


def opt_out_warnings(output: str, ledger: pa.Table) -> list[str]:
    """Return a warning that names the entries of a run's list that took no document out.

    A document that a step has dropped already is not taken out by the list. There is no warning
    where the files with the dropped documents are not in the folder any more.
    """
    data = list_of_run(output)
    if not data:
        return []
    unmatched = UnmatchedEntries(data)
    taken_out = ledger.filter(pc.equal(ledger["step"], OPT_OUT_STEP))
    taken_out = taken_out.filter(pc.equal(taken_out["outcome"], "dropped"))
    shards = taken_out.group_by(["source", "shard"], use_threads=False).aggregate([])
    for shard in shards.to_pylist():
        path = storage.join(output, dropped_name(**shard))
        if not storage.exists(path):
            return []
        with storage.open_read(path) as file:
            for batch in pq.ParquetFile(file).iter_batches(columns=["id", "url", "step"]):
                rows = batch.filter(pc.equal(batch["step"], OPT_OUT_STEP))
                unmatched.see(rows["id"], rows["url"])
    left = unmatched.entries()
    if not left:
        return []
    named = ", ".join(left[:MAX_NAMED_ENTRIES]) + (", ..." if len(left) > MAX_NAMED_ENTRIES else "")
    return [
        f"opt-out list: {len(left):,} of {unmatched.n_entries:,} entries match no document that "
        f"the steps had left: {named}"
    ]


def replace_list(output: str, data: bytes) -> None:
    """Make ``data`` the list of the run in ``output``, and remove the shards that this changes.

    The list is written last. If the command is killed before that, the next one finds the old list
    and repeats all of this.
    """
    before = list_of_run(output)
    if data == before:
        return
    old, now = parse_opt_out(before), parse_opt_out(data)
    changed = list(_changed_shards(output, old, now))
    for name in (MANIFEST_NAME, MIXTURES_FOLDER, REPORT_NAME, DATA_CARD_NAME):
        storage.remove(output, name)
    for name in changed:
        storage.remove(output, name)
    if data:
        _remove_texts(output, old, now)
        whole_files.write_bytes(output, OPT_OUT_NAME, data)
    else:
        storage.remove(output, OPT_OUT_NAME)


def _changed_shards(output: str, before: OptOutList, now: OptOutList) -> Iterator[str]:
    """Yield the ledgers of shards that contain a listed document, or lack one no longer listed."""
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
    """Remove texts of listed documents from the statistics of the shards that stay.

    Those shards had dropped the documents, but may show them as samples. Removed lines do not say
    which document they come from. So if a shard dropped a newly listed document, all lines go.
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
    """Return a list of frequent lines without its items, which the bound on others now covers."""
    most = [item["count"] + item["missed_at_most"] for item in listed["items"]]
    return {"items": [], "others_at_most": max([listed["others_at_most"], *most])}


def _holds_any(path: str, now: OptOutList, before: OptOutList | None = None) -> bool:
    """Tell whether a file with one row a document has one on the list ``now``.

    With ``before``, documents on that list do not count.
    """
    with storage.open_read(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(columns=["id", "url"]):
            named = now.matches(batch["id"], batch["url"])
            if before is not None:
                named &= ~before.matches(batch["id"], batch["url"])
            if named.any():
                return True
    return False
