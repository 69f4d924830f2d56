"""A run that the browser shows, with what is read of it once and kept for later pages."""

from __future__ import annotations

import functools
import random
from typing import Any

from pipeline.inspection.browser.asked import Asked
from pipeline.inspection.browser.counts import Count, count, values_seen
from pipeline.inspection.browser.listing import (
    BEGIN,
    Page,
    Place,
    next_to,
    page_before,
    page_from,
)
from pipeline.inspection.browser.order import Order, page_of, sorted_places
from pipeline.inspection.browser.texts import TextSearch, add_previews
from pipeline.inspection.document_rows import DocumentFile, document_files
from pipeline.inspection.manifest import load_manifest, number_of, statistics
from pipeline.inspection.piece_table import PieceTable, load_piece_table
from pipeline.output.layout import DROPPED, PARTS

KEPT_LISTS, KEPT_COUNTS, KEPT_ORDERS = 16, 64, 4
"""Lists of files, counts, and orders of documents (16 MB each) that are kept for later pages."""

CHOICES = ("language", "bucket")
"""Columns whose values one chooses among."""


class OpenedRun:
    """The documents of a finished run. What it keeps may be used by several threads."""

    def __init__(self, output: str) -> None:
        """Open a run; raises ValueError where there is none."""
        self.output = output
        self.manifest = load_manifest(output)
        self.reasons = _reasons(output)
        has_dropped = all(DROPPED in shard for shard in self.manifest["shards"])
        self._parts = (*PARTS, DROPPED) if has_dropped else PARTS
        self._listed = functools.lru_cache(KEPT_LISTS)(self._list)
        self.table = functools.cache(self._load_table)
        self.choices = functools.cache(self._choices)
        self.count = functools.lru_cache(KEPT_COUNTS)(self._count)
        self._sorted = functools.lru_cache(KEPT_ORDERS)(self._sort)

    def files(self, asked: Asked) -> list[DocumentFile]:
        """Return the files with the documents that are asked for, whatever their values."""
        files = self._listed(asked.source, asked.parts)
        numbers = {asked.sort, *(one.column for one in asked.wanted.ranges)}
        if "token_count" in numbers and any(
            file.holds_text or file.part == DROPPED for file in files
        ):
            raise ValueError("dropped documents, and those of shards of text, have no tokens")
        return files

    def file(self, name: str) -> DocumentFile:
        """Return a file by its name; raises ValueError where there is none."""
        for file in self._listed(None, self._parts):
            if file.name == name:
                return file
        raise ValueError("there is no such document in the run")

    def document(self, shard: str, number: str, identifier: str) -> tuple[DocumentFile, int]:
        """Find a document of a file by its number, or by its id; raises ValueError if it fails."""
        file = self.file(shard)
        if identifier:
            found = number_of(file, identifier)
            if found is None:
                raise ValueError(f"{identifier} is not in {shard}")
            return file, found
        if not number.isdecimal() or len(number) > 15:
            raise ValueError("there is no such document in the run")
        if int(number) >= file.documents:
            raise ValueError(f"{shard} has {file.documents} documents")
        return file, int(number)

    def page(self, asked: Asked, place: Place, *, before: bool) -> Page:
        """Return a page in the order of the files, from a place on or the one before it."""
        find = page_before if before else page_from
        page = find(self.files(asked), asked.wanted, place, self._search(asked))
        self._add_previews(asked, page.documents)
        return page

    def sorted_page(
        self, asked: Asked, start: Place, number: int
    ) -> tuple[list[dict[str, Any]], Order]:
        """Return a page in the order of a number, and that order of the rows from ``start`` on."""
        order = self._sorted(asked, start)
        documents = page_of(self.files(asked), order, number)
        self._add_previews(asked, documents)
        return documents, order

    def beside(
        self, asked: Asked, place: Place, *, backwards: bool
    ) -> tuple[dict[str, Any] | None, Place | None]:
        """Return the document next to a place, of those asked for; see :func:`next_to`."""
        files, search = self.files(asked), self._search(asked)
        return next_to(files, asked.wanted, place, search, backwards=backwards)

    def random(self, asked: Asked) -> dict[str, Any] | None:
        """Return one of the documents on the page that begins at a random place, or at the first.

        None where neither has any. Without a filter, all documents are equally likely.
        """
        files, search = self.files(asked), self._search(asked)
        total = sum(file.documents for file in files)
        if not total:
            return None
        row = random.randrange(total)
        place = BEGIN
        for number, file in enumerate(files):
            if row < file.documents:
                place = Place(number, row)
                break
            row -= file.documents
        if not asked.wanted.columns and search is None:
            return next_to(files, asked.wanted, place, None, backwards=False)[0]
        for start in (place, BEGIN):
            documents = page_from(files, asked.wanted, start, search).documents
            if documents:
                return random.choice(documents)
        return None

    def place_of(self, asked: Asked, file: DocumentFile, number: int) -> Place | None:
        """Return where a document stands in a list; None if its file is not in it."""
        names = [one.name for one in self.files(asked)]
        return Place(names.index(file.name), number) if file.name in names else None

    def _load_table(self) -> PieceTable | str:
        """Return the tokenizer's table, or why there is none."""
        try:
            return load_piece_table(self.manifest)
        except ValueError as error:
            return str(error)

    def _choices(self) -> dict[str, list[str]]:
        return values_seen(self._listed(None, self._parts), CHOICES)

    def _list(self, source: str | None, parts: tuple[str, ...]) -> list[DocumentFile]:
        return document_files(self.output, self.manifest, source=source, parts=parts)

    def _count(self, asked: Asked) -> Count | None:
        return count(self.files(asked), asked.wanted)

    def _sort(self, asked: Asked, start: Place) -> Order:
        assert asked.sort is not None
        return sorted_places(self.files(asked), asked.wanted, start, asked.sort, asked.descending)

    def _search(self, asked: Asked) -> TextSearch | None:
        if asked.text is None:
            return None
        table = self.table()
        if isinstance(table, str):
            raise ValueError(f"texts cannot be searched: {table}")
        return TextSearch(self.output, table, asked.text, any_case=asked.any_case)

    def _add_previews(self, asked: Asked, documents: list[dict[str, Any]]) -> None:
        add_previews(self.output, self.table(), self.files(asked), documents, self._search(asked))


def _reasons(output: str) -> list[str]:
    reasons = {
        row["reason"]
        for source in statistics(output)["sources"].values()
        for row in source["funnel"]
        if row["outcome"] == "dropped"
    }
    return sorted(reasons)
