"""The command ``corpus weights`` over a real run, and its mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.commands.main import main as corpus
from pipeline.inspection.verify import verify
from pipeline.judging.scorers import NGRAMS_MEANING
from tests.support.edited_recipes import edited
from tests.support.judged_runs import ROOT, write_texts
from tests.support.runs import run_demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of large sources, one of them divided, and a small one, which tests copy."""
    folder = tmp_path_factory.mktemp("weighed")

    def divide(raw: dict) -> None:
        pages = raw["sources"]["commoncrawl"]
        pages["domains"] = {"by": ["bucket"], "weights": {"head": 2}}
        pages["steps"][-1]["bucket_by_perplexity"]["keep"] = ["head", "middle", "tail"]

    recipe = edited(folder, divide)
    sources = ["--sources", "commoncrawl,c4,books,github"]
    assert run_demo(folder / "out", "--recipe", recipe, *sources, "--no_report") == 0
    return folder / "out"


@pytest.fixture
def prose(tmp_path: Path) -> Path:
    texts = (ROOT / "samples" / "texts" / "stackexchange-workshop.txt").read_text().split("\n\n")
    return write_texts(tmp_path / "prose.jsonl", texts)


@pytest.mark.slow
def test_the_recipe_with_weights_is_a_mixture_of_the_run(
    made, prose, tmp_path, kenlm_programs, capsys
):
    output = shutil.copytree(made, tmp_path / "out")
    recipe = tmp_path / "prose.yaml"
    arguments = ["weights", str(output), "--target", f"prose={prose}", "--max_epochs", "9"]
    assert corpus([*arguments, "--to", str(recipe), "--smoothing", "0.1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["without_model"] == ["github"]
    proportions = told["proportions"]
    assert sum(proportions.values()) == pytest.approx(1)
    assert proportions["github"] == pytest.approx(0.1 * told["natural"]["github"], abs=1e-4)
    before = json.loads((output / "manifest.json").read_text())["sources"]
    assert corpus(["mix", str(output), "--recipe", str(recipe), "--no_report"]) == 0
    sources = json.loads((output / "manifest.json").read_text())["sources"]
    mixed = {name: one["proportion"] for name, one in sources.items()}
    pages = sources["commoncrawl"]["domains"]
    found = {f"commoncrawl/{n}": mixed["commoncrawl"] * p["proportion"] for n, p in pages.items()}
    assert set(found) == {f"commoncrawl/{name}" for name in ("head", "middle", "tail")}
    found |= {name: mixed[name] for name in ("c4", "books", "github")}
    assert proportions == pytest.approx(found, abs=1e-7)
    assert all(before[name]["proportion"] != share for name, share in mixed.items())
    parts = [*pages.values(), *(sources[name] for name in ("c4", "books", "github"))]
    assert max(one["epochs"] for one in parts) <= 9.01
    assert verify(str(output)) == []
    capsys.readouterr()
    assert corpus([*arguments, "--judge"]) == 0
    printed = capsys.readouterr().out
    assert NGRAMS_MEANING in printed
    assert "Draws of the run at these proportions" in printed
    for name in ("these", "natural", "the run's"):
        assert f". {name}" in printed  # a place in the order


@pytest.mark.slow
def test_domains_are_judged_beside_sources_that_are_not_divided(
    made, prose, kenlm_programs, capsys
):
    arguments = ["judge", str(made), "--by", "domain", "--held_out", f"prose={prose}"]
    assert corpus([*arguments, "--draws", "2", "--tokens", "5000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    tokens = {one["name"]: one["tokens"] for one in told["candidates"]}
    assert set(tokens) == {
        "commoncrawl/head", "commoncrawl/middle", "commoncrawl/tail", "c4", "books", "github",
    }  # fmt: skip
    sources = json.loads((made / "manifest.json").read_text())["sources"]
    for name, one in sources["commoncrawl"]["domains"].items():
        marks = 2 * one["train_documents"]
        assert tokens[f"commoncrawl/{name}"] == one["train_tokens"] - marks


def test_mistakes_are_told_in_one_line_before_work(made, prose, tmp_path, kenlm_programs, capsys):
    target = ["--target", f"prose={prose}"]
    for arguments, text in (
        ([*target, "--smoothing", "1.5"], "give a share from 0 to 1"),
        ([*target, "--max_epochs", "0"], "give more than 0"),
        ([*target, "--max_epochs", "0.5"], "give a higher --max_epochs"),
        ([*target, "--to", str(prose)], "there is such a file already"),
        ([*target, "--tokens", "100000000"], "0 of 6 sources or domains have 100,000,000 tokens"),
        ([*target, f"prose={prose}"], "two texts have this name"),
        (["--target", f"mean={prose}", "--judge"], "the mean of all texts has this name"),
        (["--target", "x=nothing.txt"], "there is no such file"),
    ):
        assert corpus(["weights", str(made), *arguments]) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
        assert text in printed.err
    assert corpus(["weights", str(tmp_path), *target]) == 2
    assert "no manifest.json there" in capsys.readouterr().err
