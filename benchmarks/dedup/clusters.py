"""Clusters of near-duplicates in a whole run over planted ones, beside union-find.

    python benchmarks/dedup/clusters.py [--documents 100000] [--largest 10000]

Chains are windows that slide over a sequence of words, a star is a page and longer ones that begin
as it does and are not alike, and of a clique every two pages are alike. The three largest clusters
are one of each; a tenth of the documents are alone. The run is DirectRunner's, with two workers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.run_cost import run_cost
from pipeline.output.decisions import decision_name, read_decisions, read_sizes, sizes_name
from pipeline.output.layout import read_plan
from tests.support.plain.clusters import cluster_sizes

STEP = {
    "min_overlap": 0.7, "shingle_words": 1, "bands": 40, "rows": 4, "prefer": "first",
    "max_neighbours": 8, "max_partners": 2, "record": "cluster_size",
}  # fmt: skip
"""The step of the run. Its bands miss hardly any pair, so that clusters are those planted."""

N_FILES = 4
SHARED_WORDS, CHAIN_WORDS, CHAIN_SHIFT = 40, 30, 2


def chain(name: str, size: int) -> Iterator[str]:
    """Yield pages of which each is like the one or two next to it."""
    words = [f"{name}w{i}" for i in range(CHAIN_SHIFT * size + CHAIN_WORDS)]
    for i in range(size):
        yield " ".join(words[CHAIN_SHIFT * i : CHAIN_SHIFT * i + CHAIN_WORDS])


def star(name: str, size: int) -> Iterator[str]:
    """Yield a page, and others that are like it and not like one another."""
    centre = " ".join(f"{name}w{i}" for i in range(SHARED_WORDS))
    yield centre
    for ray in range(1, size):
        yield centre + "".join(f" {name}r{ray}w{i}" for i in range(SHARED_WORDS // 4))


def clique(name: str, size: int) -> Iterator[str]:
    """Yield pages that differ in a word each."""
    shared = " ".join(f"{name}w{i}" for i in range(SHARED_WORDS))
    for page in range(size):
        yield f"{shared} {name}p{page}"


def planted(
    n_documents: int, largest: int, random: np.random.Generator
) -> tuple[list[str], list[tuple[int, int]]]:
    """Return pages, and pairs of their numbers that connect each cluster."""
    kinds = chain, star, clique
    pages: list[str] = []
    pairs: list[tuple[int, int]] = []
    n_made = 0
    while len(pages) < 0.9 * n_documents:
        kind = kinds[n_made % len(kinds)]
        size = largest if n_made < len(kinds) else int(2 ** random.uniform(1, 10))
        size = min(size, n_documents - len(pages))
        first = len(pages)
        for number in range(first + 1, first + size):
            pairs.append((number - 1 if kind is chain else first, number))
        pages += kind(f"c{n_made}", size)
        n_made += 1
    pages += (f"alone {number} page{number}" for number in range(len(pages), n_documents))
    return pages, pairs


def sizes_of_run(output: Path) -> list[int]:
    """Return the size of the cluster of every document, as a run has found it."""
    sizes: list[int] = []
    for split in read_plan(str(output)):
        place = split.source, 0, split.split
        n_documents = len(read_decisions(str(output), decision_name(*place)))
        sizes += read_sizes(str(output), sizes_name(*place), n_documents).tolist()
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--largest", type=int, default=10_000, help="documents of a cluster")
    options = parser.parse_args()
    pages, pairs = planted(options.documents, options.largest, np.random.default_rng(0))
    by_union_find = cluster_sizes(pairs)
    expected = [by_union_find.get(number, 1) for number in range(len(pages))]
    models = ROOT / "samples" / "models"
    with tempfile.TemporaryDirectory() as name:
        output = Path(name, "out")
        bounds = np.linspace(0, len(pages), N_FILES + 1).astype(int).tolist()
        for number, start in enumerate(bounds[:-1]):
            with Path(name, f"{number}.jsonl").open("w") as file:
                for page in pages[start : bounds[number + 1]]:
                    file.write(json.dumps({"text": page}) + "\n")
        settings = {
            "tokenizer.model": str(models / "tokenizer.model"),
            "sources.c4.input": json.dumps([f"{name}/*.jsonl"]),
            "sources.c4.steps": json.dumps([{"deduplicate_near": STEP}]),
        }
        cost = run_cost("c4", Path(name), models, output, settings=settings)
        (told,) = (json.loads(one.read_text()) for one in output.rglob("*.clusters.json"))
        found = sizes_of_run(output)
    assert len(found) == len(expected)
    others = sum(one != other for one, other in zip(found, expected, strict=True))
    print(f"{len(pages):,} documents, {told['documents']:,} in {told['clusters']:,} clusters, the "
          f"largest of {told['largest']:,}")  # fmt: skip
    print(f"{told['turns']} turns shuffled {told['shuffle_bytes']:,} bytes")
    print(f"{others} documents have another size than by union-find")
    print(f"{cost.seconds:.1f} s, {cost.core_seconds:.1f} core-seconds, workers of "
          f"{cost.worker_peak_mb:.0f} MB, driver of {cost.driver_peak_mb:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
