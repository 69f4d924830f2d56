"""A shard's part whose documents are written grouped by domain, in their order within each.

Documents come in the order of the input. They are kept until they are :data:`RUN_BYTES`; then they
are sorted by domain and go to a temporary file, a piece for each domain. At the end the pieces are
read again, domain after domain. So a worker holds no more than one run of documents, however many
domains there are and however large the shard is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.passes.shards.domain_names import domain_names
from pipeline.passes.shards.part_files import PartWriter, document_rows
from pipeline.passes.shards.text_part import TextPartWriter
from pipeline.recipe.domains import DomainColumn

RUN_BYTES = 16 << 20
"""Bytes of tokens and rows that are sorted at a time, at the least."""

MAX_DOMAINS = 10_000
"""Most domains of a part of a shard. More are a mistake: a title or an address, say."""

_TOKENS = pa.schema([("tokens", pa.large_binary())])
_Piece = tuple[int, int, int]  # where it begins in the temporary file, bytes of rows and of tokens


class GroupedPart:
    """A writer of documents to a part's files, which holds them back until they are grouped."""

    def __init__(
        self,
        writer: PartWriter | TextPartWriter,
        columns: tuple[DomainColumn, ...],
        output: str,
        stack: ExitStack,
    ) -> None:
        self.writer = writer
        self._columns = columns
        self._output = output
        self._stack = stack
        self._run: list[pa.RecordBatch] = []
        self._run_bytes = 0
        self._file: IO[bytes] | None = None
        self._pieces: dict[str, list[_Piece]] = {}
        self._schema: pa.Schema | None = None
        self._groups: list[dict[str, Any]] = []

    def append(
        self, batch: pa.RecordBatch, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
    ) -> None:
        """Take documents; ``ids[offsets[d]:offsets[d + 1]]`` are the tokens of document ``d``.

        Raises ValueError where a value names no domain, or there are too many of them.
        """
        try:
            names = domain_names(batch, self._columns)
        except ValueError as error:
            raise ValueError(f"sources.{self.writer.source}.domains.by: {error}") from None
        tokens = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            batch.num_rows,
            [None, pa.py_buffer(offsets * self.writer.dtype.itemsize),
             pa.py_buffer(ids.astype(self.writer.dtype, copy=False))],
        )  # fmt: skip
        rows = document_rows(batch).append_column("domain", names).append_column("tokens", tokens)
        self._run.append(rows)
        self._run_bytes += rows.nbytes
        if self._run_bytes >= RUN_BYTES:
            self._spill()

    def finish(self) -> None:
        """Write the documents, domain after domain, and the index."""
        if self._file is None:
            for domain, rows, tokens in self._sorted():
                self._write(domain, rows, tokens)
        else:
            self._spill()
            for domain in sorted(self._pieces):
                for begin, *sizes in self._pieces[domain]:
                    self._file.seek(begin)
                    # In two buffers, for the writer holds rows back, and so the buffer they are in.
                    rows, tokens = (pa.py_buffer(self._file.read(size)) for size in sizes)
                    self._write(
                        domain,
                        pa.ipc.read_record_batch(rows, self._schema),
                        pa.ipc.read_record_batch(tokens, _TOKENS)["tokens"],
                    )
        self.writer.finish()

    @property
    def n_documents(self) -> int:
        """Number of documents that were written."""
        return self.writer.n_documents

    @property
    def n_characters(self) -> int:
        """Number of characters of the documents that were written."""
        return self.writer.n_characters

    def summary(self) -> dict[str, Any]:
        """Return what the shard's ledger says of the part, with its domains in their order."""
        return {**self.writer.summary(), "domains": self._groups}

    def _sorted(self) -> Iterator[tuple[str, pa.RecordBatch, pa.Array]]:
        """Yield the rows and tokens that are held of each domain, in the domains' order."""
        if not self._run:
            return
        rows = pa.Table.from_batches(self._run).combine_chunks()
        self._run, self._run_bytes = [], 0
        encoded = rows["domain"].combine_chunks().dictionary_encode()
        names = encoded.dictionary.to_pylist()
        order = sorted(range(len(names)), key=names.__getitem__)
        rank = np.empty(len(names), np.int64)
        rank[order] = np.arange(len(names))
        of_row = rank[encoded.indices.to_numpy()]
        by_domain = np.argsort(of_row, kind="stable")
        ends = np.cumsum(np.bincount(of_row, minlength=len(names))).tolist()
        (taken,) = rows.take(pa.array(by_domain)).combine_chunks().to_batches()
        tokens, taken = taken["tokens"], taken.drop_columns("tokens")
        for begin, end, domain in zip([0, *ends], ends, (names[i] for i in order), strict=False):
            yield domain, taken.slice(begin, end - begin), tokens.slice(begin, end - begin)

    def _spill(self) -> None:
        """Write the documents that are held to the temporary file."""
        if self._file is None:
            self._file = self._stack.enter_context(_temporary_file(self._output))
        for domain, rows, tokens in self._sorted():
            self._schema = rows.schema
            data = rows.serialize(), pa.record_batch([tokens], schema=_TOKENS).serialize()
            piece = self._file.tell(), data[0].size, data[1].size
            self._pieces.setdefault(domain, []).append(piece)
            for part in data:
                self._file.write(part)
        self._check_number(len(self._pieces))

    def _write(self, domain: str, rows: pa.RecordBatch, tokens: pa.Array) -> None:
        if not self._groups or self._groups[-1]["domain"] != domain:
            group = {"domain": domain, "documents": 0, "tokens": 0}
            self._groups.append({**group, "token_offset": self.writer.n_tokens})
            self._check_number(len(self._groups))
        before = self.writer.n_tokens
        _, offset_bytes, data = tokens.buffers()
        bounds = np.frombuffer(offset_bytes, np.int64)[tokens.offset :][: len(tokens) + 1]
        bounds = bounds // self.writer.dtype.itemsize
        ids = np.zeros(0, self.writer.dtype)
        if bounds[-1]:
            ids = np.frombuffer(data, self.writer.dtype, int(bounds[-1]))
        self.writer.append_rows(rows, ids, bounds)
        self._groups[-1]["documents"] += rows.num_rows
        self._groups[-1]["tokens"] += self.writer.n_tokens - before

    def _check_number(self, n_domains: int) -> None:
        if n_domains > MAX_DOMAINS:
            names = [*self._pieces][:3] or [group["domain"] for group in self._groups[:3]]
            raise ValueError(
                f"sources.{self.writer.source}.domains.by: more than {MAX_DOMAINS:,} domains in a "
                f"shard, such as {', '.join(names)}"
            )


def _temporary_file(output: str) -> IO[bytes]:
    """Open a file without a name, on the output's disk if that is of this machine."""
    folder = None if storage.is_remote(output) else whole_files.temporary_folder(output)
    return tempfile.TemporaryFile(dir=folder)
