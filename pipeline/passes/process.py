"""Documents of a split: read, and taken through its source's steps, for both passes and looks."""

from __future__ import annotations

import functools
import json
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ChangedError, RecipeError, RunError, StorageError
from pipeline.files import storage
from pipeline.files.trusted import Seal, check_trusted, expect
from pipeline.output.decisions import decision_name, read_decisions, read_sizes, sizes_name
from pipeline.output.documents import read_documents
from pipeline.output.layout import OPT_OUT_STEP, Split, joined_folder, kept_name, read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.inputs import ADVICE, opened
from pipeline.passes.kept_documents import Documents, are_kept, is_kept, keep, recall
from pipeline.readers.batches import Row, batches, metadata_json
from pipeline.recipe.code import all_code, code_digest
from pipeline.recipe.recipe import Recipe, Source, Step, recipe_from_mapping
from pipeline.recipe.sections import Reading
from transforms.dedup.cluster_size import with_cluster_sizes
from transforms.documents import same_memory

if TYPE_CHECKING:
    from transforms.privacy.opt_out import OptOutList

Observer = Callable[[str, pa.RecordBatch, pa.RecordBatch], None]
"""Function that sees what steps do: called as ``observer(step, before, after)`` after every step.

It sees a batch first as it was read, as ``observer("read", batch, batch)``; rows that a step
dropped are in its ``after``, and in no later batch.
"""


NEVER_EMPTY = (".gz", ".bz2", ".zst", ".7z", ".zip", ".tgz")
"""Suffixes of formats whose files have some bytes even where they hold nothing."""

MAX_MESSAGE_CHARS = 300
"""Longest message kept of a step's exception, in characters."""


class StepError(ValueError):
    """A step or a reader raised an exception: which, where, and what it said, in one line."""


_TOLD_BY_THEMSELVES = (OSError, MemoryError, ChangedError, RunError, StorageError, RecipeError)
"""Exceptions of a machine, which say what is the matter, and those that are told in a line."""


SEALS = "seals"
"""Key of the JSON that workers get, beside the recipe's: what its models and lists must be."""

CODE = "code"
"""Key of the JSON that workers get, beside the recipe's: the digest of the command's code."""


@functools.cache
def cached_recipe(recipe_json: str) -> Recipe:
    """Build the recipe once a process from the JSON text of its mapping, and take the seals in it.

    The mapping's models and lists are those of the seals, or no file of theirs is opened. Raises
    ChangedError where this process has other code than the command, from which it was started later
    or on another machine.
    """
    mapping = json.loads(recipe_json)
    seals = mapping.pop(SEALS, {})
    expect({path: Seal(*seal) for path, seal in seals.items()})
    code = mapping.pop(CODE, None)
    recipe = recipe_from_mapping(mapping)
    if code not in (None, code_digest(all_code(recipe))):
        raise ChangedError(
            f"the code on {socket.gethostname()}, of llama-corpus or of a step of your own, is not "
            "what the run began with; given again, the command names what has changed"
        )
    return recipe


def read_split(
    split: Split, source: Source, reading: Reading, output: str
) -> Iterator[pa.RecordBatch]:
    """Read the documents of a split in batches, or its records where they are yet to be joined.

    Raises StepError, with source and file, where the reader raises, and ChangedError where the
    input is not as it was planned.
    """
    if source.reader.join is not None and split.holds == "documents":
        yield from read_documents(storage.join(output, split.path))
        return
    n_rows = 0
    with opened(split) as stream:
        read = _read(stream, split, source, reading)
        while (batch := _next_batch(read, split)) is not None:
            n_rows += batch.num_rows
            yield batch
    if not n_rows and not split.n_bytes and split.path.endswith(NEVER_EMPTY):
        yield from batches([_empty_file(split.name)], batch_bytes=reading.batch_bytes)


def _read(
    stream: BinaryIO, split: Split, source: Source, reading: Reading
) -> Iterator[pa.RecordBatch]:
    yield from source.reader.read(
        stream,
        split.name,
        start=split.start,
        end=split.end,
        batch_bytes=reading.batch_bytes,
        max_record_bytes=reading.max_record_bytes,
        **source.reader_parameters,
    )


def _next_batch(read: Iterator[pa.RecordBatch], split: Split) -> pa.RecordBatch | None:
    """Return a reader's next batch, None behind the last. Raises StepError where it raises."""
    try:
        return next(read, None)
    except _TOLD_BY_THEMSELVES:
        raise
    except Exception as error:
        raise StepError(
            f"the reader of source {split.source}, file {split.path}: {_message(error)}"
        ) from error


def _message(error: Exception) -> str:
    """Return an exception's name and what it says, in one line of bounded length."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_MESSAGE_CHARS]


def _empty_file(name: str) -> Row:
    """Return the row of a file of no bytes whose format has a header, so that it is cut off."""
    fault = {"error": "the file has no bytes, not even its format's header", "offset": 0}
    return Row(f"{name}#0!damage0", b"", None, metadata_json(fault), "damaged")


def characters(batch: pa.RecordBatch) -> pa.Array:
    """Count the characters of every text."""
    return pc.cast(pc.utf8_length(batch["text"]), pa.int64())


def _set_aside_dropped(
    before: pa.Array, batch: pa.RecordBatch, step: str, tally: Tally, *, same_text: bool
) -> tuple[pa.RecordBatch, pa.Array]:
    """Count what a step dropped and changed; return the living documents and their lengths.

    ``before`` is the number of characters of each text ahead of the step, and still holds with
    ``same_text``.
    """
    alive = pc.is_null(batch["dropped_by"])
    n_alive = alive.true_count
    if n_alive < batch.num_rows:
        dropped = pc.invert(alive)
        tally.add_dropped(step, batch["dropped_by"].filter(dropped), before.filter(dropped))
        batch, before = batch.filter(alive), before.filter(alive)
    if same_text:
        return batch, before
    after = characters(batch)
    changed = _total(before) - _total(after)
    if changed:
        tally.add(step, "changed", None, 0, changed)
    return batch, after


def is_view_of(after: pa.RecordBatch, before: pa.RecordBatch) -> bool:
    """Tell whether the texts are the same memory, so that nothing can have changed."""
    return same_memory(after["text"], before["text"])


def _total(counts: pa.Array) -> int:
    return int(pc.sum(counts).as_py() or 0)


class UnitCursor:
    """Place in the decisions of one deduplication, which moves on with the documents read."""

    def __init__(
        self, output: str, split: Split, position: int, *, with_sizes: bool = False
    ) -> None:
        place = split.source, position, split.split
        self.kept = read_decisions(output, decision_name(*place))
        self.sizes = read_sizes(output, sizes_name(*place), len(self.kept)) if with_sizes else None
        self.at = 0

    def take(self, split: Split, n: int) -> npt.NDArray[np.bool_]:
        """Return what is kept of the next ``n`` units; raises ChangedError beyond the last."""
        if self.at + n > len(self.kept):
            raise ChangedError(f"the input {split.path} has changed since the first pass; {ADVICE}")
        self.at += n
        return self.kept[self.at - n : self.at]


def process_split(
    split: Split,
    recipe: Recipe,
    output: str,
    tally: Tally,
    *,
    until: int | None = None,
    observer: Observer | None = None,
    left_out: OptOutList | None = None,
    keeps: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Yield the living documents of a split after the first ``until`` steps, or after all.

    Deduplications among those steps apply the decisions that lie in ``output``; after all steps
    comes the run's opt-out list, ``left_out`` where the caller has read it. Everything that is
    read, dropped or changed is counted in ``tally``. Where an earlier pass has kept the documents
    they are not read from the input; with ``keeps`` this one keeps them. Raises StepError where a
    step raises, and ChangedError where the input is not as planned, a model or list is not the one
    that the run began with, or the decisions do not fit the documents.
    """
    source = recipe.source(split.source)
    steps = source.steps[:until]
    if until is None:
        # Imported here, with numba, for the look at a few documents that does without.
        from pipeline.output.opt_out import list_of_run
        from transforms.privacy.opt_out import opt_out, parse_opt_out

        if left_out is None:
            left_out = parse_opt_out(list_of_run(output))
    cursors = {
        i: UnitCursor(output, split, i, with_sizes=step.deduplication.records_sizes)
        for i, step in enumerate(steps)
        if step.is_deduplication
    }
    files = [file for step in steps for file in step.files()]
    check_trusted(files)
    tally.add("read", "in", None, 0, 0)
    with closing(_documents(split, recipe, output, steps, keeps=keeps)) as documents:
        for batch, advance in documents:
            before = characters(batch)
            tally.add("read", "in", None, batch.num_rows, _total(before))
            alive, before = _set_aside_dropped(before, batch, "read", tally, same_text=True)
            if observer:
                observer("read", batch, batch)
            batch = alive
            for position, step in enumerate(steps):
                if not batch.num_rows:
                    break
                if step.is_deduplication:
                    after = _apply_decisions(batch, step, cursors[position], split)
                else:
                    after = advance(position, batch)
                alive, before = _set_aside_dropped(
                    before, after, step.name, tally, same_text=is_view_of(after, batch)
                )
                if observer:
                    observer(step.name, batch, after)
                batch = alive
            if until is None and left_out and batch.num_rows:
                after = opt_out(batch, left_out)
                alive, _ = _set_aside_dropped(before, after, OPT_OUT_STEP, tally, same_text=True)
                if observer:
                    observer(OPT_OUT_STEP, batch, after)
                batch = alive
            if batch.num_rows:
                yield batch
    check_trusted(files)
    for cursor in cursors.values():
        if cursor.at != len(cursor.kept):
            cursor.take(split, len(cursor.kept) + 1)


def documents_ahead(
    split: Split, recipe: Recipe, output: str, step: int
) -> Iterator[pa.RecordBatch]:
    """Yield the documents of a split as the deduplication at a position finds them.

    It is for passes that others follow: documents of a dear source are kept for these.
    """
    keeps = is_kept(recipe.source(split.source), recipe.reading, is_last=False)
    return process_split(split, recipe, output, Tally(), until=step, keeps=keeps)


def _documents(
    split: Split, recipe: Recipe, output: str, steps: Sequence[Step], *, keeps: bool
) -> Documents:
    """Yield batches as they were read, from where they are kept or else from the input."""
    source = recipe.source(split.source)

    def apply(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
        return applied(step, batch, split)

    if are_kept(output, split):
        yield from recall(output, split, steps, apply)
        return
    batches = read_split(split, source, recipe.reading, output)
    if keeps:
        n_kept_steps = min([*source.shuffle_positions, len(steps)])
        yield from keep(batches, output, split, steps, n_kept_steps, apply)
        return
    for batch in batches:
        yield batch, lambda position, before: apply(steps[position], before)


def applied(step: Step, batch: pa.RecordBatch, split: Split) -> pa.RecordBatch:
    """Run a step on a batch. Raises StepError, with the record where one alone is to blame."""
    try:
        after = step.target(batch, **step.local_parameters)
        _check_step(batch, after, step)
    except Exception as error:
        ids = _blamed(step, batch, error)["id"]
        place = ids[0].as_py() if len(ids) == 1 else f"{ids[0].as_py()} to {ids[-1].as_py()}"
        raise StepError(
            f"the step {step.name} of source {split.source}, file {split.path}, record {place}: "
            f"{_message(error)}"
        ) from error
    return after


def _blamed(step: Step, batch: pa.RecordBatch, error: Exception) -> pa.RecordBatch:
    """Return the part of a batch, found by halving it, that makes a step raise such an error."""

    def raises(part: pa.RecordBatch) -> bool:
        try:
            step.target(part, **step.local_parameters)
        except Exception as raised:
            return type(raised) is type(error)
        return False

    if isinstance(error, (OSError, MemoryError)):  # which are not of a record
        return batch
    while batch.num_rows > 1:
        middle = batch.num_rows // 2
        halves = batch.slice(0, middle), batch.slice(middle)
        half = next(filter(raises, halves), None)
        if half is None:
            break
        batch = half
    return batch


def splits_of(
    output: str, source: str, identifiers: Collection[str], *, shard: int | None = None
) -> Iterator[Split]:
    """Yield the splits that documents of a source may come from, of one shard where it is given.

    Raises ValueError where an input file is not there any more.
    """
    files = {identifier.rpartition("#")[0] for identifier in identifiers}
    for split in read_plan(output):
        if split.holds != "documents" or shard not in (None, split.shard):
            continue
        if split.name not in files and not split.path.startswith(f"{joined_folder(source)}/"):
            continue
        joined = storage.join(output, split.path)
        places = split.path, joined, storage.join(output, kept_name(split))
        if not any(map(storage.exists, places)):
            raise ValueError(f"{split.path}: the input file is not there any more")
        yield split


def check_all_found(missing: Collection[str]) -> None:
    """Raise ValueError where documents are in no split that they may come from."""
    for identifier in sorted(missing):
        file = identifier.rpartition("#")[0]
        raise ValueError(f"{identifier}: the file {file} has no such record")


def _apply_decisions(
    batch: pa.RecordBatch, step: Step, cursor: UnitCursor, split: Split
) -> pa.RecordBatch:
    units = step.deduplication.count(batch)
    at = cursor.at
    after = step.deduplication.apply(batch, units, cursor.take(split, int(units[-1])))
    if cursor.sizes is None:
        return after
    return with_cluster_sizes(after, cursor.sizes[at : cursor.at])


def _check_step(before: pa.RecordBatch, after: Any, step: Step) -> None:
    """Raise ValueError where a user's own step broke the contract of a step."""
    if not isinstance(after, pa.RecordBatch) or not after["id"].equals(before["id"]):
        raise ValueError(
            f"the step {step.name} must return its batch with the same rows in the same order; "
            "mark rows to drop with transforms.documents.drop"
        )
