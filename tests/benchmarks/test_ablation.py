"""The recipes that the ablation compares are those that it says, and can be run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from benchmarks.ablation import TRAINED
from benchmarks.judged.ranks import chance_of, rank_correlation
from benchmarks.judged.recipes import (
    CLASSIFIER,
    FIRST_ARTICLE,
    NOT_RULES,
    make_classifier,
    recipes,
    run,
)
from benchmarks.judged.texts import articles, fewer_passages, held_out
from pipeline.judging.held_out import HeldOut
from pipeline.judging.scorers import NGRAMS_MEANING
from pipeline.judging.trained_models import TRAINED_MEANING
from pipeline.models.classifier_training import probabilities
from tests.support.runs import ROOT
from transforms.registry import STEPS

MODELS = Path("models")


def names(steps: list) -> list[str]:
    return [next(iter(step)) for step in steps]


def test_each_recipe_has_the_steps_of_its_name():
    of = {name: settings["steps"] for name, settings in recipes("wet", MODELS).items()}
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
    assert names(of["classifier only"]) == ["identify_language", "classify_top"]
    assert "apply_fineweb_rules" in names(of["FineWeb's rules"])
    assert "apply_refinedweb_rules" in names(of["DCLM's rules"])
    assert not any(
        set(names(steps)[1:]) & set(NOT_RULES)
        for steps in of.values()
        if steps[:1] == of["language only"] and steps != of["classifier only"]
    )
    assert set(TRAINED) <= {*of, "head alone", "tail alone"} and len(TRAINED) >= 8
    assert {name for steps in of.values() for name in names(steps)} <= set(STEPS)


def test_recipes_over_warc_pages_have_the_main_text_of_their_papers():
    of = recipes("warc", MODELS)
    samples = yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text())
    assert of["LLaMA (head and middle)"]["steps"] == samples["sources"]["commoncrawl_warc"]["steps"]
    assert of["FineWeb"]["reader"]["warc"]["extractor"] == "trafilatura"
    assert of["DCLM"]["reader"]["warc"]["extractor"] == "resiliparse"
    by_rules = {name: names(one["steps"]) for name, one in of.items() if "reader" in one}
    assert all(steps[0] == "identify_language" for steps in by_rules.values())
    assert not any(set(steps[1:]) & set(NOT_RULES) for steps in by_rules.values())


@pytest.mark.slow
def test_the_classifier_knows_articles_from_pages(tmp_path, shared_data: Path):
    make_classifier(shared_data, tmp_path)
    (card,) = tmp_path.glob("*.card.json")
    (percentiles,) = json.loads(card.read_text())["scores"]["random_page_percentiles"].values()
    assert len(percentiles) == 101 and percentiles == sorted(percentiles)
    model = str(tmp_path / f"{CLASSIFIER}.bin")
    others = pa.chunked_array([articles(shared_data)[:FIRST_ARTICLE]], pa.string())
    assert np.median(probabilities(others, model, CLASSIFIER)) > percentiles[75]


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


def test_the_chance_of_a_correlation_is_the_share_of_orders_that_reach_it():
    assert chance_of(1.0, 4) == pytest.approx(1 / 24)
    assert chance_of(0.8, 4) == pytest.approx(4 / 24)  # and three swaps of neighbours
    assert chance_of(-1.0, 4) == 1


@pytest.mark.slow
def test_a_recipe_of_the_ablation_runs(tmp_path, shared_data, shared_models):
    settings = recipes("wet", MODELS)["C4's rules"]
    (candidate,) = run("C4's rules", "wet", settings, shared_data.parent, tmp_path)
    assert candidate.name == "C4's rules"
    assert candidate.n_tokens > 500_000


def test_the_page_has_the_figures_that_were_written_and_says_what_they_are():
    page = (ROOT / "docs" / "worth.md").read_text()
    told = json.loads((ROOT / "benchmarks" / "ablation.json").read_text())
    both = told["beside_trained"]
    for figures in (told["wet"], told["warc"]):
        rows = [line for line in page.splitlines() if line.startswith("| ")]
        for candidate, figure in figures["results"]["mean"]["figures"].items():
            cells = [
                f"{result['figures'][candidate]['bits_per_byte']:.3f} ± "
                f"{half_width(result['figures'][candidate]):.3f}"
                for result in figures["results"].values()
            ]
            assert f"| {' | '.join([candidate, *cells])} |" in rows, figure
        assert f"{figures['tokens']:,}" in page
    trained = both["trained"]["results"]["mean"]["figures"]
    for candidate in both["names"]:
        cell = f"{trained[candidate]['bits_per_byte']:.3f} ± {half_width(trained[candidate]):.3f}"
        assert any(line.startswith(f"| {candidate} |") and cell in line
                   for line in page.splitlines())  # fmt: skip
    assert len(both["names"]) >= 8
    assert f"**{both['rank_correlation']:.2f}**" in page
    assert f"{both['rank_correlation_same_draws']:.2f}" in page
    for meaning in (NGRAMS_MEANING, TRAINED_MEANING):
        assert " ".join(meaning.split()) in " ".join(page.split())


def half_width(figure: dict[str, float]) -> float:
    return (figure["high"] - figure["low"]) / 2
