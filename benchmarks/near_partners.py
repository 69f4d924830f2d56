"""Near-duplicates found among pages that are all somewhat alike, by what they are compared with.

    python benchmarks/near_partners.py [--pages 3000]

Pages of one template fill a band's bucket by the thousand, so not all pairs of it can be compared.
The pipeline has a document meet those just ahead of it in the order of preference, and compares it
with the few that it meets in the most bands. The alternative is the most preferred ones of each
bucket. What is found is counted against comparing all pairs of every bucket.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from transforms.documents import documents
from transforms.near_duplicates import BandPart, DeduplicateNear, References, band_parts

STEP = DeduplicateNear(
    min_overlap=0.8, shingle_words=5, bands=20, rows=8, prefer="longest",
    max_neighbours=8, max_partners=4,
)  # fmt: skip
PAGE_WORDS = 200


def pages_of_a_template(
    random: np.random.Generator, n_pages: int, shared: float, equal_lengths: bool
) -> list[str]:
    """Make pages that share so much of their text, and a fifth more with two words changed."""
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


def most_preferred(part: BandPart, n_partners: int) -> References:
    """Pair each document of a bucket with the first of it; that which would go comes first."""
    order = np.lexsort((part.references, -part.chars.astype(np.int64), part.keys))
    keys, references, shingles = part.keys[order], part.references[order], part.shingles[order]

    def found() -> Iterator[References]:
        for bucket in np.split(np.arange(len(keys)), np.flatnonzero(np.diff(keys)) + 1):
            for first in range(min(n_partners, len(bucket) - 1)):
                a, b = np.full(len(bucket) - first - 1, bucket[first]), bucket[first + 1 :]
                sizes = np.sort([shingles[a], shingles[b]], axis=0)
                alike = sizes[0] / sizes[1] > STEP.min_overlap
                yield np.stack([references[b[alike]], references[a[alike]]], axis=1)

    return np.unique(np.concatenate([np.zeros((0, 2), np.uint64), *found()]), axis=0)


def measure(texts: list[str]) -> None:
    batch = documents([str(i) for i in range(len(texts))], texts)
    sketch = STEP.sketch(batch)
    (part,) = (part for _, part in band_parts(sketch, 0, 0, 1))
    hashes, offsets = STEP.shingles(batch)
    shingles = [hashes[begin:end] for begin, end in pairwise(offsets)]

    def losers(pairs: References) -> set[int]:
        return {a for a, b in pairs.tolist() if STEP.is_near(shingles[a], shingles[b])}

    def met(n_neighbours: int) -> References:
        return np.concatenate(list(replace(STEP, max_neighbours=n_neighbours).meetings([part])))

    everything = losers(np.unique(met(len(texts)), axis=0))
    for n in (4, 8):
        pairs = met(n)
        report(f"{n} just ahead, all of them", np.unique(pairs, axis=0), losers, everything)
        for n_partners in (1, 2, 4):
            same, chosen = replace(STEP, max_partners=n_partners).choose(pairs)
            assert not len(same), "pages of equal signatures"
            report(f"{n} just ahead, {n_partners} of them", chosen, losers, everything)
    for n in (8, 64):
        report(f"{n} most preferred", most_preferred(part, n), losers, everything)


def report(
    name: str, pairs: References, losers: Callable[[References], set[int]], everything: set[int]
) -> None:
    found = losers(pairs)
    assert found <= everything
    print(f"  {name:24} {len(pairs):10,} pairs, {len(found):6,} of {len(everything):,} found")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=3000, help="pages of each template")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    for shared in (0.75, 0.85, 0.9):
        for equal_lengths in (False, True):
            print(f"{shared:.0%} of the text shared, {'equal' if equal_lengths else 'any'} lengths")
            measure(pages_of_a_template(random, arguments.pages, shared, equal_lengths))


if __name__ == "__main__":
    main()
