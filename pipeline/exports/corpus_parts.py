"""The shards to export: one part of some sources of a run, mapped into memory one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.inspection.manifest import load_mixture
from pipeline.output.layout import refuse_text
from tokenizer.shards import ShardIndex, ShardReader


class ShardPart(NamedTuple):
    """One part of a shard, ``train`` or ``validation``, or what it has of one domain."""

    source: str
    folder: str  # of the export: the source, and its domain where it is divided
    name: str  # for example train-00000
    prefix: Path  # path of its files without their suffixes
    n_documents: int
    n_tokens: int
    of_whole: tuple[int, int, int] | None = None  # of one domain: first document, first token, and
    # documents of the whole shard

    def open(self) -> ShardReader:
        """Map the tokens into memory. Raises ValueError if the manifest has other counts."""
        reader = ShardReader(self.prefix)
        if self.of_whole is not None:
            document, token, n_documents = self.of_whole
            if len(reader) != n_documents:
                raise ValueError(
                    f"{self.prefix}.bin: {len(reader)} documents, {n_documents} in the manifest"
                )
            rows = slice(document, document + self.n_documents)
            dtype, lengths, offsets = reader.index
            offsets = offsets[rows] - token * dtype.itemsize
            reader.index = ShardIndex(dtype, lengths[rows], offsets)
            reader.tokens = reader.tokens[token : token + int(lengths[rows].sum())]
        sizes = len(reader), len(reader.tokens)
        if sizes != (self.n_documents, self.n_tokens):
            raise ValueError(
                f"{self.prefix}.bin: {sizes[0]} documents of {sizes[1]} tokens, "
                f"{self.n_documents} of {self.n_tokens} in the manifest"
            )
        return reader

    @property
    def first_document(self) -> int:
        """Number of the part's first document in the shard."""
        return self.of_whole[0] if self.of_whole else 0

    def records(self, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Read ``docs.parquet`` in order, at most ``max_rows`` rows at a time.

        Raises ValueError if the number of rows is not the number of documents.
        """
        path = f"{self.prefix}.docs.parquet"
        with pq.ParquetFile(path) as file:
            n_documents = self.of_whole[2] if self.of_whole else self.n_documents
            if file.metadata.num_rows != n_documents:
                raise ValueError(
                    f"{path}: {file.metadata.num_rows} rows for {n_documents} documents"
                )
            begin, end = self.first_document, self.first_document + self.n_documents
            at = 0
            for batch in file.iter_batches(max_rows):
                first, last = max(begin - at, 0), min(end - at, batch.num_rows)
                if first < last:
                    yield batch.slice(first, last - first)
                at += batch.num_rows


class Corpus(NamedTuple):
    """The shards to export, with what the formats need to know of the run."""

    manifest: dict[str, Any]
    part: str  # train or validation
    dtype: np.dtype[Any]  # type of token ids: uint16 if the vocabulary fits, else int32
    sources: dict[str, list[ShardPart]]  # by folder; only those with documents in the part
    proportions: dict[str, float]  # of the folders in the sampled tokens

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


def open_corpus(
    output: str,
    sources: Sequence[str] | None,
    part: str,
    *,
    by_domain: bool = True,
    mixture: str | None = None,
) -> Corpus:
    """List the shards of a run to export. ``part`` is ``train`` or ``validation``.

    ``sources`` None stands for all sources. ``by_domain`` makes a folder of each domain of a source
    that is divided, with a proportion of its own. The proportions are those of ``mixture``, by
    default the newest. Raises ValueError if the folder is not on this machine or holds text, a
    source or the mixture is unknown, or no document is selected.
    """
    if storage.is_remote(output):
        raise ValueError(f"{output}: shards are mapped into memory; copy the folder here first")
    manifest = load_mixture(output, mixture)
    refuse_text(output, manifest)
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
            for one in _parts(shard["source"], name, prefix, summary, by_domain=by_domain):
                chosen.setdefault(one.folder, []).append(one)
    if not chosen:
        raise ValueError(f"{output}: no documents in the part {part!r} of what is asked for")
    first = next(iter(chosen.values()))[0]
    return Corpus(manifest, part, first.open().index.dtype, chosen, _proportions(manifest, chosen))


def _parts(
    source: str, name: str, prefix: Path, summary: dict[str, Any], *, by_domain: bool
) -> Iterator[ShardPart]:
    """Yield a shard's part whole, or what it has of each domain."""
    n_documents = summary["documents"]
    if not by_domain or "domains" not in summary:
        yield ShardPart(source, source, name, prefix, n_documents, summary["tokens"])
        return
    first = 0
    for group in summary["domains"]:
        place = first, group["token_offset"], n_documents
        folder = domain_folder(source, group["domain"])
        yield ShardPart(source, folder, name, prefix, group["documents"], group["tokens"], place)
        first += group["documents"]


def domain_folder(source: str, domain: str) -> str:
    """Return the folder of a domain in an export, in which no character needs care."""
    parts = [quote(part, safe="") for part in domain.split("/")]
    return "/".join([source, *(part.replace(".", "%2E", part[:1] == ".") for part in parts)])


def _proportions(manifest: dict[str, Any], folders: dict[str, list[ShardPart]]) -> dict[str, float]:
    """Return the share of each folder in the sampled tokens."""
    proportions = {}
    for name, source in manifest["sources"].items():
        proportions[name] = source["proportion"]
        for domain, one in source.get("domains", {}).items():
            share = source["proportion"] * one["proportion"]
            proportions[domain_folder(name, domain)] = share
    return {folder: proportions[folder] for folder in folders}
