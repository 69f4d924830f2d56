"""Near-duplicates: documents of which more than a given part is the same.

The *overlap* of two documents is the Jaccard similarity of their sets of shingles: runs of
``shingle_words`` consecutive words (``transforms.dedup.shingles``). Pairs that may overlap are
found by MinHash and banding (Broder 1997; Leskovec, Rajaraman and Ullman, *Mining of Massive
Datasets*, chapter 3): a signature of ``bands * rows`` minima, and a key for each band of ``rows``
of them. A pair of overlap ``s`` shares a key with probability ``1 - (1 - s ** rows) ** bands``.
The documents that share a band's key are its *bucket*, where each *meets* the ``max_neighbours``
just ahead of it in the order of preference. Of those that it meets, a document is compared with the
``max_partners`` likeliest, by :meth:`DeduplicateNear.choose`, and a pair counts only where its
overlap, from the shingles themselves, is over ``min_overlap``. One exception saves the shingles of
copies: where all minima agree, and those of a pair that overlaps by ``min_overlap`` would do so
less than once in a million times, the document goes without being compared.

Of a verified pair, the less preferred document goes: a rule that needs nothing but the pair, so no
machine has to hold all documents or the groups they form. Preference is a strict order, so no two
documents that stay were found to overlap, and the most preferred document of any group stays. In a
chain A > B > C with A like B and B like C, both B and C go, even if A and C overlap less: the
Jaccard distance is a metric, so every link of a chain loses at most ``1 - min_overlap``.

The first pass calls, in this order, :meth:`DeduplicateNear.sketch` and :func:`band_parts` for the
packed arrays that are shuffled by band key, :meth:`DeduplicateNear.meetings` for the pairs of a
partition, :meth:`DeduplicateNear.choose` for those pairs of a document that are compared,
:func:`numbers_in_pairs` for the documents whose shingles that takes, and
:meth:`DeduplicateNear.is_near` for the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.dedup.deduplication import SPLIT_BITS, Kept, Offsets
from transforms.dedup.exact import partition_bounds
from transforms.dedup.indexed import IndexedDeduplication
from transforms.dedup.near_kernels import LOW, band_keys, bucket_pairs, permutations, shared
from transforms.dedup.shingles import (
    WORDS_FORM,
    Hashes,
    Shingles,
    distinct_shingles,
    with_shingles_of,
)
from transforms.dedup.sketch_files import Minima
from transforms.documents import drop
from transforms.segmentation import Segmented, check_segmenter, segmented

CHUNK_PAIRS = 1 << 20
"""Most pairs that are worked out at a time, which bounds a worker's memory (24 MB, and copies)."""

MAX_CHANCE_OF_EQUAL_MINIMA = 1e-6
"""Highest probability of a pair of overlap ``min_overlap`` to agree in all minima at which agreeing
in all of them counts as overlapping by more."""

BAND_KEY_BYTES = 24
"""Bytes of a band's key in the shuffle, with what orders the documents."""

CLUSTER_BYTES = 48
"""Bytes of a pair in the shuffles of one turn, in which the sizes of clusters are looked for."""

References = npt.NDArray[np.uint64]
"""Documents as numbers: ``split << 32 | number of the document in its split``, by the numbers of
splits that go in front of one another by the rank of their sources. A pair is a row of
two, the less preferred document first, which goes if the two are found to overlap."""

Meetings = npt.NDArray[np.uint64]
"""Meetings of pairs, a row each: the pair, and the number of documents in the bucket where it met,
with the number of the preferred one's shingles in the upper half. A pair has a row for each band
whose key the two documents share."""

_WEIGHT = np.uint64(1 << 32)  # of meetings, shared by their bucket; whole numbers add up exactly


class Sketch(NamedTuple):
    """Keys and sizes of the documents of a batch, by which their near-duplicates are found."""

    band_keys: Hashes  # one row a document, one column a band
    shingles: npt.NDArray[np.int64]  # number of distinct ones a document
    chars: npt.NDArray[np.int64]
    minima: npt.NDArray[np.uint16]  # the low 2 bytes of each, a row a document


class BandPart(NamedTuple):
    """The band keys of a batch that fall into one partition, with what orders the documents."""

    keys: Hashes
    references: References
    shingles: npt.NDArray[np.uint32]
    chars: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class DeduplicateNear(IndexedDeduplication):
    """Drop documents of which more than ``min_overlap`` stands in one that is preferred to them.

    ``prefer`` is the longest text in characters, or the first in the order of the input, which also
    breaks ties. Across sources, a document of a preferred one comes ahead of all others. In a
    band's bucket each document meets the ``max_neighbours`` that come just ahead of it in the order
    of preference (the sorted neighbourhood of Hernandez and Stolfo 1995), and it is compared with
    the ``max_partners`` likeliest of all that it meets. With `first` the ones just ahead are of any
    length, so in a larger bucket half of ``max_neighbours`` are the shortest ones ahead that are
    long enough: pages of one template overlap the most with the shortest. Where more than
    ``max_neighbours`` documents are somewhat alike, some pairs are not found: 1 to 2.3 % of what
    goes, measured on pages of one template. A document whose minima all agree with another's goes
    without being compared, unless chance could well have made them agree. With ``record``,
    documents that stay are given the number of those that pairs which were found alike connect with
    them, themselves counted. In languages without white space between words every character is a
    word, unless ``segmenters`` names what finds their words (:mod:`transforms.segmentation`).

    Documents of earlier runs (``against``) are preferred to all, and their texts are not read. In a
    band's bucket a document meets the last ``max_neighbours`` of each index, and it goes where the
    overlap with any that it meets is over ``min_overlap``, as their minima estimate it: with a
    standard error of ``sqrt(s * (1 - s) / (bands * rows))`` at an overlap of ``s``.
    """

    compares_texts = True
    finds_near_duplicates = True

    min_overlap: float
    shingle_words: int
    bands: int
    rows: int
    prefer: Literal["longest", "first"]
    max_neighbours: int
    max_partners: int
    _: KW_ONLY
    record: Literal["cluster_size"] | None = None  # into the metadata of documents that stay
    segmenters: dict[str, Segmented] | None = None  # of words, by the code of the language

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.min_overlap < 1:
            raise ValueError(f"min_overlap: expected 0 <= x < 1, found {self.min_overlap}")
        for name in ("shingle_words", "bands", "rows", "max_neighbours", "max_partners"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a number above 0, found {getattr(self, name)}")

    @classmethod
    def check(cls, **parameters: Any) -> None:
        """Raise ValueError as for any index, and where a segmenter is not installed."""
        super().check(**parameters)
        for language, name in (parameters.get("segmenters") or {}).items():
            try:
                check_segmenter(name)
            except ValueError as error:
                raise ValueError(f"segmenters.{language}: {error}") from None

    @classmethod
    def made_with(cls, **parameters: Any) -> dict[str, Any]:
        """Return what the band keys and minima of two runs must have in common."""
        names = "shingle_words", "bands", "rows"
        segmenters = parameters.get("segmenters")
        return {
            **{name: parameters[name] for name in names},
            "words": WORDS_FORM,
            **({"segmenters": segmenters} if segmenters else {}),
        }

    @property
    def n_minima(self) -> int:
        """Minima of a document."""
        return self.bands * self.rows

    @property
    def told_on_card(self) -> dict[str, Any]:
        """The standard error of the overlap that minima estimate, where it is greatest."""
        return {"standard_error_at_most": round(0.5 / self.n_minima**0.5, 4)}

    def shuffle_bytes(self, text_bytes: float, document_bytes: float) -> int:
        """Estimate the bytes of the documents' band keys, or of a turn's pairs if these are more.

        The turns follow, each a pipeline of its own, so these are not held at the same time.
        """
        pairs = CLUSTER_BYTES * self.max_partners if self.records_sizes else 0
        return int(text_bytes / document_bytes * max(self.bands * BAND_KEY_BYTES, pairs))

    @property
    def records_sizes(self) -> bool:
        """Whether the sizes of clusters are looked for."""
        return self.record is not None

    def shingles(self, batch: pa.RecordBatch) -> Shingles:
        """Return the distinct shingles of every document of a batch."""
        found = distinct_shingles(batch["text"], shingle_words=self.shingle_words)
        for language, name in (self.segmenters or {}).items():
            mine = pc.equal(batch["language"], language).fill_null(False)
            if mine.true_count:
                texts = segmented(batch["text"].filter(mine), name)
                others = distinct_shingles(
                    texts, shingle_words=self.shingle_words, are_segmented=True
                )
                found = with_shingles_of(found, mine.to_numpy(zero_copy_only=False), others)
        return found

    def sketch(self, batch: pa.RecordBatch) -> Sketch:
        """Return the band keys and the sizes of every document of a batch."""
        hashes, offsets = self.shingles(batch)
        chars = pc.utf8_length(batch["text"]).to_numpy().astype(np.int64)
        keys, minima = band_keys(hashes, offsets, *permutations(self.n_minima), self.bands)
        return Sketch(keys, np.diff(offsets), chars, minima)

    def meetings(self, parts: Iterable[BandPart]) -> Iterator[Meetings]:
        """Yield the pairs that meet in one partition, :data:`CHUNK_PAIRS` at most at a time.

        The parts may come in any order. Pairs whose numbers of shingles alone exclude the overlap
        are left out.
        """
        columns = list(zip(*parts, strict=True))
        if not columns:
            return
        keys, references, shingles, chars = map(np.concatenate, columns)
        negative = -chars.astype(np.int64) if self.prefer == "longest" else np.zeros(len(keys))
        ranks = references >> np.uint64(32 + SPLIT_BITS)
        order = np.lexsort((references, negative, ranks, keys))
        _, sizes = np.unique(keys, return_counts=True)
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        ordered = references[order], shingles[order], starts, np.repeat(sizes, sizes)
        room = np.empty((max(CHUNK_PAIRS, self.max_neighbours), 3), np.uint64)
        n_small = self.max_neighbours // 2 if self.prefer == "first" else 0
        begin = 0
        while begin < len(order):
            n_pairs, begin = bucket_pairs(
                *ordered, self.min_overlap, self.max_neighbours, n_small, begin, room
            )
            yield room[:n_pairs].copy()

    def choose(self, met: Meetings) -> tuple[References, References]:
        """Return pairs of which one document surely goes, and the pairs to compare, each once.

        The sure ones name each document that goes once, with the first that is its like.

        Documents are chosen for one by one, so ``met`` needs all meetings of a document in which it
        is the less preferred, and may have those of any number of documents, in any order. The
        likeliest partners are those with the largest sum, over the bands where the two met, of one
        divided by the bucket's documents: who shares a key with half the corpus may be anyone. With
        ``prefer: first`` the last of several partners is the shortest document that is met, where
        it is not among the others. What is shared being equal, that overlaps the most.
        """
        met = met[np.lexsort((met[:, 1], met[:, 0]))]
        is_first = np.ones(len(met), bool)
        is_first[1:] = (met[1:, :2] != met[:-1, :2]).any(axis=1)
        firsts = np.flatnonzero(is_first)
        pairs = met[firsts, :2]
        bands = np.diff(np.append(firsts, len(met)))
        weights = np.add.reduceat(_WEIGHT // (met[:, 2] & LOW), firsts).astype(np.int64)
        shingles = met[firsts, 2] >> np.uint64(32)
        certain = self.min_overlap**self.n_minima < MAX_CHANCE_OF_EQUAL_MINIMA
        same = pairs[certain & (bands == self.bands)]
        same = same[np.unique(same[:, 0], return_index=True)[1]]
        undecided = ~np.isin(pairs[:, 0], same[:, 0])
        pairs, weights, shingles = pairs[undecided], weights[undecided], shingles[undecided]
        order = np.lexsort((-weights, pairs[:, 0]))  # stable: then by the other document
        pairs, shingles = pairs[order], shingles[order]
        _, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
        rank = np.arange(len(pairs)) - np.repeat(starts, counts)
        chosen = rank < self.max_partners
        if self.prefer == "first" and self.max_partners > 1:
            shortest = np.lexsort((shingles, pairs[:, 0]))[starts]
            others = ~chosen[shortest]
            chosen[starts[others] + self.max_partners - 1] = False
            chosen[shortest[others]] = True
        return same, pairs[chosen]

    def overlap(self, a: Hashes, b: Hashes) -> float:
        """Return the Jaccard similarity of two documents' distinct, ascending shingles."""
        n_shared = shared(a, b)
        union = len(a) + len(b) - n_shared
        return n_shared / union if union else 0.0

    def is_near(self, a: Hashes, b: Hashes) -> bool:
        """Say whether two documents, given by their shingles, overlap by more than is allowed."""
        return self.overlap(a, b) > self.min_overlap

    def are_near(self, a: Minima, b: Minima) -> Kept:
        """Say of pairs, a row each, whether they overlap by more than is allowed, as minima say."""
        fewer, more = np.minimum(a.shingles, b.shingles), np.maximum(a.shingles, b.shingles)
        estimated = (a.minima == b.minima).mean(axis=1)
        near: Kept = (fewer > self.min_overlap * more) & (estimated > self.min_overlap)
        return near

    def apply(self, batch: pa.RecordBatch, units: Offsets, kept: Kept) -> pa.RecordBatch:
        """Drop the documents where ``kept`` is false."""
        return drop(batch, ~kept, "near_duplicate")


def band_parts(
    sketch: Sketch, split: int, first_document: int, n_partitions: int
) -> Iterator[tuple[int, BandPart]]:
    """Divide a batch's band keys by partition, an equal range of the keys each; none is empty.

    ``first_document`` is the number in the split of the batch's first document. Documents without
    words are in no part.
    """
    n_documents, bands = sketch.band_keys.shape
    assert first_document + n_documents <= 1 << 32, "a split has more than 2^32 documents"
    assert sketch.chars.max(initial=0) < 1 << 32
    with_words = np.flatnonzero(sketch.shingles)
    keys = sketch.band_keys[with_words].ravel()
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    documents = np.repeat(with_words, bands)[order]
    references = np.uint64(split << 32 | first_document) + documents.astype(np.uint64)
    shingles = sketch.shingles[documents].astype(np.uint32)
    chars = sketch.chars[documents].astype(np.uint32)
    for partition, (start, end) in enumerate(pairwise(partition_bounds(keys, n_partitions))):
        here = slice(start, end)
        if start < end:
            yield partition, BandPart(keys[here], references[here], shingles[here], chars[here])


def pack(part: BandPart) -> bytes:
    """Serialise a part for the shuffle: 24 bytes a key."""
    return b"".join(column.tobytes() for column in part)


def unpack(data: bytes) -> BandPart:
    """Read back what :func:`pack` wrote."""
    n = len(data) // BAND_KEY_BYTES
    return BandPart(
        np.frombuffer(data, np.uint64, n),
        np.frombuffer(data, np.uint64, n, 8 * n),
        np.frombuffer(data, np.uint32, n, 16 * n),
        np.frombuffer(data, np.uint32, n, 20 * n),
    )


def rows_by_split(references: References) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Divide documents by split: yield each split, ascending, and the rows of its documents."""
    splits = references >> np.uint64(32)
    order = np.argsort(splits, kind="stable")
    distinct, starts = np.unique(splits[order], return_index=True)
    ends = np.append(starts, len(order)).tolist()
    for split, (start, end) in zip(distinct.tolist(), pairwise(ends), strict=True):
        yield split, order[start:end]


def numbers_in_pairs(
    pairs: References, split: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Return the documents of a split that stand in pairs, and the rows of these pairs.

    A document is there as often as it stands in a pair. Both arrays are in ascending order of the
    documents' numbers in the split.
    """
    rows, sides = np.nonzero(pairs >> np.uint64(32) == np.uint64(split))
    numbers = (pairs[rows, sides] & LOW).astype(np.uint32)
    order = np.argsort(numbers, kind="stable")
    return numbers[order], rows[order]
