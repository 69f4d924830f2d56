"""Exact deduplication over a whole source by 64-bit keys: of lines, as CCNet does, or of documents.

A *unit* is what is compared: a line of a document, or the document. Units of a split are numbered
in reading order. The first pass makes a :class:`Fingerprint` of each chunk of a split: one key and
one unit number for each distinct key in it, and the units that repeat an earlier one of the chunk.
Only that is shuffled, 12 bytes a distinct key, by the key's partition. :func:`decide` then names
the units that go; the second pass reads the documents again and removes them.

CCNet (arXiv 1911.00359): within a document the first copy of a line stays; a line found in more
than one document goes from all of them (``keep: none``), or stays where it comes first in the
order of the input (``keep: first``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.dedup.deduplication import Kept, Offsets, RemovedLine
from transforms.dedup.indexed import IndexedDeduplication
from transforms.documents import drop, with_column

MAX_UNITS = 1 << 31
"""Most units of a split; the top bit of a unit's number in a fingerprint is a flag."""

REPEATED = np.uint32(1 << 31)
"""Flag in the number of a key's first unit: several documents of the chunk have the key."""

FINGERPRINT_BYTES_PER_UNIT = 12
"""Bytes of a distinct key in the shuffle: the key, and the number of its first unit."""

COUNT_BYTES = 4
"""Bytes more of a distinct key in the shuffle where its units are counted."""

TEXT_BYTES_PER_LINE = 45
"""Bytes of text for each line that a first pass hashes, estimated low; measured on samples."""

Keys = npt.NDArray[np.uint64]
UnitNumbers = npt.NDArray[np.uint32]


class Units(NamedTuple):
    """Units of a batch, in order: their keys, and whose they are."""

    keys: Keys
    offsets: Offsets


@dataclass(frozen=True)
class ExactDeduplication(IndexedDeduplication):
    """Compares units by 64-bit keys; equal keys are equal units. A subclass says what a unit is."""

    keep: Literal["none", "first"]

    @property
    def counts_units(self) -> bool:
        """Whether the first pass counts the units of each key: for metadata, or for the index."""
        return self.records_sizes or self.index

    @property
    def bytes_of_key(self) -> int:
        """Bytes of a distinct key in the shuffle."""
        return FINGERPRINT_BYTES_PER_UNIT + (COUNT_BYTES if self.counts_units else 0)

    @abstractmethod
    def units(self, batch: pa.RecordBatch) -> Units:
        """Make the keys of the units of a batch."""

    def lines_of_units(self, text: str) -> npt.NDArray[np.int64] | None:
        """Return the line in which each unit of a text begins; None where units are documents."""
        return None


@dataclass(frozen=True)
class DeduplicateLines(ExactDeduplication):
    """Remove lines that stand in several documents (CCNet); drop documents left without any."""

    @property
    def names_survivors(self) -> bool:
        """Whether the first pass notes the other copy: not of lines, which are many."""
        return False

    def units(self, batch: pa.RecordBatch) -> Units:
        """Make the keys of the lines of a batch."""
        from transforms.kernels.lines import paragraph_keys

        return Units(*paragraph_keys(batch["text"]))

    def shuffle_bytes(self, text_bytes: float, document_bytes: float) -> int:
        """Estimate the bytes of the lines' fingerprints."""
        return int(text_bytes / TEXT_BYTES_PER_LINE * self.bytes_of_key)

    def count(self, batch: pa.RecordBatch) -> Offsets:
        """Count the lines of each document, without hashing them: return their bounds."""
        lines = pc.add(pc.count_substring(batch["text"], "\n"), 1).to_numpy()
        return np.concatenate([[0], np.cumsum(lines)]).astype(np.int64)

    def apply(self, batch: pa.RecordBatch, units: Offsets, kept: Kept) -> pa.RecordBatch:
        """Keep the lines where ``kept`` is true; drop documents of which no line stays."""
        from transforms.kernels.lines import keep_lines

        texts = keep_lines(batch["text"], units, kept)
        any_kept = _any_in_each(kept, units)
        return drop(with_column(batch, "text", texts), ~any_kept, "no_unique_line")

    def cut(self, text: str, kept: Kept) -> str:
        """Keep the lines of one text where ``kept`` is true."""
        lines = text.split("\n")
        return "\n".join(line for line, stays in zip(lines, kept, strict=True) if stays)

    def lines_of_units(self, text: str) -> npt.NDArray[np.int64]:
        """Return the lines, which are the units."""
        return np.arange(text.count("\n") + 1)

    def removed_lines(self, text: str, kept: Kept) -> list[RemovedLine]:
        """List the lines of one text where ``kept`` is false."""
        lines = text.split("\n")
        gone = np.flatnonzero(~kept).tolist()
        return [RemovedLine(i, lines[i], "duplicate_line", unit=i) for i in gone]


@dataclass(frozen=True)
class DeduplicateDocuments(ExactDeduplication):
    """Drop documents whose whole text stands elsewhere in the source."""

    record: Literal["cluster_size"] | None = None  # into the metadata of the copy that stays

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.record and self.keep == "none":
            raise ValueError("record: of documents with copies none stays; give keep: first")

    @property
    def names_survivors(self) -> bool:
        """Whether the first pass notes the other copy: where one stays."""
        return self.keep == "first"

    @property
    def records_sizes(self) -> bool:
        """Whether copies are counted."""
        return self.record is not None

    def units(self, batch: pa.RecordBatch) -> Units:
        """Make the keys of the documents of a batch."""
        from transforms.kernels.lines import document_keys

        return Units(document_keys(batch["text"]), self.count(batch))

    def shuffle_bytes(self, text_bytes: float, document_bytes: float) -> int:
        """Estimate the bytes of the documents' fingerprints."""
        return int(text_bytes / document_bytes * self.bytes_of_key)

    def apply(self, batch: pa.RecordBatch, units: Offsets, kept: Kept) -> pa.RecordBatch:
        """Drop the documents where ``kept`` is false."""
        return drop(batch, ~kept, "duplicate_document")


def _any_in_each(mask: Kept, offsets: Offsets) -> Kept:
    """Tell for every document whether ``mask`` is true for any of its units."""
    before = np.concatenate([[0], np.cumsum(mask)])
    return before[offsets[1:]] > before[offsets[:-1]]


class Fingerprint(NamedTuple):
    """Keys of a chunk of a split, and the units that repeat them: what the first pass keeps."""

    keys: Keys  # distinct, ascending
    firsts: UnitNumbers  # the first unit of each key in the chunk, with the flag REPEATED
    repeats: UnitNumbers  # units that repeat an earlier one of the chunk; they go in any case
    repeated: UnitNumbers  # for each of these, the first unit of the chunk that it repeats


def fingerprint(
    keys: Keys, document_of_unit: npt.NDArray[np.int64], first_unit: int
) -> Fingerprint:
    """Make the fingerprint of consecutive units, the first of which has number ``first_unit``."""
    assert first_unit + len(keys) <= MAX_UNITS, "a split has more than 2^31 units"
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.ones(len(keys), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_first)
    last = np.append(starts[1:], len(keys)) - 1 if len(keys) else starts
    # The order is stable: a key's first and last unit are in its first and last document.
    across = document_of_unit[order[starts]] != document_of_unit[order[last]]
    firsts = (order[starts] + first_unit).astype(np.uint32)
    firsts[across] |= REPEATED
    repeated = np.repeat(order[starts], last - starts)
    # As one number each, for that sorts several times as fast as two arrays.
    both = (order[~is_first] + first_unit) << 32 | (repeated + first_unit)
    both.sort()
    return Fingerprint(
        ordered[starts],
        firsts,
        (both >> 32).astype(np.uint32),
        both.astype(np.uint32),
    )


def partition_bounds(keys: Keys, n_partitions: int) -> npt.NDArray[np.int64]:
    """Return where each of ``n_partitions`` equal ranges of keys begins and ends in sorted keys."""
    edges = [((p << 64) // n_partitions) for p in range(1, n_partitions)]
    inner = np.searchsorted(keys, np.array(edges, np.uint64))
    return np.concatenate([[0], inner, [len(keys)]]).astype(np.int64)


class Part(NamedTuple):
    """The keys of one partition in the fingerprint of one chunk."""

    split: int
    keys: Keys
    firsts: UnitNumbers
    counts: UnitNumbers | None = None  # of the units that have each key, where they are counted


def counts_of(chunk: Fingerprint) -> UnitNumbers:
    """Count the units of a chunk that have each of its keys."""
    firsts = chunk.firsts & ~REPEATED
    order = np.argsort(firsts)
    places = order[np.searchsorted(firsts[order], chunk.repeated)]
    return (1 + np.bincount(places, minlength=len(firsts))).astype(np.uint32)


def pack(part: Part) -> bytes:
    """Serialise a part for the shuffle: two u32 of header, keys, unit numbers, counts if any."""
    header = np.array([part.split, len(part.keys)], np.uint32)
    counts = b"" if part.counts is None else part.counts.tobytes()
    return b"".join([header.tobytes(), part.keys.tobytes(), part.firsts.tobytes(), counts])


def unpack(data: bytes) -> Part:
    """Read back what :func:`pack` wrote."""
    split, n = np.frombuffer(data, np.uint32, 2).tolist()
    counts_at = 8 + FINGERPRINT_BYTES_PER_UNIT * n
    return Part(
        split,
        np.frombuffer(data, np.uint64, n, 8),
        np.frombuffer(data, np.uint32, n, 8 + 8 * n),
        np.frombuffer(data, np.uint32, n, counts_at) if n and len(data) > counts_at else None,
    )


class Clusters(NamedTuple):
    """First units of a split that other units equal, and how many have the key of each."""

    split: int
    units: UnitNumbers
    sizes: UnitNumbers


def cluster_sizes(parts: Iterable[Part]) -> Iterator[Clusters]:
    """Count the units of each key of one partition that several have, by the split of the first."""
    columns = [
        (part.keys, np.full(len(part.keys), part.split), part.firsts & ~REPEATED, part.counts)
        for part in parts
    ]
    if not columns:
        return
    keys, splits, firsts, counts = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.lexsort((firsts, splits, keys))
    keys, splits, firsts = keys[order], splits[order], firsts[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sizes = np.add.reduceat(counts[order].astype(np.uint64), starts)
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    for split in np.unique(splits[starts]).tolist():
        mine = splits[starts] == split
        yield Clusters(split, firsts[starts[mine]], sizes[mine].astype(np.uint32))


class Decided(NamedTuple):
    """Units of a split that go, and of some the first unit anywhere that has the key."""

    split: int
    units: UnitNumbers
    named: UnitNumbers  # of these, those whose key no earlier run has
    first_splits: npt.NDArray[np.int64]  # for each that is named
    first_units: UnitNumbers


def distinct_keys(parts: Iterable[Part]) -> Keys:
    """Return the keys of one partition, each once, ascending."""
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *(part.keys for part in parts)]))


def counts_of_keys(parts: Iterable[Part]) -> npt.NDArray[np.uint64]:
    """Count the units that have each of the :func:`distinct_keys`."""
    columns = [(part.keys, part.counts) for part in parts if part.counts is not None]
    if not columns:
        return np.zeros(0, np.uint64)
    keys, counts = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(keys, kind="stable")
    _, starts = np.unique(keys[order], return_index=True)
    return np.add.reduceat(counts[order].astype(np.uint64), starts)


def decide_with_firsts(
    parts: Iterable[Part],
    keep: Literal["none", "first"],
    older: Kept | None = None,
    *,
    named: bool = True,
) -> Iterator[Decided]:
    """Name the units of one partition that go, split by split, and what they repeat.

    The parts may come in any order. Splits are in the order of their numbers, so that ``first``
    means the same on every runner.
    ``older`` tells of each of the :func:`distinct_keys` whether an earlier run has it: then its
    units go, whatever is kept. Without ``named`` it is not said what they repeat.
    """
    ordered = sorted(parts, key=lambda part: (part.split, int(part.firsts[0] & ~REPEATED)))
    if not ordered:
        return
    keys = np.concatenate([part.keys for part in ordered])
    firsts = np.concatenate([part.firsts for part in ordered])
    splits = np.repeat([part.split for part in ordered], [len(part.keys) for part in ordered])
    order = np.argsort(keys, kind="stable")
    keys, firsts, splits = keys[order], firsts[order], splits[order]
    equals_last = np.zeros(len(keys), bool)
    equals_last[1:] = keys[1:] == keys[:-1]
    if keep == "first":
        goes = equals_last
    else:
        goes = equals_last | ((firsts & REPEATED) != 0)
        goes[:-1] |= equals_last[1:]
    if older is not None:
        are_older = older[np.cumsum(~equals_last) - 1]
        goes = goes | are_older
    gone = np.flatnonzero(goes)
    gone = gone[np.argsort(splits[gone], kind="stable")]
    starts = np.flatnonzero(~equals_last) if named else gone[:0]
    edges = [*np.flatnonzero(np.diff(splits[gone], prepend=-1)), len(gone)]
    for start, end in pairwise(edges):
        mine = gone[start:end]
        by_this_run = mine[:0]
        if named:
            by_this_run = mine if older is None else mine[~are_older[mine]]
        first = starts[np.searchsorted(starts, by_this_run, side="right") - 1]
        yield Decided(
            int(splits[mine[0]]),
            firsts[mine] & ~REPEATED,
            firsts[by_this_run] & ~REPEATED,
            splits[first],
            firsts[first] & ~REPEATED,
        )
