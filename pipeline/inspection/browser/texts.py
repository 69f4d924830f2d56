"""Texts of documents in lists: which of them hold a phrase, and a few words of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pipeline.inspection.document_rows import (
    DamagedFileError,
    DocumentFile,
    named_damage,
    open_tokens,
)
from pipeline.inspection.piece_table import PieceTable, document_text
from pipeline.inspection.search import (
    Hit,
    compiled,
    find_among,
    pattern_finder,
    phrase_finder,
    snippet,
)
from pipeline.inspection.text_shards import TextReader
from pipeline.output.layout import DROPPED
from tokenizer.shards import ShardReader

PREVIEW_TOKENS = 120
"""Tokens, or bytes by four of a shard of text, that a preview is made of."""

PREVIEW_CHARS = 200
"""Longest preview of a text, in characters."""


class TextSearch:
    """A search for a phrase in the texts of kept documents."""

    def __init__(self, output: str, table: PieceTable, phrase: str, *, any_case: bool) -> None:
        self._output, self._table = output, table
        # A regular expression made of the phrase: none comes from an address, for it may take ages.
        pattern = compiled(phrase, regex=False, ignore_case=True)
        self._find = pattern_finder(pattern) if any_case else phrase_finder(phrase)
        self._opened: tuple[str, ShardReader | TextReader] | None = None

    def hits(self, file: DocumentFile, numbers: Sequence[int]) -> dict[int, Hit]:
        """Return the hits in those documents of a file that have any, by their numbers.

        The texts of the documents are in memory at once.
        """
        reader = self._reader(file)
        with named_damage(file.path):
            found = find_among(reader, self._table, self._find, numbers)
            return {hit.number: hit for hit in found}

    def snippet(self, file: DocumentFile, number: int) -> dict[str, str]:
        """Return the first hit in a document, and the text around it."""
        (hit,) = self.hits(file, [number]).values()
        return snippet(self._table, self._reader(file)[number], hit)

    def _reader(self, file: DocumentFile) -> ShardReader | TextReader:
        if self._opened is None or self._opened[0] != file.name:
            self._opened = file.name, open_tokens(self._output, file)
        return self._opened[1]


def add_previews(
    output: str,
    table: PieceTable | str,
    files: Iterable[DocumentFile],
    documents: Iterable[dict[str, Any]],
    search: TextSearch | None,
) -> None:
    """Add a few words of each document's text: those around a hit, or else the first.

    Dropped documents have none, and neither have those whose tokens or tokenizer cannot be read.
    """
    by_name: Mapping[str, DocumentFile] = {file.name: file for file in files}
    readers: dict[str, ShardReader | TextReader] = {}
    for document in documents:
        file = by_name[document["shard"]]
        document["preview"] = document["snippet"] = None
        if file.part == DROPPED or isinstance(table, str):
            continue
        if search is not None:
            document["snippet"] = search.snippet(file, document["number"])
            continue
        with suppress(DamagedFileError):  # which the page of the document names
            if file.name not in readers:
                readers[file.name] = open_tokens(output, file)
            with named_damage(file.path):
                document["preview"] = _first_words(readers[file.name], table, document["number"])


def _first_words(reader: ShardReader | TextReader, table: PieceTable, number: int) -> str:
    n_units = PREVIEW_TOKENS * (4 if table.is_of_bytes else 1)
    text = document_text(table, reader[number][:n_units]).rstrip("\ufffd")
    return " ".join(text.split())[:PREVIEW_CHARS]
