"""Memory of a run against an index ten times its size, as both grow.

    python benchmarks/dedup/index_memory.py [--pages 500] [--times 1 4 16]

The pages are made of random words. A fifth of them, and of their lines, stand in the index. The
rest of the index is random keys, and minima of documents that nobody has read. So an index that
would take a run over ten times the pages is written in seconds. Resident memory is that of the
largest worker, and of the driver, of a whole run with two workers on the DirectRunner.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.dedup.near_partners import STEP
from benchmarks.run_cost import run_cost
from pipeline.output.key_indexes import card_name, index_folder, write_card, write_index_part
from pipeline.output.near_indexes import minima_name, write_minima
from transforms.dedup.exact import DeduplicateLines
from transforms.dedup.key_files import COUNTS, REFERENCES, Rows
from transforms.dedup.near import DeduplicateNear
from transforms.dedup.sketch_files import Minima
from transforms.documents import documents

INDEX_TIMES = 10
LINES, WORDS = 20, 12
"""Lines of a page, and words of a line."""

SPLIT_BYTES = "2_000_000"
"""Bytes of a split of the run, of which there are more as the input grows."""

FILE_KEYS, SPLIT_DOCUMENTS = 1 << 20, 10_000
"""Keys of a file of the index, and documents of one of minima."""

STEPS: dict[str, dict[str, Any]] = {
    "deduplicate_lines": {"keep": "first"},
    "deduplicate_near": {
        name: getattr(STEP, name)
        for name in ("min_overlap", "shingle_words", "bands", "rows", "prefer",
                     "max_neighbours", "max_partners")
    },
}  # fmt: skip


def pages_of(random: np.random.Generator, n_pages: int) -> list[str]:
    """Make pages of random words."""
    words = random.integers(0, 1 << 40, (n_pages, LINES, WORDS))
    return ["\n".join(" ".join(map(hex, line)) for line in page) for page in words.tolist()]


def batches_of(pages: list[str]) -> list[pa.RecordBatch]:
    """Return pages as batches of documents."""
    return [
        documents(list(map(str, range(start, start + len(some)))), some)
        for start in range(0, len(pages), 1000)
        if (some := pages[start : start + 1000])
    ]


def write_lines(random: np.random.Generator, output: Path, pages: list[str], n_pages: int) -> None:
    """Write an index of so many pages' lines."""
    step = DeduplicateLines(keep="first")
    known = [step.units(batch).keys for batch in batches_of(pages)]
    others = random.integers(0, 1 << 64, (n_pages - len(pages)) * LINES, np.uint64)
    keys = np.unique(np.concatenate([*known, others]))
    write_keys(output, Rows(keys, np.ones(len(keys), COUNTS)))
    write(output, DeduplicateLines, STEPS["deduplicate_lines"])


def write_near(random: np.random.Generator, output: Path, pages: list[str], n_pages: int) -> None:
    """Write an index of so many pages' band keys and minima."""
    keys = random.integers(0, 1 << 64, (n_pages, STEP.bands), np.uint64)
    minima = random.integers(0, 1 << 16, (n_pages, STEP.n_minima), np.uint16)
    places = random.permutation(n_pages)
    for number, batch in enumerate(batches_of(pages)):
        sketch = STEP.sketch(batch)
        here = places[number * 1000 :][: batch.num_rows]
        keys[here], minima[here] = sketch.band_keys, sketch.minima
    shingles = np.full(n_pages, LINES * WORDS - STEP.shingle_words + 1, np.uint32)
    numbers = np.arange(n_pages)
    split_of_each = (numbers // SPLIT_DOCUMENTS).astype(REFERENCES)
    references = split_of_each << np.uint64(32) | (numbers % SPLIT_DOCUMENTS).astype(REFERENCES)
    order = np.argsort(keys, axis=None)
    write_keys(output, Rows(keys.ravel()[order], references[order // STEP.bands]))
    for split, start in enumerate(range(0, n_pages, SPLIT_DOCUMENTS)):
        of_split = Minima(minima, shingles).take(numbers[start : start + SPLIT_DOCUMENTS])
        name = f"{index_folder('c4', 0)}/{minima_name(split)}"
        write_minima(str(output), name, [of_split], STEP.n_minima)
    write(output, DeduplicateNear, STEPS["deduplicate_near"])


def write_keys(output: Path, rows: Rows) -> None:
    """Write the keys of an index, in files of some size."""
    for part, start in enumerate(range(0, len(rows.keys), FILE_KEYS)):
        here = slice(start, start + FILE_KEYS)
        write_index_part(str(output), "c4", 0, 0, part, Rows(rows.keys[here], rows.values[here]))


def write(output: Path, kind: Any, parameters: dict[str, Any]) -> None:
    """Write the card."""
    description = {"unit": kind.__name__, "made_with": kind.made_with(**parameters)}
    write_card(str(output), "c4", 0, {**description, "sources": ["c4"], "run": ""})


WRITERS: dict[str, Callable[[np.random.Generator, Path, list[str], int], None]] = {
    "deduplicate_lines": write_lines,
    "deduplicate_near": write_near,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=500, help="pages of the smallest run")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    print("step               times   pages  index MB       s  worker (MB)  driver (MB)")
    for kind, parameters in STEPS.items():
        for times in options.times:
            random = np.random.default_rng(0)
            with tempfile.TemporaryDirectory() as name:
                data, older = Path(name, "data", "c4"), Path(name, "older")
                data.mkdir(parents=True)
                pages = pages_of(random, options.pages * times)
                with (data / "pages.jsonl").open("w") as file:
                    file.writelines(json.dumps({"text": page}) + "\n" for page in pages)
                WRITERS[kind](random, older, pages[::5], INDEX_TIMES * len(pages))
                card = str(older / card_name("c4", 0))
                steps = json.dumps([{kind: {**parameters, "against": [card]}}])
                cost = run_cost(
                    "c4", data.parent, ROOT.parent / "shared" / "models", Path(name, "out"),
                    settings={"sources.c4.steps": steps, "reading.split_bytes": SPLIT_BYTES},
                )  # fmt: skip
                n_bytes = sum(one.stat().st_size for one in older.rglob("*.[km]*"))
            figures = cost.seconds, cost.worker_peak_mb, cost.driver_peak_mb
            print(f"{kind:18} {times:5} {len(pages):7,} {n_bytes / 1e6:9.1f}"
                  " {:7.1f} {:12.0f} {:12.0f}".format(*figures), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
