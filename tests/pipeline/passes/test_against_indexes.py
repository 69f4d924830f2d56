"""Runs over one dump after another, against the indexes of those before, beside a joint run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import RecipeError
from pipeline.inspection.verify import verify
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT, digests, run_demo
from tests.test_other_sources import kept
from tokenizer.shards import ShardReader

pytestmark = pytest.mark.slow

N_DUMPS = 3
SHORT = {"drop_short": {"min_chars": 300}}
STEPS = {
    "first": [SHORT, {"deduplicate_documents": {"keep": "first"}},
              {"deduplicate_lines": {"keep": "first"}}],
    "none": [SHORT, {"deduplicate_lines": {"keep": "none"}}],
}  # fmt: skip


def card(run: Path, source: str, step: int) -> str:
    """Return the path of the card of an index."""
    return str(run / "indexes" / source / f"step{step}" / "card.json")


def write_recipe(path: Path, dumps: str, earlier: list[Path]) -> str:
    """Write a recipe of two sources over some dumps, against the indexes of earlier runs."""
    mapping = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    samples = ROOT / "samples"
    mapping["variables"] = {"data": str(samples / "data"), "models": str(samples / "models")}
    mapping["reading"] |= {"batch_bytes": 30_000}
    sources = {}
    for name, steps in STEPS.items():
        made: list[dict[str, Any]] = []
        for step, entry in enumerate(steps):
            ((kind, parameters),) = entry.items()
            if step:
                cards = [card(run, name, step) for run in earlier]
                parameters = {**parameters, "index": True, "against": cards}
            made.append({kind: parameters})
        sources[name] = {
            **mapping["sources"]["commoncrawl"],
            "input": [f"${{data}}/commoncrawl/wet/*-0000{dumps}.warc.wet.gz"],
            "proportion": 0.5,
            "steps": made,
        }
    mapping["sources"] = sources
    path.write_text(yaml.safe_dump(mapping))
    return str(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    """Runs over one dump after another, and the joint one over all."""
    folder = tmp_path_factory.mktemp("dumps")
    made: list[Path] = []
    for dump in range(N_DUMPS):
        recipe = write_recipe(folder / f"{dump}.yaml", str(dump), made)
        made.append(folder / f"dump{dump}")
        assert run_demo(made[-1], "--recipe", recipe) == 0
    recipe = write_recipe(folder / "joint.yaml", f"[0-{N_DUMPS - 1}]", [])
    assert run_demo(folder / "joint", "--recipe", recipe) == 0
    return [*made, folder / "joint"]


def tokens(run: Path, source: str) -> dict[str, list[int]]:
    """Return the tokens that a run kept, by their documents' ids."""
    made = {}
    for identifier, row in kept(run, source).items():
        path, number = row["at"]
        reader = ShardReader(str(path).removesuffix(".docs.parquet"))
        made[identifier] = reader[number].tolist()
    return made


def test_what_is_kept_of_all_dumps_is_what_a_joint_run_keeps(runs):
    *dumps, joint = runs
    one_by_one = [tokens(run, "first") for run in dumps]
    assert {i: t for made in one_by_one for i, t in made.items()} == tokens(joint, "first")
    assert all(one_by_one)


def test_of_lines_without_any_copy_the_newest_dump_is_as_in_a_joint_run(runs):
    *_, newest, joint = runs
    expected = {i: t for i, t in tokens(joint, "none").items() if f"0000{N_DUMPS - 1}." in i}
    assert tokens(newest, "none") == expected and expected


def test_the_indexes_matter(runs, tmp_path):
    alone = write_recipe(tmp_path / "alone.yaml", "2", [])
    assert run_demo(tmp_path / "out", "--recipe", alone) == 0
    for source in STEPS:
        assert len(tokens(tmp_path / "out", source)) > len(tokens(runs[2], source)) + 5


def test_cards_have_the_keys_of_the_run_alone_and_checksums(runs):
    counted = [json.loads(Path(card(run, "first", 1)).read_text()) for run in runs]
    n_keys = [one["keys"] for one in counted]
    assert n_keys[-1] <= sum(n_keys[:-1]) and all(n < n_keys[-1] for n in n_keys[:-1])
    assert all(one["unit"] == "DeduplicateDocuments" for one in counted)
    for run in runs:
        assert not verify(str(run))
    name = sorted(counted[0]["files"])[0]
    manifest = json.loads((runs[0] / "manifest.json").read_text())
    sealed = manifest["files"][f"indexes/first/step1/{name}"]
    assert counted[0]["files"][name]["sha256"] == sealed


def test_two_workers_and_a_run_that_goes_on_make_the_same_bytes(runs, tmp_path):
    recipe = write_recipe(tmp_path / "again.yaml", "2", runs[:2])
    again = tmp_path / "again"
    assert run_demo(again, "--recipe", recipe, workers=2) == 0
    made = digests(again)
    assert made == digests(runs[2])
    for name in ("manifest.json", "ledger.parquet", "ledger", "decisions/first", "indexes/first"):
        path = again / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run_demo(again, "--recipe", recipe) == 0
    assert digests(again) == made


def test_a_card_that_is_none_or_of_another_kind_is_refused(runs, tmp_path):
    def refused(given: str, expected: str) -> None:
        recipe = Path(write_recipe(tmp_path / "wrong.yaml", "2", runs[:1]))
        right = card(runs[0], "first", 1)
        recipe.write_text(recipe.read_text().replace(right, given))
        with pytest.raises(RecipeError, match=expected):
            load_recipe(str(recipe))

    refused(str(tmp_path / "none.json"), "against: there is no file .*'index: true' writes it")
    refused(card(runs[0], "first", 2), "of .*DeduplicateLines.*, not of DeduplicateDocuments")
    refused(str(runs[0] / "run.json"), "it is no card of an index")


def test_damaged_keys_stop_the_run(runs, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(runs[0] / "indexes", copy / "indexes")
    for path in copy.rglob("*.keys"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
    recipe = write_recipe(tmp_path / "damaged.yaml", "2", [copy])
    assert run_demo(tmp_path / "out", "--recipe", recipe) != 0
    assert "damaged keys: its table is not as it was written" in capsys.readouterr().err
