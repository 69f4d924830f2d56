"""A trial of a recipe: its steps on the first records of each source, in this process.

It shows within seconds what a threshold or a wrong column would do to a run of days. Deduplications
are left out, as they compare with documents that are not read. Nothing is written to the output.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ChangedError, StorageError
from pipeline.files import storage
from pipeline.output.layout import OPT_OUT_STEP, Split
from pipeline.output.opt_out import given_list
from pipeline.passes.plan import Plan
from pipeline.passes.process import StepError, applied, read_split
from pipeline.recipe.recipe import Recipe, Source
from pipeline.recipe.sections import Reading
from transforms.privacy.opt_out import OptOutList, opt_out, parse_opt_out

RECORDS = 100
"""Records that are tried of each source."""

JOINED_RECORDS = 5_000
"""Records that are read of a source whose documents are joined from records, before it is tried."""

SECONDS = 20.0
"""Time for each source. A batch that was begun when it is over is tried to its end."""

BATCH_BYTES = 1 << 18
"""Text of a batch: small, since a dear reader works on a whole batch."""


class Example(NamedTuple):
    """A document that a step dropped: its id, and the text that the step saw."""

    id: str
    text: str


@dataclass
class Trial:
    """What became of the first records of a source."""

    source: str
    left_out: list[str]  # deduplications, by name, and inputs that can be read once
    read: int = 0
    kept: int = 0
    drops: Counter[tuple[str, str]] = field(default_factory=Counter)  # by step and reason
    examples: dict[tuple[str, str], Example] = field(default_factory=dict)
    is_cut_short: bool = False  # by the time
    error: str | None = None  # that a run would stop with

    def note(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> pa.RecordBatch:
        """Count what a step dropped, and return what it kept."""
        for row, reason in enumerate(after["dropped_by"].to_pylist()):
            if reason is not None:
                self.drops[step, reason] += 1
                example = Example(before["id"][row].as_py(), before["text"][row].as_py())
                self.examples.setdefault((step, reason), example)
        return after.filter(pc.is_null(after["dropped_by"]))

    def described(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        drops = [
            {
                "step": step,
                "reason": reason,
                "documents": n,
                "example": self.examples[step, reason].id,
            }
            for (step, reason), n in self.drops.most_common()
        ]
        return {"source": self.source, "read": self.read, "kept": self.kept, "drops": drops,
                "left_out": self.left_out, "is_cut_short": self.is_cut_short,
                "error": self.error}  # fmt: skip


def try_recipe(recipe: Recipe, plan: Plan) -> Iterator[Trial]:
    """Try each source of a recipe on its first records. Raises RecipeError for a wrong list."""
    reading = dataclasses.replace(
        recipe.reading, batch_bytes=min(recipe.reading.batch_bytes, BATCH_BYTES)
    )
    list_given = parse_opt_out(given_list(recipe))
    for source in recipe.sources:
        trial = Trial(source.name, [s.name for s in source.steps if s.is_deduplication])
        splits = []
        for split in plan.splits:
            if split.source == source.name:
                if storage.is_remote(split.path) or Path(split.path).is_file():
                    splits.append(split)
                else:  # a pipe: what a trial takes out of it, a run would miss
                    trial.left_out.append(split.path)
        try:
            _try_source(trial, source, splits, reading, list_given)
        except (StepError, ChangedError, StorageError, OSError) as error:
            trial.error = " ".join(str(error).split())
        yield trial


def _try_source(
    trial: Trial, source: Source, splits: list[Split], reading: Reading, left_out: OptOutList
) -> None:
    until = monotonic() + SECONDS
    for split, whole in _documents(source, splits, reading, until):
        batch = whole.slice(0, RECORDS - trial.read)
        trial.read += batch.num_rows
        batch = trial.note("read", batch, batch)
        for step in source.steps:
            if batch.num_rows and not step.is_deduplication:
                batch = trial.note(step.name, batch, applied(step, batch, split))
        if left_out and batch.num_rows:
            batch = trial.note(OPT_OUT_STEP, batch, opt_out(batch, left_out))
        trial.kept += batch.num_rows
        if trial.read == RECORDS:
            return
        if monotonic() > until:
            trial.is_cut_short = True
            return


def _documents(
    source: Source, splits: list[Split], reading: Reading, until: float
) -> Iterator[tuple[Split, pa.RecordBatch]]:
    """Yield the documents of a source's splits, of the first records where they are joined."""
    join = source.reader.join
    if join is None:
        for split in splits:
            for batch in read_split(split, source, reading, ""):
                yield split, batch
        return
    held = list(_first_records(source, splits, reading, until))
    if held:
        (records,) = pa.Table.from_batches(held).combine_chunks().to_batches()
        yield splits[0], join.join(records, source.reader_options)


def _first_records(
    source: Source, splits: list[Split], reading: Reading, until: float
) -> Iterator[pa.RecordBatch]:
    """Yield the first :data:`JOINED_RECORDS` records, or those that are read until a time."""
    n_records = 0
    for split in splits:
        if split.holds == "records":
            for batch in read_split(split, source, reading, ""):
                yield batch
                n_records += batch.num_rows
                if n_records >= JOINED_RECORDS or monotonic() > until:
                    return
