"""Near-duplicates in memory, their shingles in plain Python, and the step to compare books by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa

from transforms.dedup.near import BandPart, DeduplicateNear, band_parts
from transforms.dedup.shingles import Hashes
from transforms.documents import documents

BOOKS = DeduplicateNear(
    min_overlap=0.9, shingle_words=5, bands=20, rows=8, prefer="longest",
    max_neighbours=8, max_partners=4,
)  # fmt: skip


def batch_of(texts: Iterable[str], ids: Iterable[str] | None = None) -> pa.RecordBatch:
    """Make a batch of texts; without ``ids`` they are numbered."""
    texts = list(texts)
    return documents(list(ids or (str(i) for i in range(len(texts)))), texts)


def plain_shingles(text: str, n: int) -> set[tuple[str, ...]]:
    """Shingles of ASCII text, in plain Python."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[i : i + n]) for i in range(max(len(words) - n + 1, bool(words)))}


def plain_overlap(a: set, b: set) -> float:
    """Return the Jaccard similarity of two sets of shingles."""
    return len(a & b) / len(a | b) if a | b else 0.0


def find_near_duplicates(batches: Iterable[pa.RecordBatch], step: DeduplicateNear) -> set[str]:
    """Return the ids of the documents that go, with everything in memory."""
    parts: list[BandPart] = []
    shingles: list[Hashes] = []
    ids: list[str] = []
    for batch in batches:
        parts += (part for _, part in band_parts(step.sketch(batch), 0, len(ids), 1))
        hashes, offsets = step.shingles(batch)
        shingles += (hashes[start:end] for start, end in pairwise(offsets))
        ids += batch["id"].to_pylist()
    same, pairs = step.choose(np.concatenate([np.zeros((0, 3), np.uint64), *step.meetings(parts)]))
    near = [a for a, b in pairs.tolist() if step.is_near(shingles[a], shingles[b])]
    return {ids[number] for number in (*same[:, 0].tolist(), *near)}


def chance_to_meet(step: DeduplicateNear, overlap: float) -> float:
    """Return the probability that a pair of this overlap shares a band's key."""
    return 1 - (1 - overlap**step.rows) ** step.bands
