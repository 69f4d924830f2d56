"""Reading of a run's document rows, of kept and dropped documents, a row group at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.inspection.text_shards import TextReader
from pipeline.output.arrow_values import scalar, truths
from pipeline.output.layout import DROPPED, PARTS, TEXT_SUFFIX, shard_title
from tokenizer.shards import ShardReader


class DamagedFileError(ValueError):
    """A file of a run is missing or damaged."""


class DocumentFile(NamedTuple):
    """A Parquet file with one row a document."""

    name: str  # SOURCE/PART-NNNNN, as in ``corpus ls``; PART may be "dropped"
    source: str
    part: str
    shard: int
    path: str
    documents: int

    @property
    def holds_text(self) -> bool:
        """Whether its rows have the documents' texts, so that they have no tokens."""
        return self.path.endswith(TEXT_SUFFIX)


EQUAL = ("language", "bucket", "reason", "step", "domain")
"""Columns of which a filter wants one value."""


class Range(NamedTuple):
    """Values of a column of numbers that are wanted; None stands for no bound."""

    column: str
    low: float | None
    high: float | None


class Filter(NamedTuple):
    """Values that a row must have; None matches any value."""

    language: str | None = None
    bucket: str | None = None
    reason: str | None = None  # why a document was dropped
    step: str | None = None  # which step dropped it
    domain: str | None = None  # of a source that is divided; dropped documents have none
    contains: str | None = None  # text in the id or the url
    ranges: tuple[Range, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns that the filter needs."""
        equal = [name for name in EQUAL if getattr(self, name) is not None]
        between = [one.column for one in self.ranges]
        return [*equal, *(["id", "url"] if self.contains else []), *between]

    def matches(self, rows: pa.Table) -> npt.NDArray[np.bool_]:
        """Return for each row whether it has all the values."""
        matching = np.ones(rows.num_rows, bool)
        for name in EQUAL:
            if (wanted := getattr(self, name)) is not None:
                matching &= truths(pc.equal(rows[name], scalar(wanted)).combine_chunks())
        if self.contains:
            within = [pc.match_substring(rows[name], self.contains) for name in ("id", "url")]
            matching &= truths(within[0].combine_chunks()) | truths(within[1].combine_chunks())
        for column, low, high in self.ranges:
            values = float_values(rows[column])  # what has none is in no range
            matching &= values >= (-np.inf if low is None else low)
            matching &= values <= (np.inf if high is None else high)
        return matching


def float_values(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Return the values of a column of numbers; NaN stands for null."""
    return pc.cast(column, pa.float64()).combine_chunks().to_numpy(zero_copy_only=False)


def document_files(
    output: str,
    manifest: dict[str, Any],
    *,
    source: str | None = None,
    parts: Sequence[str] = PARTS,
) -> list[DocumentFile]:
    """List the files of document rows of some ``parts``, in the order of the manifest.

    Raises ValueError if the run has no such source, or has no record of the documents it dropped.
    """
    if source is not None and source not in manifest["sources"]:
        known = ", ".join(manifest["sources"])
        raise ValueError(f"{output} has no source {source!r}; it has {known}")
    files = []
    for shard in manifest["shards"]:
        if source not in (None, shard["source"]):
            continue
        summaries = {**shard["parts"], **({DROPPED: shard[DROPPED]} if DROPPED in shard else {})}
        if DROPPED in parts and DROPPED not in summaries:
            raise ValueError(
                f"{output} has no record of the documents that it dropped; an earlier version "
                "made it, and --start_over makes it anew"
            )
        for part, summary in summaries.items():
            if part in parts:
                (path,) = (name for name in summary["files"] if name.endswith(".parquet"))
                name = shard_title(shard["source"], part, shard["shard"])
                files.append(
                    DocumentFile(name, shard["source"], part, shard["shard"],
                                 storage.join(output, path), summary["documents"])
                )  # fmt: skip
    return files


@contextmanager
def named_damage(path: str) -> Iterator[None]:
    """Turn errors of reading ``path`` in the block into DamagedFileError, which names it."""
    try:
        yield
    except DamagedFileError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise DamagedFileError(
            f"{path}: cannot be read: {problem}; 'corpus verify' checks all files"
        ) from None


@contextmanager
def _opened(file: DocumentFile) -> Iterator[pq.ParquetFile]:
    """Open a file; raises DamagedFileError if it is damaged or its row count is wrong."""
    with named_damage(file.path), storage.open_read(file.path) as stream:
        parquet = pq.ParquetFile(stream)
        if parquet.metadata.num_rows != file.documents:
            raise ValueError(
                f"{parquet.metadata.num_rows} rows, the manifest says {file.documents}"
            )
        yield parquet


def open_tokens(output: str, file: DocumentFile) -> ShardReader | TextReader:
    """Map the tokens of a file's documents, or open their texts' bytes where it holds these.

    Raises DamagedFileError if they are damaged.
    """
    prefix = storage.join(output, "shards", file.name)
    with named_damage(file.path if file.holds_text else f"{prefix}.bin"):
        reader = TextReader(file.path) if file.holds_text else ShardReader(prefix)
        if len(reader) != file.documents:
            raise ValueError(f"{len(reader)} documents, the manifest says {file.documents}")
        return reader


def row_groups(
    file: DocumentFile,
    columns: Sequence[str],
    *,
    start: int = 0,
    stop: int | None = None,
    backwards: bool = False,
) -> Iterator[tuple[int, pa.Table]]:
    """Yield each row group: the number of its first row, and the columns of its rows.

    Only row groups with rows from ``start`` up to, not including, ``stop`` are read.
    """
    with _opened(file) as parquet:
        sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
        ends = np.cumsum(sizes).tolist()
        order = range(len(sizes))
        for i in reversed(order) if backwards else order:
            first = ends[i] - sizes[i]
            if ends[i] > start and (stop is None or first < stop):
                yield first, parquet.read_row_group(i, columns=list(columns), use_threads=False)


def read_rows(file: DocumentFile, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Read rows by their numbers, without texts; reads only the row groups they are in."""
    wanted = np.unique(np.asarray(numbers, np.int64))
    records = {}
    with _opened(file) as parquet:
        first = 0
        columns = [name for name in parquet.schema_arrow.names if name != "text"]
        for i in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(i).num_rows
            here = wanted[(wanted >= first) & (wanted < first + size)]
            if len(here):
                rows = parquet.read_row_group(i, columns=columns, use_threads=False)
                for number in here.tolist():
                    records[number] = plain_record(rows.slice(number - first, 1))
            first += size
    return records


def plain_record(row: pa.Table) -> dict[str, Any]:
    """Return the only row of a table as plain values, with its JSON metadata parsed."""
    record: dict[str, Any] = row.to_pylist()[0]
    record["metadata"] = json.loads(record["metadata"]) if record["metadata"] else None
    return record
