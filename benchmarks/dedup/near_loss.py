"""What the search for near-duplicates misses of what comparing all pairs of documents would drop.

    python benchmarks/dedup/near_loss.py [--data ../shared/data] [--pages 2000]

The documents are the books, news articles and web pages of the samples, and pages of templates
(``near_partners.py``). Each case is counted with both preferences. What is missed has three causes,
which are counted one by one: no band's key is shared, of those that share one too few are met, and
of those that are met too few are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.dedup.near_partners import STEP, pages_of_a_template
from benchmarks.measuring import wet_texts
from pipeline.readers.books import decode_book
from transforms.dedup.near import DeduplicateNear, band_parts
from transforms.dedup.near_kernels import shared
from transforms.documents import documents

PREFERENCES: tuple[Literal["first", "longest"], ...] = ("first", "longest")

TEMPLATES = [(0.75, 0.8), (0.85, 0.8), (0.9, 0.8), (0.9, 0.85), (0.93, 0.9)]
"""Fraction of the text that all pages share, and the overlap above which a page is dropped."""


class Loss(NamedTuple):
    """What goes in one case, and what is missed of it."""

    all_pairs: int
    found: int  # of these
    never_in_a_bucket: int  # misses, by their cause
    not_met: int
    not_compared: int

    @property
    def missed(self) -> float:
        """The part of what all pairs would drop that stays."""
        return 1 - self.found / self.all_pairs if self.all_pairs else 0.0


@njit(cache=True, nogil=True)
def _losers(hashes, offsets, order, min_overlap, keys):  # type: ignore[no-untyped-def]
    """Return which documents go, in ``order`` of preference, for any that is preferred to them.

    Where they have ``keys``, the two must share one of the same column.
    """
    goes = np.zeros(order.size, np.bool_)
    for at in range(order.size):
        i = order[at]
        mine = hashes[offsets[i] : offsets[i + 1]]
        for j in order[:at]:
            its = hashes[offsets[j] : offsets[j + 1]]
            fewer, more = min(mine.size, its.size), max(mine.size, its.size)
            meets = keys.shape[1] == 0 or (keys[i] == keys[j]).any()
            if fewer > min_overlap * more and meets:
                n_shared = shared(mine, its)
                if n_shared / (mine.size + its.size - n_shared) > min_overlap:
                    goes[i] = True
                    break
    return goes


def loss(texts: list[str], step: DeduplicateNear) -> Loss:
    """Count what goes, and what is missed of it for each cause."""
    batch = documents([str(i) for i in range(len(texts))], texts)
    hashes, offsets = step.shingles(batch)
    sketch = step.sketch(batch)
    order = np.argsort([-len(text) if step.prefer == "longest" else 0 for text in texts],
                       kind="stable")  # fmt: skip

    def all_pairs(keys: npt.NDArray[np.uint64]) -> set[int]:
        return set(np.flatnonzero(_losers(hashes, offsets, order, step.min_overlap, keys)).tolist())

    shingles = [hashes[begin:end] for begin, end in pairwise(offsets)]

    def near(pairs: npt.NDArray[np.uint64]) -> set[int]:
        return {a for a, b in pairs.tolist() if step.is_near(shingles[a], shingles[b])}

    everything, in_buckets = all_pairs(sketch.band_keys[:, :0]), all_pairs(sketch.band_keys)
    parts = [part for _, part in band_parts(sketch, 0, 0, 1)]
    meetings = np.concatenate([np.zeros((0, 3), np.uint64), *step.meetings(parts)])
    same, pairs = step.choose(meetings)
    are_met = near(np.unique(meetings[:, :2], axis=0))
    found = (near(pairs) | set(same[:, 0].tolist())) & everything
    counts = len(everything), len(in_buckets), len(are_met), len(found)
    return Loss(counts[0], counts[3], *(a - b for a, b in pairwise(counts)))


def cases(data: Path, n_pages: int) -> Iterator[tuple[str, list[str], float]]:
    """Yield the name of each case, its texts, and the overlap above which documents go."""
    books = [path.read_bytes() for path in sorted((data / "books").glob("*.txt"))]
    articles = (data / "near_dup" / "minhash_articles_1000.train").read_text().splitlines()
    real = {
        "books": [decode_book(book)[0] for book in books],
        "articles": [line.split(" ", 1)[1] for line in articles],
        "web pages": wet_texts(data),
    }
    for name, texts in real.items():
        for min_overlap in (0.8, 0.9):
            yield name, texts, min_overlap
    random = np.random.default_rng(0)
    for share, min_overlap in TEMPLATES:
        for equal, lengths in ((False, "any lengths"), (True, "equal lengths")):
            texts = pages_of_a_template(random, n_pages, share, equal)
            yield f"{share:.0%} of a template, {lengths}", texts, min_overlap


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--pages", type=int, default=2000, help="pages of each template")
    arguments = parser.parse_args()
    print_loss(arguments.data, arguments.pages)


def print_loss(data: Path, n_pages: int) -> None:
    """Print a line for each case and preference."""
    print("case                             over  prefer   all pairs  found  missed"
          "  in no bucket  not met  not compared")  # fmt: skip
    for name, texts, min_overlap in cases(data, n_pages):
        for prefer in PREFERENCES:
            one = loss(texts, replace(STEP, prefer=prefer, min_overlap=min_overlap))
            print(f"{name:32} {min_overlap:4}  {prefer:8} {one.all_pairs:8,} {one.found:6,} "
                  f"{one.missed:7.2%} {one.never_in_a_bucket:13,} {one.not_met:8,} "
                  f"{one.not_compared:13,}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
