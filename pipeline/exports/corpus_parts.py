"""The shards of a run that an export takes: some sources, one part, mapped one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.inspection.manifest import load_manifest
from tokenizer.shards import ShardReader


class ShardPart(NamedTuple):
    """The documents of one part of a shard."""

    source: str
    name: str  # as in train-00000
    prefix: Path  # of its files, without a suffix
    n_documents: int
    n_tokens: int

    def open(self) -> ShardReader:
        """Map its tokens. Raises ValueError where they are not what the manifest says."""
        reader = ShardReader(self.prefix)
        found = len(reader), len(reader.tokens)
        if found != (self.n_documents, self.n_tokens):
            raise ValueError(
                f"{self.prefix}.bin: {found[0]} documents of {found[1]} tokens, "
                f"{self.n_documents} of {self.n_tokens} in the manifest"
            )
        return reader

    def records(self, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Read ``docs.parquet`` in order, so many rows at a time.

        Raises ValueError where there are not as many rows as documents.
        """
        path = f"{self.prefix}.docs.parquet"
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != self.n_documents:
                raise ValueError(
                    f"{path}: {file.metadata.num_rows} rows for {self.n_documents} documents"
                )
            yield from file.iter_batches(max_rows)


class Corpus(NamedTuple):
    """What is exported."""

    manifest: dict[str, Any]
    part: str  # train or validation
    dtype: np.dtype[Any]  # of the tokens: uint16 where the vocabulary fits, else int32
    sources: dict[str, list[ShardPart]]  # those that have documents in the part

    def parts(self) -> Iterator[ShardPart]:
        """All parts, source by source."""
        for parts in self.sources.values():
            yield from parts


def spans(sizes: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Divide items of these sizes, in order, into spans of at most ``limit`` or of one item.

    Yields the first item of each span and the one behind its last.
    """
    ends = np.cumsum(sizes)
    first = done = 0
    while first < len(sizes):
        last = max(int(np.searchsorted(ends, done + limit, side="right")), first + 1)
        yield first, last
        first, done = last, int(ends[last - 1])


def open_corpus(output: str, sources: Sequence[str] | None, part: str) -> Corpus:
    """List what a run's folder holds of a part, ``train`` or ``validation``.

    ``sources`` None stands for all. Raises ValueError where the folder is not on this machine, a
    source is unknown or nothing is left.
    """
    if storage.is_remote(output):
        raise ValueError(f"{output}: shards are mapped into memory; copy the folder here first")
    manifest = load_manifest(output)
    if unknown := sorted(set(sources or ()) - set(manifest["sources"])):
        raise ValueError(
            f"{output}: no source {', '.join(unknown)}; there are {', '.join(manifest['sources'])}"
        )
    chosen: dict[str, list[ShardPart]] = {}
    for shard in manifest["shards"]:
        summary = shard["parts"].get(part)
        if summary and (sources is None or shard["source"] in sources):
            name = f"{part}-{shard['shard']:05d}"
            prefix = Path(output, "shards", shard["source"], name)
            chosen.setdefault(shard["source"], []).append(
                ShardPart(shard["source"], name, prefix, summary["documents"], summary["tokens"])
            )
    if not chosen:
        raise ValueError(f"{output}: no documents in the part {part!r} of what is asked for")
    first = next(iter(chosen.values()))[0]
    return Corpus(manifest, part, first.open().index.dtype, chosen)
