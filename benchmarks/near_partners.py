"""Near-duplicates found among pages that are all somewhat alike, by the pairs that are looked at.

    python benchmarks/near_partners.py [--pages 3000]

Pages of one template fill a band's bucket by the thousand, so not all pairs of it can be compared.
Two choices are, for growing numbers of partners: the documents just ahead in the order of
preference, as the pipeline compares them, and the most preferred ones of the whole bucket. What is
found is counted against comparing all pairs of every bucket.
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
from transforms.near_duplicates import BandPart, DeduplicateNear, Document, References, band_parts

STEP = DeduplicateNear(
    min_overlap=0.8, shingle_words=5, bands=20, rows=8, prefer="longest", max_partners=8
)
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
    """Pair each document of a bucket with the first of it, in the order of preference."""
    order = np.lexsort((part.references, -part.chars.astype(np.int64), part.keys))
    keys, references, shingles = part.keys[order], part.references[order], part.shingles[order]

    def found() -> Iterator[References]:
        for bucket in np.split(np.arange(len(keys)), np.flatnonzero(np.diff(keys)) + 1):
            for first in range(min(n_partners, len(bucket) - 1)):
                a, b = np.full(len(bucket) - first - 1, bucket[first]), bucket[first + 1 :]
                sizes = np.sort([shingles[a], shingles[b]], axis=0)
                alike = sizes[0] / sizes[1] > STEP.min_overlap
                yield np.sort([references[a[alike]], references[b[alike]]], axis=0).T

    return np.unique(np.concatenate([np.zeros((0, 2), np.uint64), *found()]), axis=0)


def measure(texts: list[str]) -> None:
    batch = documents([str(i) for i in range(len(texts))], texts)
    sketch = STEP.sketch(batch)
    (part,) = (part for _, part in band_parts(sketch, 0, 0, 1))
    hashes, offsets = STEP.shingles(batch)
    stored = {
        i: Document(chars, hashes[begin:end])
        for i, (chars, (begin, end)) in enumerate(
            zip(sketch.chars.tolist(), pairwise(offsets), strict=True)
        )
    }
    everything = STEP.losers(replace(STEP, max_partners=len(texts)).candidates([part]), stored)
    choices: dict[str, Callable[[int], References]] = {
        "just ahead": lambda n: replace(STEP, max_partners=n).candidates([part]),
        "most preferred": lambda n: most_preferred(part, n),
    }
    for name, pairs_of in choices.items():
        for n_partners in (1, 4, 8, 16, 64):
            pairs = pairs_of(n_partners)
            found = STEP.losers(pairs, stored)
            assert found <= everything
            print(
                f"  {name:14} {n_partners:4} partners {len(pairs):10,} pairs, "
                f"{len(found):6,} of {len(everything):,} found"
            )


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
