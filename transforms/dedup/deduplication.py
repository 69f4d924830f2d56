"""Deduplications: what all kinds have in common, as the passes and the looks at a run ask for it.

A deduplication compares the documents of a source, or of several, or parts of them. What it
decides on is a *unit*: a document, or a line of one. The units of a split are numbered in reading
order. A first pass decides which units go, and keeps one bit for each; whoever reads the documents
again has them decided by these bits, and nothing is compared a second time.

Where it compares several sources, they stand in an order of preference. A split's *number* is then
that of the split in its source, with the source's rank in front: so the order of the numbers is the
order of preference, and a source alone has the numbers of its splits.

A kind of deduplication is a subclass of :class:`Deduplication`. It says everything about itself
but what makes its decisions on many machines, which ``pipeline/passes/first/deduplications.py``
names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Kept = npt.NDArray[np.bool_]
"""Decisions about consecutive units: true where a unit stays."""

Offsets = npt.NDArray[np.int64]
"""Bounds of the units of documents: document ``d`` has those in ``offsets[d]:offsets[d + 1]``."""


SPLIT_BITS = 24
"""Bits of a split's number within its source; the source's rank stands in the 7 above them."""

MAX_SOURCES = 1 << 7
"""Most sources that one deduplication compares."""


def ranked(rank: int, split: int) -> int:
    """Return the number of a split of the source with this rank."""
    assert rank < MAX_SOURCES and split < 1 << SPLIT_BITS, "a source has more than 2^24 splits"
    return rank << SPLIT_BITS | split


def unranked(number: int) -> tuple[int, int]:
    """Return the rank of the source and the split within it that a number stands for."""
    return number >> SPLIT_BITS, number & ((1 << SPLIT_BITS) - 1)


class RemovedLine(NamedTuple):
    """A line that a deduplication took out of a document."""

    line: int  # its number in the document, from 0
    text: str
    reason: str
    unit: int  # number, in the document, of the unit for which it went


@dataclass(frozen=True)
class Deduplication(ABC):
    """A deduplication with a recipe's parameters. A subclass is one kind of it.

    Kinds that drop whole documents need :meth:`shuffle_bytes` and :meth:`apply` alone. Those that
    take parts out of documents have their own of every method.
    """

    compares_texts: ClassVar[bool] = False
    """Whether the first pass reads documents a second time, to compare those that may be alike."""

    finds_near_duplicates: ClassVar[bool] = False
    """Whether documents that are nearly the same are found, beside those that are the same."""

    _: KW_ONLY
    window_files: int | None = None  # compare within so many input files; null: the whole source

    def __post_init__(self) -> None:
        if self.window_files is not None and self.window_files < 1:
            raise ValueError(
                f"window_files: expected null or a number above 0, found {self.window_files}"
            )

    @abstractmethod
    def shuffle_bytes(self, text_bytes: float, document_bytes: float) -> int:
        """Estimate the bytes that a first pass over so much text shuffles.

        ``document_bytes`` is the size of a typical document of the source.
        """

    @property
    def names_survivors(self) -> bool:
        """Whether the first pass notes what each document that goes fell to."""
        return True

    @property
    def records_sizes(self) -> bool:
        """Whether documents that stay are given the size of their cluster, themselves counted."""
        return False

    def count(self, batch: pa.RecordBatch) -> Offsets:
        """Count the units of each document of a batch: return their bounds."""
        return np.arange(batch.num_rows + 1, dtype=np.int64)

    @abstractmethod
    def apply(self, batch: pa.RecordBatch, units: Offsets, kept: Kept) -> pa.RecordBatch:
        """Apply the decisions about the units of a batch, whose bounds are ``units``."""

    def cut(self, text: str, kept: Kept) -> str:
        """Apply the decisions about the units of one document: return what stays of its text.

        As :meth:`apply` does for a batch, but for a look at a few documents: without numba.
        """
        return text

    def removed_lines(self, text: str, kept: Kept) -> list[RemovedLine] | None:
        """List the lines that go from one document; None where decisions are not about lines."""
        return None
