"""Exact repeated spans (Lee et al., arXiv 2107.06499): passages of bytes that stood before.

The units are spans (``transforms.kernels.spans``): at every cut of a text begins one of
``min_bytes`` or a little more, and spans overlap. A span that equals an earlier one goes, so of a
passage that is repeated goes all that lies in such spans. Every byte that goes stood in an earlier
place, in the same surroundings of ``min_bytes`` at least. What may stay are the first and the last
bytes of a repeated passage, up to where it is cut in all copies.

Keys of spans are compared as those of lines are: no text is shuffled, and no machine holds a suffix
array, which takes several times the bytes of all texts that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.dedup.deduplication import Kept, Offsets, RemovedLine
from transforms.dedup.exact import ExactDeduplication, Units
from transforms.documents import drop, with_column
from transforms.kernels.spans import reach_of, span_keys, spans, without_spans

LEAST_MIN_BYTES = 64
"""Least ``min_bytes``: of shorter spans the keys would be more than the text."""


@dataclass(frozen=True)
class DeduplicateSpans(ExactDeduplication):
    """Remove spans of bytes that stand elsewhere, too; drop documents that lose most of theirs.

    A passage that stands in two places is found where it is half as long again as ``min_bytes`` and
    ten bytes, and mostly where it is a little longer than ``min_bytes``. Whole texts are found from
    ``min_bytes`` on. Pieces are taken out as they are: what stood around them is joined without a
    space. With ``keep: first`` the first copy stays, with ``none`` passages of several documents go
    altogether.
    """

    min_bytes: int
    max_removed_share: float  # of a document's bytes; over it, the document is dropped

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_bytes < LEAST_MIN_BYTES:
            raise ValueError(
                f"min_bytes: expected {LEAST_MIN_BYTES} or more, found {self.min_bytes}"
            )
        if not 0 <= self.max_removed_share <= 1:
            raise ValueError(
                f"max_removed_share: expected 0 <= x <= 1, found {self.max_removed_share}"
            )

    @classmethod
    def made_with(cls, **parameters: Any) -> dict[str, Any]:
        """Return what the spans of two runs must have in common: those of other lengths differ."""
        return {"min_bytes": parameters["min_bytes"]}

    @property
    def names_survivors(self) -> bool:
        """Whether the first pass notes the other copy: not of spans, which are many."""
        return False

    def units(self, batch: pa.RecordBatch) -> Units:
        """Make the keys of the spans of a batch."""
        found = spans(batch["text"], self.min_bytes)
        return Units(span_keys(batch["text"], found), found.offsets)

    def shuffle_bytes(self, text_bytes: float, document_bytes: float) -> int:
        """Estimate the bytes of the spans' fingerprints: a cut every half reach, on average."""
        n_spans = text_bytes / (reach_of(self.min_bytes) / 2)
        return int(n_spans * self.bytes_of_key)

    def count(self, batch: pa.RecordBatch) -> Offsets:
        """Count the spans of each document: return their bounds."""
        return spans(batch["text"], self.min_bytes).offsets

    def apply(self, batch: pa.RecordBatch, units: Offsets, kept: Kept) -> pa.RecordBatch:
        """Take out the spans where ``kept`` is false; drop documents that lose too much."""
        if kept.all():
            return batch
        rest = without_spans(batch["text"], spans(batch["text"], self.min_bytes), kept)
        lost, whole = rest.removed_bytes, rest.text_bytes
        too_much = (lost > self.max_removed_share * whole) | ((lost > 0) & (lost == whole))
        return drop(with_column(batch, "text", rest.texts), too_much, "repeated_spans")

    def cut(self, text: str, kept: Kept) -> str:
        """Take the spans where ``kept`` is false out of one text."""
        column = pa.array([text], pa.string())
        rest: str = without_spans(column, spans(column, self.min_bytes), kept).texts[0].as_py()
        return rest

    def lines_of_units(self, text: str) -> npt.NDArray[np.int64]:
        """Return the line in which each span begins."""
        found = spans(pa.array([text], pa.string()), self.min_bytes)
        newlines = np.flatnonzero(np.frombuffer(text.encode(), np.uint8) == ord("\n"))
        return np.searchsorted(newlines, found.starts)

    def removed_lines(self, text: str, kept: Kept) -> list[RemovedLine]:
        """List what goes of one text, by the lines that it stands in."""
        found = spans(pa.array([text], pa.string()), self.min_bytes)
        data = text.encode()
        pieces = []
        done = 0
        for unit in np.flatnonzero(~kept).tolist():
            start = max(int(found.starts[unit]), done)  # spans overlap
            end = int(found.ends[unit])
            first = data.count(b"\n", 0, start)
            for line, piece in enumerate(data[start:end].decode().split("\n"), first):
                if piece:
                    pieces.append(RemovedLine(line, piece, "repeated_span", unit))
            done = end
        return pieces
