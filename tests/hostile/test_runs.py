"""Whole runs over mutated files of every source: passes, shards, ledger, manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.inspection.manifest import load_manifest
from pipeline.inspection.verify import verify
from pipeline.output.ledger import kept_some, read_ledger
from tests.hostile.bases import bases
from tests.hostile.checks import SOURCE_OF
from tests.hostile.mutations import mutant
from tests.support.runs import run_samples

pytestmark = pytest.mark.slow

FOLDERS = {"commoncrawl": "commoncrawl/wet", "commoncrawl_warc": "commoncrawl/warc"}
MUTANTS_A_SOURCE = 4


@pytest.mark.slow
def test_a_run_over_damaged_files_keeps_its_books(tmp_path: Path, shared_models: Path):
    expected = set()
    for reader in sorted(set(bases()) - {"repositories", "huggingface"}):
        source = SOURCE_OF[reader]
        folder = tmp_path / "data" / FOLDERS.get(source, source)
        for seed in range(MUTANTS_A_SOURCE):
            made = mutant(seed, reader)
            path = folder / str(seed) / made.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made.data)
            expected.add(source)
        (folder / "empty" / bases()[reader][0].name).mkdir(parents=True)  # a folder named as a file
    status = run_samples(tmp_path / "out", tmp_path / "data", shared_models)
    sources = load_manifest(str(tmp_path / "out"))["sources"].values()
    assert status == (0 if all(map(kept_some, sources)) else 3)
    assert verify(str(tmp_path / "out")) == []
    ledger = read_ledger(str(tmp_path / "out")).to_pylist()
    assert {row["source"] for row in ledger} == expected
    assert sum(row["documents"] for row in ledger if row["outcome"] == "dropped")
