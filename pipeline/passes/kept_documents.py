"""Documents that a pass has read, kept in a file a split for the passes that follow.

The file has every batch as it was read, and what each step ahead of the first deduplication made of
it: of a step's batch the columns alone that are not its input's. A later pass is handed the very
batches that the first one saw, so it counts, drops and observes the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import Split, kept_name
from pipeline.passes.shards.step_times import StepTimes
from pipeline.recipe.recipe import Source, Step
from pipeline.recipe.sections import Reading
from transforms.documents import SCHEMA, same_memory

Apply = Callable[[Step, pa.RecordBatch], pa.RecordBatch]
"""Function that runs a step on a batch."""

Advance = Callable[[int, pa.RecordBatch], pa.RecordBatch]
"""Function that returns what the step at a position makes of a batch."""

Documents = Generator[tuple[pa.RecordBatch, Advance]]
"""Batches as they were read, each with the function that takes it through the steps."""

_SCHEMA = pa.schema([field.with_nullable(True) for field in SCHEMA])
_READ = -1  # where a step's position stands: the batch is as it was read
_INDEX = "llama-corpus"  # key of the last batch's metadata; that batch has no rows


class _Index(NamedTuple):
    """What the batches of a file are."""

    steps: list[Any]  # name and parameters of each step whose batches are there
    batches: list[tuple[int, list[str]]]  # of each: the step's position, the columns that are there
    times: list[dict[str, Any]]  # of reader and steps, as they were measured


def is_kept(source: Source, reading: Reading, *, is_last: bool) -> bool:
    """Tell whether a pass keeps what it reads of a source; ``is_last``: no later pass reads it.

    Joined documents are never kept: they lie in files already.
    """
    if source.reader.join is not None or reading.keep_documents == "never":
        return False
    return reading.keep_documents == "always" or (source.reader.is_dear and not is_last)


def stay_kept(reading: Reading) -> bool:
    """Tell whether kept documents stay when the run is whole."""
    return reading.keep_documents == "always"


def are_kept(output: str, split: Split) -> bool:
    """Tell whether the documents of a split lie in their file."""
    return storage.exists(storage.join(output, kept_name(split)))


def times_when_kept(output: str, split: Split) -> list[dict[str, Any]]:
    """Return the times that reader and steps took to make the file; none where there is none."""
    if not are_kept(output, split):
        return []
    with _opened(output, split) as (_, index):
        return index.times


def keep(
    batches: Iterator[pa.RecordBatch],
    output: str,
    split: Split,
    steps: Sequence[Step],
    n_kept_steps: int,
    apply: Apply,
) -> Documents:
    """Yield batches that a reader makes; the file is there when the last of them is done with.

    It has what the first ``n_kept_steps`` of the ``steps`` make of them.
    """
    times = StepTimes()
    entries: list[tuple[int, list[str]]] = []
    with whole_files.write_whole(output, kept_name(split)) as file:
        options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
        writer = pa.ipc.new_file(pa.PythonFile(file, mode="w"), _SCHEMA, options=options)

        def write(position: int, batch: pa.RecordBatch, before: pa.RecordBatch | None) -> None:
            new = [
                name
                for name in SCHEMA.names
                if before is None or not same_memory(batch[name], before[name])
            ]
            writer.write_batch(_with_columns(batch, new))
            entries.append((position, new))

        def advance(position: int, before: pa.RecordBatch) -> pa.RecordBatch:
            if position >= n_kept_steps:
                return apply(steps[position], before)
            times.restart()
            after = apply(steps[position], before)
            times.lap(steps[position].name)
            write(position, after, before)
            return after

        times.restart()
        for batch in batches:
            times.lap("read")
            write(_READ, batch, None)
            yield batch, advance
            times.restart()
        times.lap("read")
        index = _Index(_signatures(steps[:n_kept_steps]), entries, times.rows())
        nothing = pa.RecordBatch.from_pylist([], _SCHEMA)
        writer.write_batch(nothing, custom_metadata={_INDEX: json.dumps(index._asdict())})
        writer.close()


def recall(output: str, split: Split, steps: Sequence[Step], apply: Apply) -> Documents:
    """Yield the batches that are kept of a split.

    Steps that the file does not have, or has with other parameters, are run, and so are those
    behind them. Raises ValueError where the file is damaged.
    """
    with _opened(output, split) as (reader, index):
        n_known = 0
        for mine, kept in zip(_signatures(steps), index.steps, strict=False):
            if mine != kept:
                break
            n_known += 1
        passages: list[dict[int, tuple[int, list[str]]]] = []
        for number, (position, names) in enumerate(index.batches):
            if position == _READ:
                passages.append({})
            passages[-1][position] = number, names
        fetch = partial(_fetch, reader, kept_name(split))

        def advance(
            passage: dict[int, tuple[int, list[str]]], position: int, before: pa.RecordBatch
        ) -> pa.RecordBatch:
            if position >= n_known:
                return apply(steps[position], before)
            return fetch(*passage[position], before)

        for passage in passages:
            yield fetch(*passage[_READ], None), partial(advance, passage)


def _fetch(
    reader: Any, name: str, number: int, names: list[str], before: pa.RecordBatch | None
) -> pa.RecordBatch:
    """Return a batch of a file; columns that it does not have are those of ``before``."""
    with _damage_told(name):
        batch = reader.get_batch(number)
    columns = [batch[n] if before is None or n in names else before[n] for n in SCHEMA.names]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _with_columns(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return the batch as it is written, with nulls in place of the columns that are not named."""
    columns = [
        batch[field.name].cast(field.type)
        if field.name in names
        else pa.nulls(batch.num_rows, field.type)
        for field in _SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _signatures(steps: Sequence[Step]) -> list[Any]:
    """Return what tells steps apart, as JSON gives it back."""
    made: list[Any] = json.loads(json.dumps([[step.name, step.parameters] for step in steps]))
    return made


@contextmanager
def _opened(output: str, split: Split) -> Iterator[tuple[Any, _Index]]:
    """Open the file of a split, and read what its batches are."""
    name = kept_name(split)
    with storage.open_read(storage.join(output, name)) as file:
        with _damage_told(name):
            options = pa.ipc.IpcReadOptions(use_threads=False)
            reader = pa.ipc.open_file(file, options=options)
            last = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1)
            index = _Index(**json.loads(last.custom_metadata[_INDEX]))
        yield reader, index


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Raise ValueError with the name of the file where it is damaged."""
    try:
        yield
    except (pa.ArrowException, ValueError, KeyError, TypeError, IndexError) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{name}: damaged documents: {said}; remove the file") from None
    except OSError as error:
        if error.errno is not None:  # else it is Arrow's: the bytes cannot be unpacked
            raise
        raise ValueError(f"{name}: damaged documents: {error}; remove the file") from None
