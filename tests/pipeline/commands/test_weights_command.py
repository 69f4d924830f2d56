"""The command ``corpus weights`` over a real run, and its mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.commands.main import main as corpus
from pipeline.inspection.verify import verify
from pipeline.judging.judge import MEANING
from tests.support.judged_runs import ROOT, write_texts
from tests.support.runs import run_demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a large source and a small one, which tests copy."""
    output = tmp_path_factory.mktemp("weighed") / "out"
    assert run_demo(output, "--sources", "c4,books,github", "--no_report") == 0
    return output


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
    assert {name: one["proportion"] for name, one in sources.items()} == proportions
    assert all(before[name]["proportion"] != share for name, share in proportions.items())
    assert max(one["epochs"] for one in sources.values()) <= 9.01
    assert verify(str(output)) == []
    capsys.readouterr()
    assert corpus([*arguments, "--tokens", "5000"]) == 0
    assert MEANING in capsys.readouterr().out


def test_mistakes_are_told_in_one_line_before_work(made, prose, tmp_path, kenlm_programs, capsys):
    target = ["--target", f"prose={prose}"]
    for arguments, text in (
        ([*target, "--smoothing", "1.5"], "give a share from 0 to 1"),
        ([*target, "--max_epochs", "0"], "give more than 0"),
        ([*target, "--max_epochs", "0.5"], "give a higher --max_epochs"),
        ([*target, "--to", str(prose)], "there is such a file already"),
        ([*target, "--tokens", "100000000"], "0 of 3 sources have 100,000,000 tokens"),
        ([*target, f"prose={prose}"], "two texts have this name"),
        (["--target", "x=nothing.txt"], "there is no such file"),
    ):
        assert corpus(["weights", str(made), *arguments]) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
        assert text in printed.err
    assert corpus(["weights", str(tmp_path), *target]) == 2
    assert "no manifest.json there" in capsys.readouterr().err
