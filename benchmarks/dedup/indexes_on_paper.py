"""What indexes take of five dumps one after another: rates of one core, and a table from them.

    python benchmarks/dedup/indexes_on_paper.py [--keys 1000000] [--documents 20000]

Rates are of numpy's work, over files in the page cache. Sizes of a dump are those of
``benchmarks/scale_on_paper.py``, and what its lines shuffle is from ``benchmarks/scale.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.dedup.dumps import STEPS
from benchmarks.measuring import best_seconds
from benchmarks.scale_on_paper import Assumptions
from pipeline.output.key_indexes import card_name, seen_before, write_card, write_index_part
from pipeline.output.near_indexes import (
    Card,
    are_near_older,
    documents_with,
    minima_name,
    write_minima,
)
from transforms.dedup.exact import COUNT_BYTES, FINGERPRINT_BYTES_PER_UNIT
from transforms.dedup.key_files import REFERENCES, Rows, saturated
from transforms.dedup.near import BAND_KEY_BYTES, DeduplicateNear
from transforms.dedup.sketch_files import Minima
from transforms.documents import documents

NEAR = DeduplicateNear(**STEPS[-1]["deduplicate_near"])  # type: ignore[arg-type]
DUMPS_BEFORE = 4
FOUND = 0.2
"""Part of a dump's documents that have a band in common with an earlier one."""
PAGE_WORDS = 600
UNITS = {"us": 1e-6, "ns": 1e-9}
"""Seconds of the units in which rates are told."""


class Rates(NamedTuple):
    """Seconds of one core for one of each."""

    key_written: float
    key_looked_up: float
    sketch: float
    document_written: float
    document_looked_up: float
    pair_compared: float
    byte_hashed: float


def measured(output: str, n_keys: int, n_documents: int) -> Rates:
    """Measure the rates with one index of lines and one of near-duplicates."""
    random = np.random.default_rng(0)
    keys = np.unique(random.integers(0, 1 << 64, n_keys, np.uint64))
    asked = np.unique(random.integers(0, 1 << 64, n_keys, np.uint64))
    written = best_seconds(
        lambda: write_index_part(output, "a", 0, 0, 0, Rows(keys, saturated(np.ones_like(keys))))
    )
    write_card(output, "a", 0, {"unit": "DeduplicateLines", "made_with": {}})
    card = f"{output}/{card_name('a', 0)}"
    looked_up = best_seconds(lambda: seen_before([card], [card], asked))

    words = random.integers(0, 50_000, (2_000, PAGE_WORDS)).astype("U8")
    batch = documents([str(i) for i in range(len(words))], [" ".join(page) for page in words])
    NEAR.sketch(batch)  # which compiles the kernels
    sketch = best_seconds(lambda: NEAR.sketch(batch)) / len(words)

    bands = random.integers(0, 1 << 64, (n_documents, NEAR.bands), np.uint64)
    minima = random.integers(0, 1 << 16, (n_documents, NEAR.n_minima), np.uint16)
    made = Minima(minima, np.full(n_documents, PAGE_WORDS, np.uint32))
    flat = bands.ravel()
    order = np.argsort(flat)
    references = np.repeat(np.arange(n_documents, dtype=np.uint64), NEAR.bands)[order]

    def write() -> None:
        rows = Rows(flat[order], references.astype(REFERENCES))
        write_index_part(output, "a", 1, 0, 0, rows)
        write_minima(output, f"indexes/a/step1/{minima_name(0)}", [made], NEAR.n_minima)

    near_written = best_seconds(write) / n_documents
    write_card(output, "a", 1, {"unit": "DeduplicateNear", "made_with": {}})
    near = Card(*2 * [f"{output}/{card_name('a', 1)}"])
    n_found = int(FOUND * n_documents)
    new = random.integers(0, 1 << 64, (n_documents, NEAR.bands), np.uint64)
    new[:n_found] = bands[:n_found]
    distinct = np.unique(new)
    near_looked_up = best_seconds(lambda: documents_with(near, distinct, NEAR.max_neighbours))
    own = made.take(np.arange(n_found))
    rows, older = np.arange(n_found), np.arange(n_found, dtype=np.uint64)
    compared = best_seconds(lambda: are_near_older(NEAR, near, own, rows, older)) / n_found
    data = bytes(1 << 27)
    hashed = best_seconds(lambda: hashlib.sha256(data)) / len(data)
    return Rates(
        written / len(keys), looked_up / len(asked), sketch, near_written,
        near_looked_up / n_documents, compared, hashed,
    )  # fmt: skip


def table(rates: Rates, lines: float, decision_bytes: float) -> Iterator[str]:
    """Yield the rows of a table. ``lines`` are keys of a dump."""
    pages = Assumptions().pages_per_dump
    band_bytes, minima_bytes = 16 * NEAR.bands, 2 * NEAR.n_minima + 4
    shuffled = FINGERPRINT_BYTES_PER_UNIT + COUNT_BYTES
    index_bytes = 9 * lines + (band_bytes + minima_bytes) * pages

    def row(what: str, count: float, each: float, unit: str, *, before: bool = False) -> str:
        """Return a row of one amount, of a dump or of the dumps before it."""
        scale, digits = (1e12, 1) if what.startswith("TB") else (3600 / UNITS[unit], 1)
        value = count * each / scale
        first, last = (0.0, DUMPS_BEFORE * value) if before else (value, value)
        billions = f"{count / 1e9:,.0f}" if count > 1e11 else f"{count / 1e9:.3g}"
        how = f"{billions} billion x {each:,.3g} {unit}".rstrip()
        how = f"dumps before x {how}" if before else how
        return f"| {what} | {how} | {first:,.{digits}f} | {last:,.{digits}f} |"

    yield row("TB of index, lines", lines, 9, "")
    yield row("TB of index, near-duplicates", pages, band_bytes + minima_bytes, "")
    yield row("TB of indexes read, lines", lines, 9, "", before=True)
    yield row("TB of indexes read, bands", pages, band_bytes, "", before=True)
    yield row("TB shuffled, lines", lines, shuffled, "")
    yield row("TB shuffled, decisions of lines", lines, decision_bytes / lines, "")
    yield row("TB shuffled, bands", pages, NEAR.bands * BAND_KEY_BYTES, "")
    yield row("core-hours, sketches", pages, rates.sketch * 1e6, "us")
    yield row("core-hours, lines written", lines, rates.key_written * 1e9, "ns")
    yield row("core-hours, near-duplicates written", pages, rates.document_written * 1e6, "us")
    yield row("core-hours, SHA-256 of the index", index_bytes, rates.byte_hashed * 1e9, "ns")
    looked_up = rates.key_looked_up * 1e9
    yield row("core-hours, lines looked up", lines, looked_up, "ns", before=True)
    looked_up = rates.document_looked_up * 1e6
    yield row("core-hours, bands looked up", pages, looked_up, "us", before=True)
    compared = rates.pair_compared * 1e6
    yield row("core-hours, minima compared", FOUND * pages, compared, "us", before=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000, help="of the index, and looked up")
    parser.add_argument("--documents", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as output:
        rates = measured(output, options.keys, options.documents)
    largest = json.loads((ROOT / "benchmarks" / "scale.json").read_text())["sizes"][-1]
    text_bytes = Assumptions().text_bytes_per_dump / largest["text_bytes"]
    lines = text_bytes * largest["line_shuffle_bytes"] / FINGERPRINT_BYTES_PER_UNIT
    print("| | how | dump 1 | dump 5, against 4 |\n| --- | --- | ---: | ---: |")
    for row in table(rates, lines, text_bytes * largest["decision_shuffle_bytes"]):
        print(row)


if __name__ == "__main__":
    main()
