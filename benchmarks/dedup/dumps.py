"""Time and index bytes of dumps one after another, each against the indexes of those before.

    python benchmarks/dedup/dumps.py [--repeats 4] [--dumps 5]

The pages are those of the WET samples, each several times in every dump, with some words replaced
or one added. So lines and near-duplicates are found within a dump and in those before. Each run has
all three deduplications.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.run_cost import run_cost

STEPS: list[dict[str, dict[str, object]]] = [
    {"drop_short": {"min_chars": 300}},
    {"deduplicate_documents": {"keep": "first"}},
    {"deduplicate_lines": {"keep": "first"}},
    {"deduplicate_near": {
        "min_overlap": 0.8, "shingle_words": 5, "bands": 14, "rows": 8, "prefer": "longest",
        "max_neighbours": 8, "max_partners": 4}},
]  # fmt: skip
"""Steps of each run; all but the first write an index."""

CHANGED_WORDS = 0.01
"""Part of a page's words that are replaced in each copy of it."""

_BEGIN = b"WARC/1.0\r\n"


def write_dump(path: Path, pages: list[bytes], repeats: int, random: np.random.Generator) -> int:
    """Write a dump of pages, which come ``repeats`` times, changed; return the bytes of text."""
    records = []
    for repeat in range(repeats):
        for page in pages:
            head, text = page.split(b"\r\n\r\n", 1)
            words = text.strip().split(b" ")
            if repeat % 2:
                for place in np.flatnonzero(random.random(len(words)) < CHANGED_WORDS).tolist():
                    words[place] = b"%x" % random.integers(1 << 40)
            else:
                words.append(b"\n%x" % random.integers(1 << 40))
            body = b" ".join(words)
            lines = [one for one in head.split(b"\r\n") if not one.startswith(b"Content-Length")]
            lines.append(b"Content-Length: %d" % len(body))
            records.append(_BEGIN + b"\r\n".join(lines) + b"\r\n\r\n" + body + b"\r\n\r\n")
    data = b"".join(records)
    path.write_bytes(gzip.compress(data, 1))
    return len(data)


def pages_of_samples() -> list[bytes]:
    """Return the pages of the whole WET samples, as records."""
    pages: list[bytes] = []
    folder = ROOT / "samples" / "data" / "commoncrawl" / "wet"
    for number in (0, 1):  # others are cut off, or have faults
        (path,) = folder.glob(f"*-{number:05d}.warc.wet.gz")
        records = gzip.decompress(path.read_bytes()).split(_BEGIN)
        pages += [record for record in records if b": conversion\r" in record]
    return pages


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=4, help="copies of each page in a dump")
    parser.add_argument("--dumps", type=int, default=5)
    options = parser.parse_args()
    pages = pages_of_samples()
    models = ROOT / "samples" / "models"
    random = np.random.default_rng(0)
    print("dump      MB       s  core-s  worker (MB)  index (bytes)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        earlier: list[Path] = []
        for dump in range(options.dumps):
            data = folder / f"{dump}.warc.wet.gz"
            n_bytes = write_dump(data, pages, options.repeats, random)
            steps = []
            for step, entry in enumerate(STEPS):
                ((kind, parameters),) = entry.items()
                cards = [str(one / f"indexes/commoncrawl/step{step}/card.json") for one in earlier]
                indexed = {"index": True, "against": cards} if step else {}
                steps.append({kind: {**parameters, **indexed}})
            output = folder / f"dump{dump}"
            settings = {
                "tokenizer.model": str(models / "tokenizer.model"),
                "sources.commoncrawl.input": json.dumps([str(data)]),
                "sources.commoncrawl.steps": json.dumps(steps),
            }
            cost = run_cost("commoncrawl", folder, models, output, settings=settings)
            index = sum(one.stat().st_size for one in (output / "indexes").rglob("*.[km]*"))
            print(f"{dump + 1:4} {n_bytes / 1e6:7.1f} {cost.seconds:7.1f} {cost.core_seconds:7.1f} "
                  f"{cost.worker_peak_mb:12.0f} {index:14,}", flush=True)  # fmt: skip
            earlier.append(output)


if __name__ == "__main__":
    main()
