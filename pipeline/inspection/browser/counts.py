"""Counts of documents that match a filter, and values to choose among, by a bounded look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.inspection.document_rows import DamagedFileError, DocumentFile, Filter, row_groups

MAX_COUNTED_ROWS = 1_000_000
"""Rows in which matching documents are counted."""

MAX_SEEN_FILES = 200
"""Files, spread over all, in which values are looked for."""

MAX_SEEN_VALUES = 200
"""Most values of a column to choose among."""


class Count(NamedTuple):
    """How many documents match."""

    documents: int
    rows: int  # that were looked at
    is_whole: bool  # these were all


def count(files: Sequence[DocumentFile], wanted: Filter) -> Count | None:
    """Count the documents that match, in the first rows; None where one of the files is damaged."""
    total = sum(file.documents for file in files)
    if wanted == Filter():
        return Count(total, total, True)
    matching = rows = 0
    try:
        for file in files:
            for _, group in row_groups(file, wanted.columns):
                if rows >= MAX_COUNTED_ROWS:
                    return Count(matching, rows, False)
                matching += int(wanted.matches(group).sum())
                rows += group.num_rows
    except DamagedFileError:
        return None
    return Count(matching, rows, True)


def values_seen(files: Sequence[DocumentFile], columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of columns in the first rows of some files, spread over all.

    They are all that there are if the files have no more rows than are counted, and are not too
    many. Files that are damaged are passed over.
    """
    seen: dict[str, set[str]] = {name: set() for name in columns}
    chosen = _spread(files)
    for file in chosen:
        rows = 0
        try:
            for _, group in row_groups(file, columns):
                if rows >= MAX_COUNTED_ROWS / len(chosen):
                    break
                rows += group.num_rows
                for name in columns:
                    seen[name].update(group[name].unique().to_pylist())
        except DamagedFileError:
            continue
    return {name: sorted(values - {None})[:MAX_SEEN_VALUES] for name, values in seen.items()}


def _spread(files: Sequence[DocumentFile]) -> list[DocumentFile]:
    """Return at most :data:`MAX_SEEN_FILES` of the files, evenly from the first to the last."""
    places = np.linspace(0, max(len(files) - 1, 0), min(len(files), MAX_SEEN_FILES)).astype(int)
    return [files[place] for place in places.tolist()]
