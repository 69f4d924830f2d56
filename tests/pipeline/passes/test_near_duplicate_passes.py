"""The passes of near-deduplication, compared with the step over all documents in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.output.layout import read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.process import process_split
from pipeline.recipe.recipe import recipe_from_mapping
from tests.support.plain.near import find_near_duplicates
from tests.support.runs import run_demo
from tests.test_other_sources import kept
from transforms.dedup.near import DeduplicateNear

STEP = (
    "[{deduplicate_near: {min_overlap: 0.8, shingle_words: 2, bands: 20, rows: 4, prefer: longest,"
    " max_neighbours: 3, max_partners: 2}}]"
)


def write_pages(data: Path) -> None:
    """Write files of 1 to 150 pages: variants and copies of a few texts, pages without words."""
    random = np.random.default_rng(3)
    texts = [[f"word{n}" for n in random.integers(0, 10**6, 60)] for _ in range(25)]
    for i, n_pages in enumerate([90, 1, 150, 40, 119]):
        pages = []
        for _ in range(n_pages):
            words = list(texts[random.integers(len(texts))])
            for place in random.integers(0, 60, random.integers(0, 6)):
                words[place] = f"other{random.integers(10**6)}"
            pages.append(" ".join(words) if random.random() < 0.95 else "...")
        lines = [json.dumps({"text": page, "url": f"https://a.org/{i}"}) for page in pages]
        (data / f"c4-train.{i:05d}-of-00005.json").write_text("\n".join(lines) + "\n")


def test_the_passes_find_what_is_found_in_memory(tmp_path):
    data, output = tmp_path / "data" / "c4", tmp_path / "out"
    data.mkdir(parents=True)
    write_pages(data)
    settings = {
        "data": tmp_path / "data",
        "reading.batch_bytes": 5_000,
        "reading.split_bytes": 30_000,
        "sources.c4.input": f"['{data}/*.json']",
        "sources.c4.steps": STEP,
    }
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    assert run_demo(output, "--sources", "c4", *options) == 0

    recipe = recipe_from_mapping(json.loads((output / "run.json").read_text())["recipe"])
    step = recipe.source("c4").steps[0].deduplication
    assert isinstance(step, DeduplicateNear)
    batches: list[pa.RecordBatch] = []
    splits = list(read_plan(str(output)))
    for split in splits:
        batches += process_split(split, recipe, str(output), Tally(), until=0)
    assert len(splits) > 5 and len(batches) > 3 * len(splits)
    ids = {identifier for batch in batches for identifier in batch["id"].to_pylist()}
    goes = find_near_duplicates(batches, step)
    assert len(ids) == 400 and 100 < len(goes) < 300
    assert set(kept(output, "c4")) == ids - goes
