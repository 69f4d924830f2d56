"""Lists of documents by a number: of as many rows as are looked at at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.inspection.browser.listing import PAGE_ROWS, Place, placed
from pipeline.inspection.document_rows import (
    DocumentFile,
    Filter,
    float_values,
    read_rows,
    row_groups,
)

MAX_SORTED_ROWS = 1_000_000
"""Rows that are looked at for a list in an order; those behind them have lists of their own."""


class Order(NamedTuple):
    """The places of documents, in an order."""

    files: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    rest: Place | None  # where the rows begin that were not looked at


def sorted_places(
    files: Sequence[DocumentFile], wanted: Filter, start: Place, column: str, descending: bool
) -> Order:
    """Sort the matching documents from ``start`` on by a number; those without it come last.

    Equal ones stay in the order of the files.
    """
    numbers: list[npt.NDArray[np.int64]] = []
    places: list[npt.NDArray[np.int64]] = []
    values: list[npt.NDArray[np.float64]] = []
    looked, rest = 0, None
    for number, first, rows in _row_groups(files, start, sorted({*wanted.columns, column})):
        if looked >= MAX_SORTED_ROWS:
            rest = Place(number, first)
            break
        matching = np.flatnonzero(wanted.matches(rows))
        matching = matching[matching + first >= (start.row if number == start.file else 0)]
        looked += rows.num_rows
        values.append(float_values(rows[column])[matching])
        places.append(matching + first)
        numbers.append(np.full(len(matching), number))
    if not values:
        nothing = np.zeros(0, np.int64)
        return Order(nothing, nothing, None)
    found = np.concatenate(values)
    order = np.argsort(-found if descending else found, kind="stable")
    return Order(np.concatenate(numbers)[order], np.concatenate(places)[order], rest)


def _row_groups(
    files: Sequence[DocumentFile], start: Place, columns: Sequence[str]
) -> Iterator[tuple[int, int, Any]]:
    """Yield the row groups from a place on: number of the file, of the first row, and the rows."""
    for number in range(start.file, len(files)):
        begin = start.row if number == start.file else 0
        for first, rows in row_groups(files[number], columns, start=begin):
            yield number, first, rows


def page_of(files: Sequence[DocumentFile], order: Order, page: int) -> list[dict[str, Any]]:
    """Return the documents on a page of an order; pages count from 0."""
    here = slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)
    chosen = list(zip(order.files[here].tolist(), order.rows[here].tolist(), strict=True))
    records = {
        number: read_rows(files[number], [row for file, row in chosen if file == number])
        for number in {file for file, _ in chosen}
    }
    return [placed(files[number], row, records[number][row]) for number, row in chosen]
