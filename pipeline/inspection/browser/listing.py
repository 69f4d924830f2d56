"""Pages of a list of documents, forwards and backwards, a row group of a file at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.inspection.document_rows import DocumentFile, Filter, named_damage, row_groups
from pipeline.output.layout import DROPPED

PAGE_ROWS = 50
MAX_SCANNED_ROWS = 1_000_000
"""A page that is not full after so many rows ends there, and the next one goes on."""

COLUMNS = ["id", "chars", "url", "language", "language_score", "perplexity", "bucket"]


class Place(NamedTuple):
    """A row of one of the files of a list."""

    file: int
    row: int

    def __str__(self) -> str:
        return f"{self.file}-{self.row}"


class Page(NamedTuple):
    """Some documents of a list, and where to go on."""

    documents: list[dict[str, Any]]
    before: Place | None  # the page that ends ahead of this place is the previous one
    after: Place | None  # the next page begins here
    is_cut_short: bool  # rows went by that did not match, and there are more


def parse_place(text: str) -> Place:
    """Read a place as it stands in a link; raises ValueError where it is none."""
    file, _, row = text.partition("-")
    if not (file.isdecimal() and row.isdecimal() and len(text) < 40):
        raise ValueError(f"{text!r} is no place in a list")
    return Place(int(file), int(row))


def page_from(files: Sequence[DocumentFile], wanted: Filter, start: Place) -> Page:
    """Return the first documents that match from a place on."""
    found, reached = _collect(_forwards(files, wanted, start))
    more = len(found) > PAGE_ROWS
    after = found[PAGE_ROWS][0] if more else reached
    documents = [document for _, document in found[:PAGE_ROWS]]
    return Page(documents, start if start > (0, 0) else None, after, not more and after is not None)


def page_before(files: Sequence[DocumentFile], wanted: Filter, stop: Place) -> Page:
    """Return the last documents that match ahead of a place."""
    found, reached = _collect(_backwards(files, wanted, stop))
    if len(found) <= PAGE_ROWS and reached is None:
        return page_from(files, wanted, Place(0, 0))  # a first page is always full
    more = len(found) > PAGE_ROWS
    shown = found[:PAGE_ROWS][::-1]
    before = shown[0][0] if more else reached
    return Page([document for _, document in shown], before, stop, not more)


_Found = tuple[Place, dict[str, Any]]
_Group = tuple[int, Place, list[_Found]]
"""Rows of a row group, the place to go on from there, and what matches in it."""


def _collect(
    groups: Iterator[_Group],
) -> tuple[list[_Found], Place | None]:
    """Take documents until there is one more than a page; says where it stopped for the time."""
    found: list[_Found] = []
    scanned = 0
    for n_rows, place, documents in groups:
        if scanned >= MAX_SCANNED_ROWS:
            return found, place
        found += documents[: PAGE_ROWS + 1 - len(found)]
        scanned += n_rows
        if len(found) > PAGE_ROWS:
            break
    return found, None


def _forwards(files: Sequence[DocumentFile], wanted: Filter, start: Place) -> Iterator[_Group]:
    """Yield, for every row group, its size, where it begins, and what matches in it."""
    for number in range(start.file, len(files)):
        begin = start.row if number == start.file else 0
        for first, rows in row_groups(files[number], _columns(files[number]), start=begin):
            matching = np.flatnonzero(wanted.matches(rows)) + first
            matching = matching[matching >= begin][: PAGE_ROWS + 1]
            yield (
                rows.num_rows,
                Place(number, max(first, begin)),
                _documents(files, number, first, rows, matching.tolist()),
            )


def _backwards(files: Sequence[DocumentFile], wanted: Filter, stop: Place) -> Iterator[_Group]:
    """Yield row groups from the last to the first, what matches in them likewise."""
    for number in range(min(stop.file, len(files) - 1), -1, -1):
        end = stop.row if number == stop.file else files[number].documents
        groups = row_groups(files[number], _columns(files[number]), stop=end, backwards=True)
        for first, rows in groups:
            matching = np.flatnonzero(wanted.matches(rows)) + first
            matching = matching[matching < end][::-1][: PAGE_ROWS + 1]
            yield (
                rows.num_rows,
                Place(number, min(first + rows.num_rows, end)),
                _documents(files, number, first, rows, matching.tolist()),
            )


def _columns(file: DocumentFile) -> list[str]:
    return [*COLUMNS, *(["step", "reason"] if file.part == DROPPED else ["token_count"])]


def _documents(
    files: Sequence[DocumentFile], number: int, first: int, rows: Any, matching: list[int]
) -> list[_Found]:
    with named_damage(files[number].path):
        return [
            (
                Place(number, row),
                {**rows.slice(row - first, 1).to_pylist()[0], "shard": files[number].name,
                 "part": files[number].part, "number": row},
            )
            for row in matching
        ]  # fmt: skip
