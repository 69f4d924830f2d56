"""Texts of dropped documents as the steps that dropped them saw them, read from the input again.

As little is done as that takes, so that a look at some documents loads no model. A deduplication
that takes parts out of documents numbers them through all documents of a split, so all of these go
through the steps ahead of it. After it, steps are run for the documents that are asked for alone,
and no steps but those that change texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import storage
from pipeline.files.trusted import expect, seals_of
from pipeline.output.layout import OPT_OUT_STEP, RUN_NAME, Split
from pipeline.output.ledger import Tally
from pipeline.passes.process import (
    UnitCursor,
    check_all_found,
    process_split,
    splits_of,
)
from pipeline.recipe.across import step_name, steps_of
from pipeline.recipe.recipe import Recipe, Step, recipe_of_source
from transforms.documents import with_column
from transforms.registry import DEDUPLICATIONS, LEAVES_TEXTS


class _Needed(NamedTuple):
    """Steps of a source that are run to come to the texts."""

    recipe: Recipe  # the source alone, and of its steps these
    n_whole: int  # steps that all documents go through
    later: list[tuple[int, Step]]  # steps for what is asked for alone, with their positions


def texts_when_dropped(
    output: str, source: str, shard: int, step_of: Mapping[str, str]
) -> dict[str, str]:
    """Return the texts of a shard's dropped documents by their ids.

    ``step_of`` has, for every id, the step that dropped it. Each split is read once at most. Raises
    ValueError where an input file is not there any more, or has no such document.
    """
    described = storage.read_json(storage.join(output, RUN_NAME))
    expect(seals_of(described))
    mapping = described["recipe"]
    names = [name for name, _ in steps_of(mapping, source)]
    needed = _needed(mapping, source, names, set(step_of.values()))
    places = {name: i for i, name in enumerate(["read", *names, OPT_OUT_STEP], -1)}
    place_of = {identifier: places[step] for identifier, step in step_of.items()}
    texts: dict[str, str] = {}
    for split in splits_of(output, source, step_of, shard=shard):
        for of_split in _texts_of_split(split, output, needed, place_of):
            texts.update(of_split)
            if len(texts) == len(step_of):
                return texts
    check_all_found(step_of.keys() - texts.keys())
    return texts


def _needed(
    mapping: Mapping[str, Any], source: str, names: Sequence[str], droppers: set[str]
) -> _Needed:
    """Choose the steps that are run to come to those that dropped documents.

    What a step of the user's own does to texts, and whether it looks at other documents, is not
    known: all documents go through it. So they do where a name stands twice, for the record of a
    dropped document does not say which of the two it was.
    """
    until = max((i for i, name in enumerate(names) if name in droppers), default=0)
    if OPT_OUT_STEP in droppers:
        until = len(names)
    n_whole = 0
    steps = [step for _, step in steps_of(mapping, source)]
    kinds = list(map(step_name, steps))
    for i, name in enumerate(kinds[:until]):
        if name in DEDUPLICATIONS and name not in LEAVES_TEXTS:
            n_whole = i
        elif "." in name:
            n_whole = i + 1
    if len(set(names)) < len(names):
        n_whole = until
    positions = [i for i in range(n_whole, until) if kinds[i] not in LEAVES_TEXTS]
    recipe = recipe_of_source(mapping, source, [*steps[:n_whole], *(steps[i] for i in positions)])
    later = zip(positions, recipe.source(source).steps[n_whole:], strict=True)
    return _Needed(recipe, n_whole, list(later))


def _texts_of_split(
    split: Split, output: str, needed: _Needed, place_of: Mapping[str, int]
) -> Iterator[dict[str, str]]:
    """Yield the texts that are known after every batch of a split, by their documents' ids."""
    wanted = pa.array(sorted(place_of), pa.string())
    texts: dict[str, str] = {}

    def watch(step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        dropped = pc.is_valid(after["dropped_by"])
        _note(texts, before.filter(pc.and_(dropped, pc.is_in(before["id"], wanted))))

    cutting = next((step for _, step in needed.later if step.is_deduplication), None)
    cursor = UnitCursor(output, split, needed.n_whole) if cutting else None
    for batch in process_split(
        split, needed.recipe, output, Tally(), until=needed.n_whole, observer=watch
    ):
        is_wanted = pc.is_in(batch["id"], wanted)
        few = batch.filter(is_wanted)
        kept: dict[str, npt.NDArray[np.bool_]] = {}
        if cutting and cursor:
            units = cutting.deduplication.count(batch)
            decided = cursor.take(split, int(units[-1]))
            for row in np.flatnonzero(is_wanted).tolist():
                kept[batch["id"][row].as_py()] = decided[units[row] : units[row + 1]]
        for position, step in needed.later:
            stays = pa.array([place_of[i] > position for i in few["id"].to_pylist()], pa.bool_())
            _note(texts, few.filter(pc.invert(stays)))
            few = few.filter(stays)
            if step is cutting:
                cut = step.deduplication.cut
                pairs = zip(few["id"].to_pylist(), few["text"].to_pylist(), strict=True)
                few = with_column(few, "text", [cut(text, kept[i]) for i, text in pairs])
            elif few.num_rows:
                few = step.target(few, **step.local_parameters)
        _note(texts, few)
        yield texts
    yield texts  # of batches of which no document was left


def _note(texts: dict[str, str], batch: pa.RecordBatch) -> None:
    texts.update(zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True))
