"""Every decision about one document: its split is run again with the first pass's decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import storage
from pipeline.decisions import decision_name, read_decisions
from pipeline.layout import RUN_NAME, Split, read_plan
from pipeline.ledger import Tally
from pipeline.process import deduplicator, process_split
from pipeline.recipe import Recipe, recipe_from_mapping
from pipeline.write_shard import is_validation


class _Found(Exception):  # noqa: N818  (no error: the document's way is known)
    """The document's last step was seen."""


class _Watcher:
    """Follows one document through the steps."""

    def __init__(self, identifier: str, split: Split, recipe: Recipe, output: str) -> None:
        self.identifier = identifier
        self.recipe = recipe
        self.split = split
        self.output = output
        self.decisions: list[dict[str, Any]] = []
        self.text: str | None = None
        self.units_before: dict[str, int] = {}
        self.batch_has_it = False

    def __call__(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        if step == "read" and self.batch_has_it:
            raise _Found
        row = before["id"].index(self.identifier).as_py()
        removed = self._removed_lines(step, before, row)
        if row < 0:
            return
        self.batch_has_it = True
        old, new = before.slice(row, 1).to_pylist()[0], after.slice(row, 1).to_pylist()[0]
        decision: dict[str, Any] = {"step": step, "dropped_by": new["dropped_by"]}
        decision["characters_before"] = len(old["text"])
        decision["characters_after"] = len(new["text"])
        known = {} if step == "read" else old
        decision["columns"] = {
            name: value
            for name, value in new.items()
            if value != known.get(name) and name not in ("id", "text", "dropped_by")
        }
        if removed is not None:
            decision["removed_lines"] = removed
        self.decisions.append(decision)
        self.text = new["text"]

    def _removed_lines(
        self, step: str, before: pa.RecordBatch, row: int
    ) -> list[dict[str, Any]] | None:
        """List the lines that a deduplication takes out of the document."""
        source = self.recipe.source(self.split.source)
        names = [s.name for s in source.steps]
        if step not in names or not source.steps[names.index(step)].is_shuffle:
            return None
        position = names.index(step)
        units = deduplicator(source.steps[position]).count(before)
        at = self.units_before.get(step, 0)
        self.units_before[step] = at + int(units[-1])
        if row < 0 or step != "deduplicate_lines":
            return None
        kept = read_decisions(self.output, decision_name(source.name, position, self.split.split))
        mine = kept[at + units[row] : at + units[row + 1]]
        lines = before["text"][row].as_py().split("\n")
        return [
            {"line": int(i), "text": lines[i], "reason": "duplicate_line"}
            for i in np.flatnonzero(~mine)
        ]


def explain(output: str, identifier: str) -> dict[str, Any]:
    """Return every decision about a document, kept or dropped, and the lines that were removed.

    Reads the input file again. Raises ValueError where there is no such document.
    """
    recipe = recipe_from_mapping(storage.read_json(storage.join(output, RUN_NAME))["recipe"])
    file, _, _ = identifier.rpartition("#")
    source = file.partition("/")[0]
    documents = [split for split in read_plan(output) if split.holds == "documents"]
    splits = [s for s in documents if s.name == file or s.path.startswith(f"joined/{source}/")]
    if not splits:
        raise ValueError(
            f"{identifier}: the run read no file {file!r}; an id is SOURCE/FILE#RECORD"
        )
    for split in splits:
        joined = storage.join(output, split.path)
        if not storage.exists(split.path) and not storage.exists(joined):
            raise ValueError(f"{split.path}: the input file is not there any more")
        watcher = _Watcher(identifier, split, recipe, output)
        try:
            for _ in process_split(split, recipe, output, Tally(), observer=watcher):
                pass
        except _Found:
            pass
        if watcher.decisions:
            return _explained(watcher)
    raise ValueError(f"{identifier}: the file {file} has no such record")


def _explained(watcher: _Watcher) -> dict[str, Any]:
    dropped_by = watcher.decisions[-1]["dropped_by"]
    fraction = watcher.recipe.shards.validation_fraction
    part = "validation" if is_validation(watcher.identifier, fraction) else "train"
    return {
        "id": watcher.identifier,
        "path": watcher.split.path,
        "kept": dropped_by is None,
        "dropped_by": dropped_by,
        "dropped_at": watcher.decisions[-1]["step"] if dropped_by else None,
        "part": None if dropped_by else part,
        "shard": None if dropped_by else watcher.split.shard,
        "decisions": watcher.decisions,
        "text": watcher.text,
    }
