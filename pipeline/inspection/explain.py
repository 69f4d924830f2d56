"""Explanation of documents: their splits are run again, and every decision about them is noted."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import storage
from pipeline.files.trusted import expect, seals_of
from pipeline.inspection.copies import SEARCH_SECONDS, Taken, name_copies
from pipeline.inspection.earlier_runs import fell_to_earlier, name_indexes
from pipeline.inspection.survivors import Document, survivors_of
from pipeline.output.decisions import decision_name, read_decisions
from pipeline.output.layout import RUN_NAME, Split, is_validation
from pipeline.output.ledger import Tally
from pipeline.passes.process import check_all_found, process_split, splits_of
from pipeline.recipe.across import Place
from pipeline.recipe.recipe import Recipe, recipe_of_source
from transforms.dedup.exact import ExactDeduplication


class _AllSeen(Exception):  # noqa: N818  (no error: there is nothing left to watch for)
    """All documents that were looked for have been through their last steps."""


@dataclass
class History:
    """What the steps did to a document, one after the other."""

    split: Split
    decisions: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""  # after the last step
    text_before: str = ""  # ahead of the last step
    dropped_unit: Document | None = None  # what it was to the deduplication that dropped it
    earlier: dict[str, str] | None = None  # what it fell to in an earlier run, if it did
    whole: Taken | None = None  # the same, if it was an exact one
    taken: list[Taken] = field(default_factory=list)  # parts whose other copies are in this run

    @property
    def dropped_by(self) -> str | None:
        """Reason for which the document was dropped; None where it was kept."""
        reason: str | None = self.decisions[-1]["dropped_by"]
        return reason


class _Decided(NamedTuple):
    """What a deduplication decides about some rows of a batch."""

    lines: dict[int, list[dict[str, Any]]]  # that it takes out; not where units are documents
    units: dict[int, Document]  # where they are
    taken: dict[int, Taken]  # where it is exact, and something went


class _Watcher:
    """Follows documents of a split through the steps."""

    def __init__(
        self, wanted: Collection[str], split: Split, recipe: Recipe, output: str, with_texts: bool
    ) -> None:
        self.wanted = pa.array(sorted(wanted), pa.string())
        self.recipe = recipe
        self.split = split
        self.output = output
        self.with_texts = with_texts
        self.histories: dict[str, History] = {}
        self.units_before: dict[str, int] = {}

    def __call__(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        if step == "read" and len(self.histories) == len(self.wanted):
            raise _AllSeen
        is_wanted = pc.is_in(before["id"], self.wanted).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(is_wanted).tolist()
        decided = self._decided(step, before, rows)
        for row in rows:
            old, new = before.slice(row, 1).to_pylist()[0], after.slice(row, 1).to_pylist()[0]
            history = self.histories.setdefault(old["id"], History(self.split))
            decision: dict[str, Any] = {"step": step, "dropped_by": new["dropped_by"]}
            decision["characters_before"] = len(old["text"])
            decision["characters_after"] = len(new["text"])
            known = {} if step == "read" else old
            decision["columns"] = {
                name: value
                for name, value in new.items()
                if value != known.get(name) and name not in ("id", "text", "dropped_by")
            }
            lines = decided.lines.get(row)
            if new["dropped_by"] is not None and row in decided.units:
                history.dropped_unit = decided.units[row]
                history.whole = decided.taken.get(row)
                of_step = self.recipe.source(self.split.source).steps[decided.units[row].place.step]
                history.earlier = fell_to_earlier(of_step, before.slice(row, 1))
            elif row in decided.taken:
                history.taken.append(decided.taken[row])
            if lines is None:
                lines = _lines_taken_out(old["text"], new["text"], step)
            if lines is not None:
                decision["removed_lines"] = lines
                if self.with_texts:
                    decision["text_before"] = old["text"]
            history.decisions.append(decision)
            history.text, history.text_before = new["text"], old["text"]

    def _decided(self, step: str, before: pa.RecordBatch, rows: Sequence[int]) -> _Decided:
        """List what a deduplication decides about the documents at ``rows``.

        Empty where the step is none.
        """
        source = self.recipe.source(self.split.source)
        names = [s.name for s in source.steps]
        if step not in names or not source.steps[names.index(step)].is_deduplication:
            return _Decided({}, {}, {})
        position = names.index(step)
        deduplication = source.steps[position].deduplication
        units = deduplication.count(before)
        at = self.units_before.get(step, 0)
        self.units_before[step] = at + int(units[-1])
        if not rows:
            return _Decided({}, {}, {})
        name = decision_name(source.name, position, self.split.split)
        kept = read_decisions(self.output, name)[at:]
        decided = _Decided({}, {}, {})
        for row in rows:
            document = before.slice(row, 1)
            first = Document(Place(source.name, position), self.split.split, at + int(units[row]))
            mine = kept[units[row] : units[row + 1]]
            lines = deduplication.removed_lines(document["text"][0].as_py(), mine)
            if lines is None:
                decided.units[row] = first
                told: list[tuple[int, dict[str, Any]]] = [] if mine.all() else [(0, {})]
            else:
                decided.lines[row] = name_indexes(source.steps[position], document, lines)
                told = [
                    (line.unit, said)
                    for line, said in zip(lines, decided.lines[row], strict=True)
                    if "index" not in said
                ]
            if told and isinstance(deduplication, ExactDeduplication):
                keys = deduplication.units(document).keys
                identifier, text = document["id"][0].as_py(), document["text"][0].as_py()
                decided.taken[row] = Taken(identifier, first, text, keys, mine, told)
        return decided


def _lines_taken_out(before: str, after: str, step: str) -> list[dict[str, Any]] | None:
    """List the lines that a step took out of a text; None where it did not, or did more."""
    if len(after) >= len(before):
        return None
    lines, left = before.split("\n"), after.split("\n") if after else []
    at = 0
    removed = []
    for i, line in enumerate(lines):
        if at < len(left) and line == left[at]:
            at += 1
        else:
            removed.append({"line": i, "text": line, "reason": step})
    return removed if at == len(left) else None


def follow(
    output: str,
    identifiers: Sequence[str],
    *,
    source: str,
    shard: int | None = None,
    dropped_by_steps: Collection[str] | None = None,
    with_texts: bool = False,
) -> dict[str, History]:
    """Return the histories of documents of a source, by their ids.

    The splits that they come from are run again, each once.

    ``shard`` is the shard where they are known to be, and ``dropped_by_steps`` are the steps that
    are known to have dropped them, after which no step is run. ``with_texts`` keeps the texts from
    which steps took lines, in the decisions. Raises ValueError where a document is in no input
    file.
    """
    described = storage.read_json(storage.join(output, RUN_NAME))
    expect(seals_of(described))
    recipe = recipe_of_source(described["recipe"], source)
    until = _steps_until(recipe, source, dropped_by_steps)
    missing = set(identifiers)
    histories: dict[str, History] = {}
    for split in splits_of(output, source, identifiers, shard=shard):
        if not missing:
            break
        watcher = _Watcher(missing, split, recipe, output, with_texts)
        try:
            for _ in process_split(split, recipe, output, Tally(), until=until, observer=watcher):
                pass
        except _AllSeen:
            pass
        histories.update(watcher.histories)
        missing -= set(watcher.histories)
    check_all_found(missing)
    return histories


def _steps_until(recipe: Recipe, source: str, steps: Collection[str] | None) -> int | None:
    """Count the steps that are run to come to the last of ``steps``; None stands for all."""
    names = ["read", *(step.name for step in recipe.source(source).steps)]
    if steps is None or not set(steps) <= set(names):
        return None
    return max(i for i, name in enumerate(names) if name in steps)


def explain(
    output: str, identifier: str, *, search_seconds: float = SEARCH_SECONDS
) -> dict[str, Any]:
    """Return every decision about a document, kept or dropped, and the lines that were removed.

    Reads the input file again, and for ``search_seconds`` at most those that other copies of
    repeated lines may stand in. Raises ValueError where there is no such document.
    """
    file, mark, _ = identifier.rpartition("#")
    if not mark:
        raise ValueError(
            f"{identifier!r} is no id: that is SOURCE/FILE#RECORD, and 'corpus sample {output}' "
            "shows some"
        )
    source = file.partition("/")[0]
    if not any(True for _ in splits_of(output, source, [identifier])):
        raise ValueError(
            f"{identifier}: the run read no file {file!r}; an id is SOURCE/FILE#RECORD"
        )
    history = follow(output, [identifier], source=source)[identifier]
    recipe = storage.read_json(storage.join(output, RUN_NAME))["recipe"]
    part = (
        "validation"
        if is_validation(identifier, recipe["shards"]["validation_fraction"])
        else "train"
    )
    kept = history.dropped_by is None
    deadline = time.monotonic() + search_seconds
    fell_to = fell_to_of(output, history, deadline)
    n_not_found = name_copies(output, history.taken, deadline)
    return {
        "id": identifier,
        "path": history.split.path,
        "kept": kept,
        "dropped_by": history.dropped_by,
        "dropped_at": None if kept else history.decisions[-1]["step"],
        "part": part if kept else None,
        "shard": history.split.shard if kept else None,
        **({"fell_to": fell_to} if fell_to else {}),
        **({"copies_not_found": n_not_found} if n_not_found else {}),
        "decisions": history.decisions,
        "text": history.text,
    }


def fell_to_of(output: str, history: History, deadline: float) -> list[dict[str, str]]:
    """Name what a document fell to: in an earlier run, as it was noted, or as it is found.

    ``deadline`` is by the monotonic clock; nothing is looked for after it.
    """
    if history.dropped_unit is None:
        return []
    if history.earlier:
        return [history.earlier]
    noted = survivors_of(output, history.dropped_unit)
    if noted or history.whole is None:
        return noted
    name_copies(output, [history.whole], deadline)
    ((_, told),) = history.whole.told
    return [{name: told["copy"][name] for name in ("source", "id")}] if "copy" in told else []


def told_of(fell_to: Sequence[Mapping[str, str]]) -> str:
    """Say what a document fell to, and what stays in the end, as the end of a sentence."""
    names = [" in ".join(one[k] for k in ("id", "index") if k in one) for one in fell_to]
    return f" of {' and, in the end, of '.join(names)}" if names else ""
