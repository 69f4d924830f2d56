"""Pages of a list of documents, read forwards or backwards, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.inspection.document_rows import DocumentFile, Filter, named_damage, row_groups
from pipeline.output.layout import DROPPED

PAGE_ROWS = 50
"""Documents on a page."""

MAX_SCANNED_ROWS = 1_000_000
"""Rows after which a page ends although it is not full; the next page continues there."""

COLUMNS = ["id", "chars", "url", "language", "language_score", "perplexity", "bucket"]


class Place(NamedTuple):
    """A position in a list: the index of a file and of a row in it."""

    file: int
    row: int

    def __str__(self) -> str:
        return f"{self.file}-{self.row}"


class Page(NamedTuple):
    """Documents on a page, and the positions of the pages before and after it."""

    documents: list[dict[str, Any]]
    before: Place | None  # the previous page ends before this place; None on the first page
    after: Place | None  # the next page begins here; None on the last page
    is_cut_short: bool  # the page is not full, and there are more rows to look at


def parse_place(text: str) -> Place:
    """Parse a place from a link; raises ValueError if it is malformed."""
    file, _, row = text.partition("-")
    if not (file.isdecimal() and row.isdecimal() and len(text) < 40):
        raise ValueError(f"{text!r} is no place in a list")
    return Place(int(file), int(row))


def page_from(files: Sequence[DocumentFile], wanted: Filter, start: Place) -> Page:
    """Return the page of the first matching documents from ``start`` on."""
    matches, reached = _collect(_groups(files, wanted, start))
    more = len(matches) > PAGE_ROWS
    after = matches[PAGE_ROWS][0] if more else reached
    documents = [document for _, document in matches[:PAGE_ROWS]]
    return Page(documents, start if start > (0, 0) else None, after, not more and after is not None)


def page_before(files: Sequence[DocumentFile], wanted: Filter, stop: Place) -> Page:
    """Return the page of the last matching documents before ``stop``."""
    matches, reached = _collect(_groups(files, wanted, stop, backwards=True))
    if len(matches) <= PAGE_ROWS and reached is None:
        return page_from(files, wanted, Place(0, 0))  # a first page is always full
    more = len(matches) > PAGE_ROWS
    shown = matches[:PAGE_ROWS][::-1]
    before = shown[0][0] if more else reached
    return Page([document for _, document in shown], before, stop, not more)


_Placed = tuple[Place, dict[str, Any]]
_Group = tuple[int, Place, list[_Placed]]
"""A row group: its number of rows, a place to continue from, and its matching documents."""


def _collect(
    groups: Iterator[_Group],
) -> tuple[list[_Placed], Place | None]:
    """Collect documents up to one more than a page; also returns where the row limit stopped it."""
    matches: list[_Placed] = []
    scanned = 0
    for n_rows, place, documents in groups:
        if scanned >= MAX_SCANNED_ROWS:
            return matches, place
        matches += documents[: PAGE_ROWS + 1 - len(matches)]
        scanned += n_rows
        if len(matches) > PAGE_ROWS:
            break
    return matches, None


def _groups(
    files: Sequence[DocumentFile], wanted: Filter, bound: Place, *, backwards: bool = False
) -> Iterator[_Group]:
    """Yield row groups from ``bound`` on, or from there back to the first.

    The matching documents of each are in that order too.
    """
    to_last, to_first = (
        range(bound.file, len(files)),
        range(min(bound.file, len(files) - 1), -1, -1),
    )
    for number in to_first if backwards else to_last:
        file, at_bound = files[number], number == bound.file
        begin = bound.row if at_bound and not backwards else 0
        end = bound.row if at_bound and backwards else file.documents
        for first, rows in row_groups(
            file, _columns(file), start=begin, stop=end, backwards=backwards
        ):
            last = first + rows.num_rows
            matching = np.flatnonzero(wanted.matches(rows)) + first
            matching = matching[(matching >= begin) & (matching < end)]
            matching = (matching[::-1] if backwards else matching)[: PAGE_ROWS + 1]
            place = Place(number, min(last, end) if backwards else max(first, begin))
            documents = _documents(files, number, first, rows, matching.tolist())
            yield rows.num_rows, place, documents


def _columns(file: DocumentFile) -> list[str]:
    counted = [] if file.holds_text else ["token_count"]
    return [*COLUMNS, *(["step", "reason"] if file.part == DROPPED else counted)]


def _documents(
    files: Sequence[DocumentFile], number: int, first: int, rows: Any, matching: list[int]
) -> list[_Placed]:
    with named_damage(files[number].path):
        return [
            (
                Place(number, row),
                {**rows.slice(row - first, 1).to_pylist()[0], "shard": files[number].name,
                 "part": files[number].part, "number": row},
            )
            for row in matching
        ]  # fmt: skip
