"""What dropped documents fell to, as their deduplication has noted it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from pipeline.files import storage
from pipeline.output.decisions import (
    decision_name,
    read_decisions,
    read_survivor,
    survivors_name,
)
from pipeline.output.layout import RUN_NAME, Split, read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.process import process_split
from pipeline.recipe.across import Place, places_of
from pipeline.recipe.recipe import recipe_of_source
from transforms.dedup.deduplication import unranked


class Document(NamedTuple):
    """A document as the deduplication of a place finds it."""

    place: Place
    split: int
    number: int  # among the documents of the split that come to the step


def survivors_of(output: str, document: Document) -> list[dict[str, str]]:
    """Return source and id of what a document fell to, and of what stays in the end.

    It is one document where that stays itself, or fell to an earlier run, and none where nothing is
    noted. Their splits are read again; those that cannot be read name nothing.
    """
    mapping = storage.read_json(storage.join(output, RUN_NAME))["recipe"]
    fallen = list(_chain(output, mapping, document))
    if fallen and not _stays(output, fallen[-1]):
        fallen = fallen[:1]
    ends = [fallen[0], fallen[-1]][: len(fallen)] if fallen else []
    named = []
    for one in ends:
        with suppress(ValueError, OSError):  # its input is gone, or has changed
            identifier = identifier_of(output, mapping, one)
            named.append({"source": one.place.source, "id": identifier})
    return named


def _stays(output: str, document: Document) -> bool:
    name = decision_name(*document.place, document.split)
    return bool(read_decisions(output, name)[document.number])


def _chain(output: str, mapping: Mapping[str, Any], document: Document) -> Iterator[Document]:
    """Yield what a document fell to, what that fell to, and so on."""
    places = places_of(mapping, document.place)
    while True:
        name = survivors_name(*document.place, document.split)
        reference = read_survivor(output, name, document.number)
        if reference is None:
            return
        rank, split = unranked(reference >> 32)
        document = Document(places[rank], split, reference & 0xFFFFFFFF)
        yield document


def identifier_of(output: str, mapping: Mapping[str, Any], document: Document) -> str:
    """Read a document's split again, and return its id. Raises ValueError where it is not there."""
    source, step = document.place
    split = next(s for s in read_plan(output) if _is_of(s, document))
    recipe = recipe_of_source(mapping, source)
    n_before = 0
    for batch in process_split(split, recipe, output, Tally(), until=step):
        if document.number < n_before + batch.num_rows:
            return str(batch["id"][document.number - n_before].as_py())
        n_before += batch.num_rows
    raise ValueError(f"{split.path}: the input has changed, it has fewer documents than before")


def _is_of(split: Split, document: Document) -> bool:
    return (split.source, split.split, split.holds) == (
        document.place.source,
        document.split,
        "documents",
    )
