"""Observations of the build of a shard, for the report: times, samples, letters, frequent lines.

One JSON file a shard, ``observed/SOURCE/N.json``. It holds times, so it differs from run to run and
is no part of the manifest. What it takes in memory is bounded, whatever the shard holds.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.passes.first.frequent import FrequentItems
from pipeline.passes.process import is_view_of
from pipeline.passes.shards.step_times import StepTimes
from transforms.documents import text_buffers, with_column
from transforms.kernels.lines import document_keys
from transforms.kernels.removed_lines import RemovedLines, removed_lines
from transforms.privacy.opt_out import OptOutList
from transforms.web.urls import hosts_of

SAMPLES = 5
"""Documents that are shown of those a step dropped for one reason, and of those kept in a part."""

SAMPLE_COLUMNS = ["id", "url", "language", "language_score", "perplexity", "bucket"]
"""Columns of a document that are shown, beside its text."""

MAX_SAMPLED_REASONS = 100
"""Most reasons of which samples are kept, in a shard."""

SAMPLE_CHARS = 2_000
"""Longest text shown of a sample, in characters."""

LINE_BYTES = 300
"""Longest removed line that is told apart, in bytes; what follows is cut off."""

TABLE_ITEMS = 8_192
"""Most different lines, and domains, that are counted at a time."""

ENCODING_GUESSED = '"encoding_guessed": true'
"""What a document's metadata has where its reader guessed the encoding."""

LISTED_ITEMS = 250
"""Most lines, and domains, that are written of a step: the most frequent."""


class Samples:
    """The documents with the smallest hashes of their ids, a few under each heading.

    Documents that the opt-out list names are not among them, whatever dropped them.
    """

    def __init__(self, left_out: OptOutList) -> None:
        self._left_out = left_out
        self._kept: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}

    def add(self, step: str, reasons: pa.Array, batch: pa.RecordBatch) -> None:
        """Look at documents that left ``step`` under ``reasons``."""
        hashes = document_keys(batch["id"])
        for reason in pc.unique(reasons).to_pylist():
            heading = step, str(reason)
            if heading not in self._kept and len(self._kept) >= MAX_SAMPLED_REASONS:
                continue
            samples = self._kept.setdefault(heading, [])
            rows = np.flatnonzero(pc.equal(reasons, reason).to_numpy(zero_copy_only=False))
            rows = rows[np.argsort(hashes[rows], kind="stable")[:SAMPLES]]
            if len(samples) == SAMPLES:
                rows = rows[hashes[rows] < np.uint64(samples[-1][0])]
            if not len(rows):
                continue
            chosen = batch.take(pa.array(rows))
            named = self._left_out.matches(chosen["id"], chosen["url"])
            records = _records(chosen.filter(pa.array(~named)))
            samples += zip(hashes[rows[~named]].tolist(), records, strict=True)
            samples.sort(key=lambda pair: pair[0])
            del samples[SAMPLES:]

    def rows(self) -> list[dict[str, Any]]:
        """Return the samples, one a row."""
        return [
            {"step": step, "reason": reason, "hash": f"{number:016x}", **record}
            for (step, reason), samples in self._kept.items()
            for number, record in samples
        ]


def _records(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    lengths = pc.utf8_length(batch["text"])
    texts = pc.utf8_slice_codeunits(batch["text"], 0, SAMPLE_CHARS)
    described = batch.select(SAMPLE_COLUMNS).to_pylist()
    return [
        {**{name: value for name, value in record.items() if value is not None},
         "chars": n, "text": text}
        for record, n, text in zip(described, lengths.to_pylist(), texts.to_pylist(), strict=True)
    ]  # fmt: skip


class LineCounts:
    """The lines that steps removed most often, and which domains they stood in.

    Documents that the opt-out list names do not count.
    """

    def __init__(self, left_out: OptOutList) -> None:
        self._left_out = left_out
        self._lines: dict[str, FrequentItems] = {}
        self._domains: dict[str, FrequentItems] = {}

    def add(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        """Count what a step took out of the documents of a batch."""
        if is_view_of(after, before):
            return
        named = self._left_out.matches(after["id"], after["url"])
        if named.any():
            before, after = (batch.filter(pa.array(~named)) for batch in (before, after))
        gone = removed_lines(before["text"], after["text"], max_line_bytes=LINE_BYTES)
        if not gone.removed.any():
            return
        data, _ = text_buffers(before["text"])

        def line(i: int) -> str:
            return data[gone.starts[i] : gone.ends[i]].tobytes().decode()

        table = self._lines.setdefault(step, FrequentItems(TABLE_ITEMS))
        table.add(gone.keys, np.ones((len(gone.keys), 1), np.int64), line)
        self._add_domains(step, before, gone)

    def _add_domains(self, step: str, before: pa.RecordBatch, gone: RemovedLines) -> None:
        """Count the documents that lost lines by domain, so that no batch has a say in it."""
        lost_some = gone.removed > 0
        hosts = hosts_of(before["url"].filter(pa.array(lost_some)))
        has_host = hosts.is_valid().to_numpy(zero_copy_only=False)
        hosts = hosts.drop_null()
        counts = np.stack([gone.lines, gone.removed, np.ones_like(gone.lines)], axis=1)
        counts = counts[lost_some]
        table = self._domains.setdefault(step, FrequentItems(TABLE_ITEMS, 3))
        table.add(document_keys(hosts), counts[has_host], lambda i: str(hosts[i].as_py()))

    def rows(self) -> dict[str, Any]:
        """Return the most frequent lines and domains of every step."""
        return {
            "removed_lines": _listed(self._lines, ["count"]),
            "domains": _listed(self._domains, ["lines", "removed_lines", "documents"]),
        }


def _listed(tables: dict[str, FrequentItems], columns: list[str]) -> dict[str, Any]:
    listed = {}
    for step, table in tables.items():
        items, others = table.most_frequent(LISTED_ITEMS)
        listed[step] = {
            "items": [
                {"name": item.name, **dict(zip(columns, item.counts, strict=True)),
                 "missed_at_most": item.missed}
                for item in items
            ],
            "others_at_most": others,
        }  # fmt: skip
    return listed


class LetterCounts:
    """Kept documents whose encoding a reader guessed, and letters that were lost (U+FFFD)."""

    def __init__(self) -> None:
        self._counts = {"encoding_guessed": 0, "documents_with_lost": 0, "lost": 0}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the documents of a batch."""
        guessed = pc.match_substring(batch["metadata"], ENCODING_GUESSED)
        lost = pc.count_substring(batch["text"], "\ufffd")
        self._counts["encoding_guessed"] += guessed.true_count
        self._counts["documents_with_lost"] += pc.greater(lost, 0).true_count
        self._counts["lost"] += pc.sum(lost).as_py() or 0

    def result(self) -> dict[str, int]:
        """Return the counts."""
        return dict(self._counts)


class ShardObserver:
    """Observes the build of one shard; ``observe`` is an observer of :func:`process_split`."""

    def __init__(
        self, left_out: OptOutList, record: Callable[[str, pa.RecordBatch, pa.RecordBatch], None]
    ) -> None:
        self.times = StepTimes()
        self.samples = Samples(left_out)
        self.lines = LineCounts(left_out)
        self.letters = LetterCounts()
        self._record = record

    def observe(self, step: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        """Note what a step did to a batch, and hand it on."""
        self.times.lap(step, before)
        self._record(step, before, after)
        dropped = pc.is_valid(after["dropped_by"])
        if dropped.true_count:
            reasons = after["dropped_by"].filter(dropped)
            shown = with_column(after, "text", before["text"])  # as it was, with what was found
            self.samples.add(step, reasons, shown.filter(dropped))
        self.lines.add(step, before, after)
        self.times.lap("record")

    def kept(self, part: str, batch: pa.RecordBatch) -> None:
        """Note what is written to a part of the shard."""
        self.samples.add("write", pa.array([part] * batch.num_rows), batch)
        self.letters.add(batch)
        self.times.lap("record")

    def result(self) -> dict[str, Any]:
        """Return all that was observed, as it is written."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "steps": self.times.rows(),
            "worker_peak_bytes": peak * (1 if sys.platform == "darwin" else 1024),
            "samples": self.samples.rows(),
            "letters": self.letters.result(),
            **self.lines.rows(),
        }
