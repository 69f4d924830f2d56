"""Shingles and overlaps of texts in plain Python, and the step that books are compared by."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from transforms.dedup.near import DeduplicateNear
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
