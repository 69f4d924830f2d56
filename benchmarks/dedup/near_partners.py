"""Near-duplicates found among pages of one template, by the choice of pairs that are compared.

    python benchmarks/dedup/near_partners.py [--pages 3000]

Hundreds of pages of one template are in one bucket of a band, so not all pairs of a bucket can be
compared. In the pipeline a document meets the documents just before it in the order of preference.
It is compared with the few that it meets in the smallest buckets. Two other choices are measured:
the documents that it meets in the most bands, and the most preferred documents of each bucket. All
are counted against comparing all pairs of every bucket.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from transforms.dedup.near import BandPart, DeduplicateNear, Meetings, References, band_parts
from transforms.documents import documents

STEP = DeduplicateNear(
    min_overlap=0.8, shingle_words=5, bands=20, rows=8, prefer="longest",
    max_neighbours=8, max_partners=4,
)  # fmt: skip
PAGE_WORDS = 200
CASES = [(0.75, 0.8), (0.85, 0.8), (0.88, 0.8), (0.9, 0.8), (0.9, 0.85)]
"""Fraction of the text that all pages share, and the overlap above which a page is dropped."""


def pages_of_a_template(
    random: np.random.Generator, n_pages: int, shared: float, equal_lengths: bool
) -> list[str]:
    """Return pages that share the fraction ``shared`` of their text, and near-duplicates of some.

    The near-duplicates are a fifth more pages, copies with two words changed.
    """
    template = [f"template{i}" for i in range(round(PAGE_WORDS * shared))]
    own = PAGE_WORDS - len(template)
    pages = []
    for _ in range(n_pages):
        n_words = own if equal_lengths else round(own * random.uniform(0.6, 1.4))
        pages.append(template + [f"{word:012}" for word in random.integers(0, 10**12, n_words)])
    for original in random.integers(0, n_pages, n_pages // 5):
        repeat = list(pages[original])
        for place in random.integers(0, len(repeat), 2):
            repeat[place] = f"{random.integers(0, 10**12):012}"
        pages.append(repeat)
    return [" ".join(pages[i]) for i in random.permutation(len(pages))]


def most_preferred(part: BandPart, step: DeduplicateNear, n_partners: int) -> References:
    """Pair each document of a bucket with the bucket's most preferred documents.

    The document of a pair that would be dropped comes first.
    """
    order = np.lexsort((part.references, -part.chars.astype(np.int64), part.keys))
    keys, references, shingles = part.keys[order], part.references[order], part.shingles[order]

    def pairs_of_buckets() -> Iterator[References]:
        for bucket in np.split(np.arange(len(keys)), np.flatnonzero(np.diff(keys)) + 1):
            for first in range(min(n_partners, len(bucket) - 1)):
                preferred = np.full(len(bucket) - first - 1, bucket[first])
                others = bucket[first + 1 :]
                sizes = np.sort([shingles[preferred], shingles[others]], axis=0)
                alike = sizes[0] / sizes[1] > step.min_overlap
                yield np.stack([references[others[alike]], references[preferred[alike]]], axis=1)

    return np.unique(np.concatenate([np.zeros((0, 2), np.uint64), *pairs_of_buckets()]), axis=0)


def met_most_often(met: Meetings, n_partners: int) -> References:
    """Pair each document with the documents that it meets in the most bands."""
    pairs, bands = np.unique(met[:, :2], axis=0, return_counts=True)
    pairs = pairs[np.lexsort((-bands, pairs[:, 0]))]
    _, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    return pairs[np.arange(len(pairs)) - np.repeat(starts, counts) < n_partners]


def measure(texts: list[str], step: DeduplicateNear) -> Counter[str]:
    """Print the near-duplicates found by each choice of pairs; return all numbers."""
    batch = documents([str(i) for i in range(len(texts))], texts)
    (part,) = (part for _, part in band_parts(step.sketch(batch), 0, 0, 1))
    hashes, offsets = step.shingles(batch)
    shingles = [hashes[begin:end] for begin, end in pairwise(offsets)]
    figures: Counter[str] = Counter()

    def losers(pairs: References) -> set[int]:
        return {
            loser
            for loser, other in pairs.tolist()
            if step.is_near(shingles[loser], shingles[other])
        }

    def met(n_neighbours: int) -> Meetings:
        return np.concatenate(list(replace(step, max_neighbours=n_neighbours).meetings([part])))

    def report(name: str, pairs: References) -> None:
        dropped = losers(pairs)
        assert dropped <= everything
        print(f"  {name:36} {len(pairs):10,} pairs, {len(dropped):6,} of {len(everything):,} found")
        figures.update({f"{name}: pairs": len(pairs), f"{name}: found": len(dropped)})

    everything = losers(np.unique(met(len(texts))[:, :2], axis=0))
    figures["of all"] = len(everything)
    for n in (4, 8, 32):
        meetings = met(n)
        report(f"{n} just ahead, all of them", np.unique(meetings[:, :2], axis=0))
        same, chosen = step.choose(meetings)
        assert not len(same), "pages of equal signatures"
        report(f"{n} just ahead, 4 of smallest buckets", chosen)
        report(f"{n} just ahead, 4 of most bands", met_most_often(meetings, step.max_partners))
    for n in (8, 64):
        report(f"{n} most preferred", most_preferred(part, step, n))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=3000, help="pages of each template")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    total: Counter[str] = Counter()
    for shared, min_overlap in CASES:
        for equal_lengths in (False, True):
            lengths = "equal" if equal_lengths else "any"
            print(f"{shared:.0%} of the text shared, {lengths} lengths, overlap over {min_overlap}")
            texts = pages_of_a_template(random, arguments.pages, shared, equal_lengths)
            total += measure(texts, replace(STEP, min_overlap=min_overlap))
    print("all of these")
    for name, number in total.items():
        print(f"  {name:48} {number:12,}")


if __name__ == "__main__":
    main()
