"""The shards to export: one part of some sources of a run, mapped into memory one at a time."""

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
    """One part of a shard, ``train`` or ``validation``."""

    source: str
    name: str  # for example train-00000
    prefix: Path  # path of its files without their suffixes
    n_documents: int
    n_tokens: int

    def open(self) -> ShardReader:
        """Map the tokens into memory. Raises ValueError if the manifest has other counts."""
        reader = ShardReader(self.prefix)
        sizes = len(reader), len(reader.tokens)
        if sizes != (self.n_documents, self.n_tokens):
            raise ValueError(
                f"{self.prefix}.bin: {sizes[0]} documents of {sizes[1]} tokens, "
                f"{self.n_documents} of {self.n_tokens} in the manifest"
            )
        return reader

    def records(self, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Read ``docs.parquet`` in order, at most ``max_rows`` rows at a time.

        Raises ValueError if the number of rows is not the number of documents.
        """
        path = f"{self.prefix}.docs.parquet"
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != self.n_documents:
                raise ValueError(
                    f"{path}: {file.metadata.num_rows} rows for {self.n_documents} documents"
                )
            yield from file.iter_batches(max_rows)


class Corpus(NamedTuple):
    """The shards to export, with what the formats need to know of the run."""

    manifest: dict[str, Any]
    part: str  # train or validation
    dtype: np.dtype[Any]  # type of token ids: uint16 if the vocabulary fits, else int32
    sources: dict[str, list[ShardPart]]  # only sources with documents in the part

    def parts(self) -> Iterator[ShardPart]:
        """Yield all parts, source by source."""
        for parts in self.sources.values():
            yield from parts


def spans(sizes: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Divide items, in order, into spans of a total size of at most ``limit``, or of one item.

    Yields the index of the first item of each span, and one past the index of its last.
    """
    ends = np.cumsum(sizes)
    first = done = 0
    while first < len(sizes):
        last = max(int(np.searchsorted(ends, done + limit, side="right")), first + 1)
        yield first, last
        first, done = last, int(ends[last - 1])


def open_corpus(output: str, sources: Sequence[str] | None, part: str) -> Corpus:
    """List the shards of a run to export. ``part`` is ``train`` or ``validation``.

    ``sources`` None stands for all sources. Raises ValueError if the folder is not on this machine,
    a source is unknown, or no document is selected.
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
