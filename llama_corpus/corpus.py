"""A finished run, to be read as Arrow: its documents, their tokens, and what became of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.inspection.document_rows import (
    DocumentFile,
    Filter,
    document_files,
    open_tokens,
    row_groups,
)
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import find_document, load_manifest, show_document, statistics
from pipeline.output.layout import DROPPED, DROPPED_SCHEMA, PARTS, kept_schema, refuse_text


@dataclass(frozen=True)
class Corpus:
    """The output folder of a finished run."""

    output: str
    manifest: dict[str, Any]

    def documents(
        self, *, source: str | None = None, part: str | None = None, domain: str | None = None
    ) -> Iterator[pa.Table]:
        """Yield the rows of the documents that were kept, shard by shard, without empty tables.

        ``part`` is ``train`` or ``validation``. The columns are those of ``docs.parquet``, or of
        ``text.parquet`` where the run keeps its text.
        """
        wanted = Filter(domain=domain)
        for file in self._files(source, part):
            has_domains = "domain" in self._columns(file)
            if domain is not None and not has_domains:
                continue
            for _, rows in row_groups(file, self._columns(file)):
                chosen = rows if domain is None else rows.filter(pa.array(wanted.matches(rows)))
                if chosen.num_rows:
                    yield chosen

    def tokens(self, *, source: str | None = None, part: str | None = None) -> Iterator[pa.Table]:
        """Yield ids and tokens of the documents that were kept, a group of rows at a time.

        Raises ValueError where the run keeps its text.
        """
        refuse_text(self.output, self.manifest)
        for file in self._files(source, part):
            reader = open_tokens(self.output, file)
            for first, rows in row_groups(file, ["id"]):
                lists = [np.asarray(reader[first + i]) for i in range(rows.num_rows)]
                ends = np.cumsum([0, *map(len, lists)])
                values = pa.array(np.concatenate(lists) if lists else np.empty(0, np.uint16))
                tokens = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), values)
                yield rows.append_column("tokens", pa.chunked_array([tokens]))

    def dropped(self, *, source: str | None = None) -> Iterator[pa.Table]:
        """Yield the rows of the documents that were dropped, with the step and the reason."""
        for file in document_files(self.output, self.manifest, source=source, parts=[DROPPED]):
            for _, rows in row_groups(file, DROPPED_SCHEMA.names):
                yield rows

    def text(self, identifier: str) -> str:
        """Return the text of a document that was kept."""
        file, number = find_document(self.output, None, None, identifier, False)
        return str(show_document(self.output, file, number)["text"])

    def explain(self, identifier: str) -> dict[str, Any]:
        """Return every decision about a document, kept or dropped, as ``corpus explain`` does."""
        return explain(self.output, identifier)

    def mixture(self) -> dict[str, dict[str, Any]]:
        """Return tokens, proportion and epochs of every source."""
        sources = statistics(self.output)["sources"]
        return {name: source["mixture"] for name, source in sources.items()}

    def _files(self, source: str | None, part: str | None) -> list[DocumentFile]:
        if part is not None and part not in PARTS:
            raise ValueError(f"part {part!r}: expected one of {', '.join(PARTS)}")
        parts = PARTS if part is None else (part,)
        return document_files(self.output, self.manifest, source=source, parts=parts)

    def _columns(self, file: DocumentFile) -> list[str]:
        source = self.manifest["recipe"]["sources"][file.source]
        is_divided = source.get("domains") is not None
        return list(kept_schema(is_text=file.holds_text, is_divided=is_divided).names)


def open_corpus(output: str) -> Corpus:
    """Open the output folder of a finished run. Raises ValueError where there is none."""
    return Corpus(output, load_manifest(output))
