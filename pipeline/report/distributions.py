"""Distributions of documents: lengths, perplexities, language scores, languages and domains.

They are counted over ``docs.parquet`` and ``dropped-N.parquet`` of every shard, read in a stream.
Histograms are exact. Languages and domains are counted in tables of bounded size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.output.layout import TEXT_SUFFIX, dropped_summary
from pipeline.passes.first.frequent import FrequentItems
from transforms.kernels.lines import document_keys
from transforms.web.urls import hosts_of

BATCH_ROWS = 1 << 16
"""Documents read at a time."""

TABLE_ITEMS = 1 << 16
"""Languages, and domains, counted for each source; with more, the rarest are evicted."""

COLUMNS = ["chars", "url", "language", "language_score", "perplexity", "bucket"]

LANGUAGE_REASONS = ("low_language_score", "other_language")
"""Reasons for which steps drop documents that are not in a language that is wanted."""

KEPT, OF_LANGUAGE, OTHERWISE = "kept", "dropped for the language", "dropped otherwise"
"""What became of documents with a language score."""

LENGTH_EDGES = 10 ** (np.arange(0, 8 * 5 + 1) / 5)
PERPLEXITY_EDGES = 10 ** (np.arange(0, 6 * 20 + 1) / 20)
SCORE_EDGES = np.arange(0, 51) / 50
"""Edges of the histograms' bins: lengths in characters, perplexities, language scores."""


class Histogram:
    """Counts of values between edges; values outside all edges are counted in the end bins."""

    def __init__(self, edges: npt.NDArray[np.float64]) -> None:
        self.edges = edges
        self.counts = np.zeros(len(edges) - 1, np.int64)

    def add(self, values: npt.NDArray[Any]) -> None:
        """Count values; NaN is skipped."""
        values = values[~np.isnan(values)]
        bins = np.searchsorted(self.edges, values, side="right") - 1
        self.counts += np.bincount(
            np.clip(bins, 0, len(self.counts) - 1), minlength=len(self.counts)
        )

    @property
    def total(self) -> int:
        """The number of values."""
        return int(self.counts.sum())


class Distributions:
    """The distributions of one source, for kept and dropped documents separately."""

    def __init__(self) -> None:
        self.lengths = {outcome: Histogram(LENGTH_EDGES) for outcome in ("kept", "dropped")}
        self.scores = {
            outcome: Histogram(SCORE_EDGES) for outcome in (KEPT, OF_LANGUAGE, OTHERWISE)
        }
        self.perplexities: dict[str, Histogram] = {}  # by bucket
        self.languages = FrequentItems(TABLE_ITEMS, 2)  # documents, of which kept
        self.domains = FrequentItems(TABLE_ITEMS, 3)  # documents, of which kept, tokens

    def add(self, outcome: str, batch: pa.RecordBatch) -> None:
        """Count documents; ``outcome`` is ``kept`` or ``dropped``. Kept ones have tokens."""
        self.lengths[outcome].add(_floats(batch["chars"]))
        self._add_scores(batch)
        scored = batch.filter(pc.is_valid(batch["perplexity"]))
        buckets = pc.fill_null(scored["bucket"], "no bucket")
        for bucket in pc.unique(buckets).to_pylist():
            mine = scored["perplexity"].filter(pc.equal(buckets, bucket))
            histogram = self.perplexities.setdefault(bucket, Histogram(PERPLEXITY_EDGES))
            histogram.add(_floats(mine))
        is_kept = np.full(batch.num_rows, int(outcome == "kept"))
        ones = np.ones(batch.num_rows, np.int64)
        has_tokens = "token_count" in batch.schema.names
        tokens = batch["token_count"].to_numpy() if has_tokens else np.zeros_like(ones)
        _count(self.languages, batch["language"], [ones, is_kept])
        _count(self.domains, hosts_of(batch["url"]), [ones, is_kept, tokens])

    def _add_scores(self, batch: pa.RecordBatch) -> None:
        """Count the language scores of documents, and what became of these."""
        scores = _floats(batch["language_score"])
        if "reason" not in batch.schema.names:
            self.scores[KEPT].add(scores)
            return
        reasons = pa.array(LANGUAGE_REASONS, pa.string())
        is_of_language = pc.is_in(batch["reason"], reasons).to_numpy(zero_copy_only=False)
        self.scores[OF_LANGUAGE].add(scores[is_of_language])
        self.scores[OTHERWISE].add(scores[~is_of_language])


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    return pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)


def _count(table: FrequentItems, names: pa.Array, columns: list[npt.NDArray[np.int64]]) -> None:
    there = names.is_valid().to_numpy(zero_copy_only=False)
    names = names.drop_null()
    if len(names):
        counts = np.stack(columns, axis=1)[there]
        table.add(document_keys(names), counts, lambda i: str(names[i].as_py()))


def distributions(output: str, manifest: Mapping[str, Any]) -> dict[str, Distributions]:
    """Compute the distributions of every source of a run."""
    by_source = {name: Distributions() for name in manifest["sources"]}
    for shard in manifest["shards"]:
        mine = by_source[shard["source"]]
        for part in shard["parts"].values():
            (docs,) = (name for name in part["files"] if name.endswith(".parquet"))
            counted = [] if docs.endswith(TEXT_SUFFIX) else ["token_count"]
            for batch in _batches(output, docs, [*COLUMNS, *counted]):
                mine.add("kept", batch)
        for name in dropped_summary(shard)["files"]:
            for batch in _batches(output, name, [*COLUMNS, "reason"]):
                mine.add("dropped", batch)
    return by_source


def _batches(output: str, name: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with storage.open_read(storage.join(output, name)) as stream:
        yield from pq.ParquetFile(stream).iter_batches(BATCH_ROWS, columns=columns)
