"""Speed of finding near-duplicates, operation by operation, compared with datasketch.

    python benchmarks/dedup/near_duplicates.py [--data ../shared/data] [--json]

All runs on one core, and kernels are compiled before the clock starts. datasketch
(``pip install datasketch``, not a dependency of this project) makes the same number of hashes of
the same shingles. It gets a part of the documents, because it is slower. Where it is not installed,
its lines are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import best_seconds
from pipeline.readers.books import decode_book
from transforms.dedup.near import DeduplicateNear, band_parts
from transforms.documents import documents
from transforms.gutenberg import strip_gutenberg

STEP = DeduplicateNear(
    min_overlap=0.9, shingle_words=5, bands=20, rows=8, prefer="longest",
    max_neighbours=8, max_partners=4,
)  # fmt: skip


def datasketch_sketches(texts: list[str]) -> None:
    """Make signatures of the same shingles in the way of datasketch's documentation."""
    from datasketch import MinHash

    for text in texts:
        words = re.findall(r"[^\W_]+", text.lower())
        shingles = {" ".join(words[i : i + 5]).encode() for i in range(len(words) - 4)}
        signature = MinHash(num_perm=STEP.bands * STEP.rows)
        signature.update_batch(shingles)


def measure(data: Path) -> dict[str, float]:
    paths = sorted((data / "books").glob("*.txt"))
    raw = [path.read_bytes() for path in paths]
    raw_mb = sum(map(len, raw)) / 1e6
    result = {}
    result["decode, MB/s"] = raw_mb / best_seconds(lambda: [decode_book(data) for data in raw])
    framed = documents([path.name for path in paths], [decode_book(data)[0] for data in raw])
    batch = strip_gutenberg(framed)
    result["strip_gutenberg, MB/s"] = raw_mb / best_seconds(lambda: strip_gutenberg(framed))
    texts = batch["text"].to_pylist()
    mb = sum(len(text.encode()) for text in texts) / 1e6
    STEP.sketch(batch.slice(0, 1))
    result["shingles, MB/s"] = mb / best_seconds(lambda: STEP.shingles(batch))
    result["sketch, MB/s"] = mb / best_seconds(lambda: STEP.sketch(batch))

    sketch = STEP.sketch(batch)
    hashes, offsets = STEP.shingles(batch)
    parts = [part for _, part in band_parts(sketch, 0, 0, 1)]
    _, pairs = STEP.choose(np.concatenate(list(STEP.meetings(parts))))
    shingles = [hashes[begin:end] for begin, end in pairwise(offsets)]

    def compare() -> None:
        for first, second in pairs.tolist():
            STEP.is_near(shingles[first], shingles[second])

    compare()
    result["pairs compared a second"] = len(pairs) / best_seconds(compare)
    result["bytes shuffled a document"] = sum(24 * len(part.keys) for part in parts) / len(texts)
    try:
        datasketch_sketches(["a b c d e f"])  # imports datasketch
        some = texts[:4]
        some_mb = sum(len(text.encode()) for text in some) / 1e6
        result["datasketch, MB/s"] = some_mb / best_seconds(lambda: datasketch_sketches(some), 1)
    except ImportError:
        return result
    few = batch.slice(0, 4)
    ours = some_mb / best_seconds(lambda: STEP.sketch(few))
    result["sketch over datasketch"] = ours / result["datasketch, MB/s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = measure(arguments.data)
    if arguments.json:
        print(json.dumps({name: round(value, 2) for name, value in result.items()}))
    else:
        for name, value in result.items():
            print(f"{name:28} {value:12,.2f}")


if __name__ == "__main__":
    main()
