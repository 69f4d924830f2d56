"""Pages of a list of documents, read forwards or backwards, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.inspection.document_rows import (
    DocumentFile,
    Filter,
    float_values,
    named_damage,
    row_groups,
)
from pipeline.inspection.search import Hit
from pipeline.output.layout import DROPPED

PAGE_ROWS = 50
"""Documents on a page."""

MAX_SCANNED_ROWS = 1_000_000
"""Rows after which a page ends although it is not full; the next page continues there."""

MAX_SEARCHED_CHARS = 40_000_000
"""Characters of texts after which a page of a search ends although it is not full."""

SEARCHED_CHARS = 4_000_000
"""Characters of texts that are searched at a time. A longer document is searched whole."""

COLUMNS = ["id", "chars", "url", "language", "language_score", "perplexity", "bucket"]


class Search(Protocol):
    """What finds the documents whose text is wanted."""

    def hits(self, file: DocumentFile, numbers: Sequence[int]) -> dict[int, Hit]:
        """Return what is found in some documents of a file, by their numbers."""


class Place(NamedTuple):
    """A position in a list: the index of a file and of a row in it."""

    file: int
    row: int

    def __str__(self) -> str:
        return f"{self.file}-{self.row}"


BEGIN = Place(0, 0)


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


def page_from(
    files: Sequence[DocumentFile], wanted: Filter, start: Place, search: Search | None = None
) -> Page:
    """Return the page of the first matching documents from ``start`` on."""
    matches, reached = _collect(_groups(files, wanted, start, search), PAGE_ROWS + 1)
    more = len(matches) > PAGE_ROWS
    after = matches[PAGE_ROWS][0] if more else reached
    documents = [document for _, document in matches[:PAGE_ROWS]]
    return Page(documents, start if start > BEGIN else None, after, not more and after is not None)


def page_before(
    files: Sequence[DocumentFile], wanted: Filter, stop: Place, search: Search | None = None
) -> Page:
    """Return the page of the last matching documents before ``stop``."""
    groups = _groups(files, wanted, stop, search, backwards=True)
    matches, reached = _collect(groups, PAGE_ROWS + 1)
    if len(matches) <= PAGE_ROWS and reached is None:
        return page_from(files, wanted, BEGIN, search)  # a first page is always full
    more = len(matches) > PAGE_ROWS
    shown = matches[:PAGE_ROWS][::-1]
    before = shown[0][0] if more else reached
    return Page([document for _, document in shown], before, stop, not more)


def next_to(
    files: Sequence[DocumentFile], wanted: Filter, place: Place, search: Search | None,
    *, backwards: bool,
) -> tuple[dict[str, Any] | None, Place | None]:  # fmt: skip
    """Return the first matching document from a place on, or the last one before it.

    Where it is None, the place comes back that a row limit stopped at, or None at an end.
    """
    groups = _groups(files, wanted, place, search, backwards=backwards)
    matches, reached = _collect(groups, 1)
    return (matches[0][1], None) if matches else (None, reached)


_Placed = tuple[Place, dict[str, Any]]


class _Run(NamedTuple):
    """Rows that were looked at one after the other."""

    n_rows: int
    n_chars: int  # of texts that were searched
    place: Place  # to continue from, if these rows are left out
    documents: list[_Placed]  # those that match


def _collect(runs: Iterator[_Run], most: int) -> tuple[list[_Placed], Place | None]:
    """Collect up to ``most`` documents; also returns where a limit stopped it."""
    matches: list[_Placed] = []
    rows = chars = 0
    for run in runs:
        if rows >= MAX_SCANNED_ROWS or chars >= MAX_SEARCHED_CHARS:
            return matches, run.place
        matches += run.documents[: most - len(matches)]
        rows += run.n_rows
        chars += run.n_chars
        if len(matches) >= most:
            break
    return matches, None


def _groups(
    files: Sequence[DocumentFile], wanted: Filter, bound: Place, search: Search | None,
    *, backwards: bool = False,
) -> Iterator[_Run]:  # fmt: skip
    """Yield runs of rows from ``bound`` on, or from there back to the first.

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
            low, high = max(first, begin), min(first + rows.num_rows, end)
            matching = np.flatnonzero(wanted.matches(rows)) + first
            matching = matching[(matching >= low) & (matching < high)]
            runs = [(low, high, 0, matching)]
            if search is not None:
                runs = list(_divided(rows, first, low, high, matching))
            for run_low, run_high, n_chars, chosen in reversed(runs) if backwards else runs:
                if search is not None:
                    found = search.hits(file, chosen.tolist())
                    chosen = np.array([n for n in chosen.tolist() if n in found], np.int64)
                chosen = (chosen[::-1] if backwards else chosen)[: PAGE_ROWS + 1]
                place = Place(number, run_high if backwards else run_low)
                documents = _documents(files, number, first, rows, chosen.tolist())
                yield _Run(run_high - run_low, n_chars, place, documents)


def _divided(
    rows: pa.Table, first: int, low: int, high: int, matching: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int, int, npt.NDArray[np.int64]]]:
    """Divide rows into runs whose matching documents have :data:`SEARCHED_CHARS` or little more.

    Yields the first row of each run, the one past its last, and its characters and documents.
    """
    chars = float_values(rows["chars"])[matching - first].astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(chars)])
    cuts = [0]
    while cuts[-1] < len(matching):
        end = int(np.searchsorted(bounds, bounds[cuts[-1]] + SEARCHED_CHARS, side="right")) - 1
        cuts.append(max(end, cuts[-1] + 1))
    if not len(matching):
        yield low, high, 0, matching
    for a, b in pairwise(cuts):
        run_low = low if a == 0 else int(matching[a])
        run_high = high if b == len(matching) else int(matching[b])
        yield run_low, run_high, int(bounds[b] - bounds[a]), matching[a:b]


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
                placed(files[number], row, rows.slice(row - first, 1).to_pylist()[0]),
            )
            for row in matching
        ]


def placed(file: DocumentFile, number: int, record: dict[str, Any]) -> dict[str, Any]:
    """Return a document's record with where it stands."""
    return {**record, "shard": file.name, "part": file.part, "number": number}
