"""The recipes that the ablation compares are those that it says, and can be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.ablation import held_out, recipes, run
from pipeline.judging.judge import MEANING
from tests.support.runs import ROOT
from transforms.registry import STEPS


def names(steps: list) -> list[str]:
    return [next(iter(step)) for step in steps]


def test_each_recipe_has_the_steps_of_its_name():
    of = recipes()
    assert of["raw"] == []
    assert names(of["language only"]) == ["identify_language"]
    assert names(of["C4's rules"]) == ["identify_language", "apply_c4_rules"]
    samples = yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text())
    assert of["LLaMA (head and middle)"] == samples["sources"]["commoncrawl"]["steps"]
    assert names(of["repeated lines out"]) == names(of["LLaMA (head and middle)"])
    assert of["repeated lines out"][-1]["bucket_by_perplexity"]["keep"] == [
        "head", "middle", "tail",
    ]  # fmt: skip
    assert {name for steps in of.values() for name in names(steps)} <= set(STEPS)


def test_held_out_texts_are_of_four_kinds(tmp_path, shared_data: Path):
    texts = {text.name: text for text in held_out(shared_data, tmp_path)}
    assert list(texts) == ["wikipedia", "books", "news", "questions"]
    assert all(text.n_documents == 100 for name, text in texts.items() if name != "books")
    assert texts["books"].unit_name == "passages"
    assert not any("<p>" in passage for passage in texts["questions"].passages)


@pytest.mark.slow
def test_a_recipe_of_the_ablation_runs(tmp_path, shared_data, shared_models):
    (candidate,) = run("C4's rules", recipes()["C4's rules"], shared_data.parent, tmp_path)
    assert candidate.name == "C4's rules"
    assert candidate.n_tokens > 500_000


def test_the_page_has_the_figures_that_were_written_and_says_what_they_are():
    page = (ROOT / "docs" / "worth.md").read_text()
    figures = json.loads((ROOT / "benchmarks" / "ablation.json").read_text())
    for kind, result in figures["results"].items():
        for candidate, figure in result["figures"].items():
            (row,) = (
                line
                for line in page.splitlines()
                if line.startswith(f"| {candidate} |")
                and line.count("±") == len(figures["results"])
            )
            half = (figure["high"] - figure["low"]) / 2
            assert f"{figure['bits_per_byte']:.3f} ± {half:.3f}" in row, kind
    assert f"{figures['tokens']:,}" in page
    assert " ".join(MEANING.split()) in " ".join(page.split())
