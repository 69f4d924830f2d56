"""Archives from the wild: no crash, no hang, and every record in the ledger."""

from __future__ import annotations

import pytest
import yaml

from pipeline.inspection.verify import verify
from pipeline.output.ledger import read_ledger
from tests.support.runs import ROOT, run_demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def edge(tmp_path_factory, shared_data):
    folder = tmp_path_factory.mktemp("edge")
    recipe = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    recipe["variables"]["models"] = str(ROOT / "samples" / "models")
    recipe["sources"] = {
        name: {
            "reader": reader,
            "input": [f"{shared_data}/commoncrawl/edge/**"],
            "proportion": 0.5,
            "expected_tokens_per_input_byte": 0.1,
            "steps": [],
        }
        for name, reader in {
            "as_wet": "wet",
            "as_warc": {"warc": {"main_content": False, "max_html_bytes": 8_388_608}},
        }.items()
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    assert run_demo(folder / "out", "--recipe", str(path)) == 0
    return folder / "out"


def test_every_file_is_in_the_ledger_and_it_adds_up(edge, shared_data):
    assert verify(str(edge)) == []
    files = {
        path.relative_to(shared_data / "commoncrawl" / "edge").as_posix()
        for path in (shared_data / "commoncrawl" / "edge").rglob("*")
        if path.is_file()
    }
    ledger = read_ledger(str(edge)).to_pylist()
    for source in ("as_wet", "as_warc"):
        rows = [row for row in ledger if row["source"] == source]
        assert {row["file"] for row in rows} == {f"{source}/{name}" for name in files}
        read = {row["file"] for row in rows if row["outcome"] == "in" and row["documents"]}
        assert read == {f"{source}/{name}" for name in files}, "a file disappeared without a word"


def test_damage_is_told_and_what_is_whole_is_read(edge):
    ledger = read_ledger(str(edge)).to_pylist()
    reasons = {row["reason"] for row in ledger if row["outcome"] == "dropped"}
    assert {"damaged", "not_a_page", "http_status", "not_html", "not_a_warc"} <= reasons
    kept = {row["file"] for row in ledger if row["outcome"] == "out" and row["documents"]}
    damaged = {row["file"] for row in ledger if row["reason"] == "damaged"}
    assert kept & damaged, "what is whole in a damaged file is read"
