"""What documents and lines fell to in earlier runs: the indexes are asked again.

What an index decides depends on it and on the document alone, so no run notes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.files import storage
from pipeline.inspection.survivors import Document, identifier_of
from pipeline.output.key_indexes import seen_before
from pipeline.output.layout import INDEXES_FOLDER, RUN_NAME
from pipeline.recipe.across import Place, places_of
from pipeline.recipe.recipe import Step
from transforms.dedup.deduplication import RemovedLine, unranked
from transforms.dedup.indexed import IndexedDeduplication, read_card


def fell_to_earlier(step: Step, document: pa.RecordBatch) -> dict[str, str] | None:
    """Name the first index that has what a document fell to; None where it fell to none.

    The card is the value of ``index``. ``source`` and ``id`` are of the other document, where the
    index keeps which it is and its run can be read again.
    """
    deduplication = step.deduplication
    if deduplication.finds_near_duplicates:
        return _near(step, document)
    for card, copy in _cards(step):
        keys = deduplication.units(document).keys  # type: ignore[attr-defined]
        if seen_before([card], [copy], keys).any():
            return {"index": card}
    return None


def name_indexes(
    step: Step, document: pa.RecordBatch, lines: list[RemovedLine]
) -> list[dict[str, Any]]:
    """Describe the lines that a step removed from a document.

    Where indexes of earlier runs have what one fell to, the first of them is named.
    """
    described = [{"line": one.line, "text": one.text, "reason": one.reason} for one in lines]
    cards = list(_cards(step))
    if not lines or not cards:
        return described
    of_units = step.deduplication.units(document).keys  # type: ignore[attr-defined]
    keys = np.unique(of_units)
    for card, copy in reversed(cards):
        there = set(keys[seen_before([card], [copy], keys)].tolist())
        for line, told in zip(lines, described, strict=True):
            if int(of_units[line.unit]) in there:
                told["index"] = card
    return described


def _cards(step: Step) -> Iterator[tuple[str, str]]:
    """Yield the cards that a step compares with, each with its copy on this machine."""
    deduplication = step.deduplication
    if isinstance(deduplication, IndexedDeduplication) and deduplication.against:
        yield from zip(step.parameters["against"], deduplication.against, strict=True)


def _near(step: Step, document: pa.RecordBatch) -> dict[str, str] | None:
    from pipeline.output.near_indexes import Card, are_near_older, documents_with
    from transforms.dedup.near import DeduplicateNear
    from transforms.dedup.sketch_files import Minima

    deduplication = step.deduplication
    assert isinstance(deduplication, DeduplicateNear)
    sketch = deduplication.sketch(document)
    own = Minima(sketch.minima, sketch.shingles.astype(np.uint32))
    for one in _cards(step):
        card = Card(*one)
        keys = np.unique(sketch.band_keys)
        older = np.unique(documents_with(card, keys, deduplication.max_neighbours)[1])
        near = are_near_older(deduplication, card, own, np.zeros(len(older), np.int64), older)
        if near.any():
            return {"index": card.path, **_named(card.path, card.copy, int(older[near][0]))}
    return None


def _named(card_path: str, copy: str, reference: int) -> dict[str, str]:
    """Return source and id of a document of an index; nothing where its run is not there."""
    from pipeline.output.near_indexes import minima_name

    of_file = read_card(copy)["files"][minima_name(reference >> 32)]
    path, number = of_file.get("from", [card_path, reference >> 32])
    run, found, place = path.rpartition(f"/{INDEXES_FOLDER}/")
    if not found or not storage.exists(storage.join(run, RUN_NAME)):
        return {}
    source, step, _ = place.split("/")
    first = Place(source, int(step.removeprefix("step")))
    mapping = storage.read_json(storage.join(run, RUN_NAME))["recipe"]
    rank, split = unranked(number)
    other = places_of(mapping, first)[rank]
    document = Document(other, split, reference & 0xFFFFFFFF)
    try:
        return {"source": other.source, "id": identifier_of(run, mapping, document)}
    except (ValueError, OSError):  # its input is gone, or has changed
        return {}
