"""The recipes that the ablation compares are those that it says, and can be run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.ablation import (
    NOT_RULES,
    TRAINED,
    fewer_passages,
    held_out,
    rank_correlation,
    recipes,
    run,
)
from pipeline.judging.held_out import HeldOut
from pipeline.judging.scorers import NGRAMS_MEANING
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
    assert names(of["lines only"]) == ["drop_short", "deduplicate_lines"]
    assert names(of["perplexity only"]) == [
        "identify_language", "score_perplexity", "bucket_by_perplexity",
    ]  # fmt: skip
    assert of["perplexity only"][-1] == of["LLaMA (head and middle)"][-1]
    assert "apply_fineweb_rules" in names(of["FineWeb's rules"])
    assert "apply_refinedweb_rules" in names(of["DCLM's rules"])
    assert not any(set(names(steps)[1:]) & set(NOT_RULES) for steps in of.values()
                   if steps[:1] == of["language only"])  # fmt: skip
    assert set(TRAINED) <= {*of, "head alone", "tail alone"} and len(TRAINED) >= 8
    assert {name for steps in of.values() for name in names(steps)} <= set(STEPS)


def test_held_out_texts_are_of_four_kinds(tmp_path, shared_data: Path):
    texts = {text.name: text for text in held_out(shared_data, tmp_path)}
    assert list(texts) == ["wikipedia", "books", "news", "questions"]
    assert all(text.n_documents == 100 for name, text in texts.items() if name != "books")
    assert texts["books"].unit_name == "passages"
    assert not any("<p>" in passage for passage in texts["questions"].passages)


def test_a_few_passages_are_spread_over_a_text():
    text = HeldOut("t", [str(i) for i in range(31)], np.arange(31) // 2)
    fewer = fewer_passages(text, 4)
    assert fewer.passages == ["0", "10", "20", "30"]
    assert fewer.document.tolist() == [0, 5, 10, 15]
    assert fewer_passages(fewer, 9).passages == fewer.passages


def test_the_rank_correlation_is_that_of_spearman():
    assert rank_correlation([1.0, 2.0, 3.5], [10.0, 20.0, 99.0]) == pytest.approx(1)
    assert rank_correlation([1.0, 2.0, 3.5], [9.0, 8.0, 7.0]) == pytest.approx(-1)
    # 1 - 6 (1 + 1 + 0 + 0) / (4 * 15), of the squared differences of the ranks
    assert rank_correlation([1.0, 2.0, 3.0, 4.0], [20.0, 10.0, 30.0, 40.0]) == pytest.approx(0.8)


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
    assert " ".join(NGRAMS_MEANING.split()) in " ".join(page.split())
