"""A deduplication of one's own, which a recipe names by its dotted name."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from transforms.dedup.deduplication import Kept, Offsets, RemovedLine
from transforms.dedup.exact import ExactDeduplication, Units
from transforms.documents import drop, with_column
from transforms.kernels.lines import document_keys

REASON = "repeated_title"


@dataclass(frozen=True)
class DeduplicateTitles(ExactDeduplication):
    """Take the first line out of documents where another one begins with it; short ones go."""

    min_chars: int

    def units(self, batch: pa.RecordBatch) -> Units:
        titles = pa.array([text.split("\n")[0] for text in batch["text"].to_pylist()], pa.string())
        return Units(document_keys(titles), self.count(batch))

    def shuffle_bytes(self, text_bytes: float, document_bytes: float) -> int:
        return int(12 * text_bytes / document_bytes)

    def apply(self, batch: pa.RecordBatch, units: Offsets, kept: Kept) -> pa.RecordBatch:
        pairs = zip(batch["text"].to_pylist(), kept, strict=True)
        texts = pa.array([self.cut(text, mine) for text, mine in pairs], pa.string())
        short = pc.less(pc.utf8_length(texts), self.min_chars).to_numpy(zero_copy_only=False)
        return drop(with_column(batch, "text", texts), short, "too_short")

    def cut(self, text: str, kept: Kept) -> str:
        return text if kept else text.partition("\n")[2]

    def removed_lines(self, text: str, kept: Kept) -> list[RemovedLine]:
        return [] if kept else [RemovedLine(0, text.split("\n")[0], REASON, unit=0)]


class NoDeduplication:
    """A class that is none, and that a recipe may not name."""
