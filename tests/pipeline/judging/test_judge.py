"""Planted truths: what is worse is judged worse, and what is alike is not told apart."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RunError
from pipeline.judging.candidates import candidates_of
from pipeline.judging.certainty import MEAN
from pipeline.judging.held_out import cut_passages, read_held_out
from pipeline.judging.judge import field_of, judge
from pipeline.judging.scorers import ngram_scorer
from tests.support.judged_runs import ROOT, wikipedia_texts, write_run, write_texts

pytestmark = pytest.mark.slow

N_HELD_OUT = 120


@pytest.fixture(scope="module")
def articles(shared_data: Path) -> list[str]:
    return wikipedia_texts(shared_data, 820)


def compared(
    tmp_path: Path, tools: Path, held_out: list[str], seed: int = 0, **runs: list[str]
) -> dict[str, Any]:
    """Compare runs of a single source each, by their names."""
    outputs = [str(write_run(tmp_path / name, {"web": texts})) for name, texts in runs.items()]
    field = field_of(candidates_of(outputs, None), None, are_parts=False)
    file = write_texts(tmp_path / "held_out.jsonl", held_out)
    texts = [read_held_out("wiki", str(file))]
    return judge(field, texts, ngram_scorer(tools), n_draws=5, seed=seed)


def only_pair(judgement: dict[str, Any]) -> dict[str, Any]:
    (pair,) = judgement["results"]["wiki"]["pairs"]
    return pair | {name: Path(pair[name]).name for name in ("better", "worse")}


def shuffled(text: str, seed: int) -> str:
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


def in_german(n_chars: int) -> list[str]:
    text = (ROOT / "samples" / "texts" / "wikipedia-de.txt").read_text("utf-8")
    paragraphs = text.split("\n\n")
    chosen = random.Random(0).choices(paragraphs, k=n_chars // (len(text) // len(paragraphs)))
    return ["\n".join(chosen[i : i + 4]) for i in range(0, len(chosen), 4)]


def spoiled(articles: list[str], how: str) -> list[str]:
    if how == "tenth_shuffled":
        return [shuffled(t, i) if i % 10 == 0 else t for i, t in enumerate(articles)]
    if how == "half_repeated":
        half = articles[: len(articles) // 2]
        return [text for text in half for _ in range(2)]
    return in_german(sum(map(len, articles)))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tenth_shuffled", "half_repeated", "german"])
def test_a_spoiled_run_is_judged_worse_with_certainty(tmp_path, kenlm_programs, articles, how):
    held_out, whole = articles[:N_HELD_OUT], articles[N_HELD_OUT:]
    runs = {"whole": whole, how: spoiled(whole, how)}
    pair = only_pair(compared(tmp_path, kenlm_programs, held_out, **runs))
    assert (pair["better"], pair["worse"]) == ("whole", how)
    assert pair["told_apart"] and pair["certainty"] > 0.99


@pytest.mark.slow
def test_two_halves_of_a_run_are_not_told_apart(tmp_path, kenlm_programs, articles):
    held_out, whole = articles[:40], articles[N_HELD_OUT : N_HELD_OUT + 160]
    told_apart = []
    for seed in range(5):
        order = random.Random(seed).sample(whole, len(whole))
        halves = {"one": order[: len(order) // 2], "other": order[len(order) // 2 :]}
        judgement = compared(tmp_path / str(seed), kenlm_programs, held_out, seed, **halves)
        told_apart.append(only_pair(judgement)["told_apart"])
    assert sum(told_apart) <= 1  # each of the five may be one of twenty


@pytest.mark.slow
def test_held_out_text_in_training_text_is_taken_out(tmp_path, kenlm_programs, articles):
    held_out, whole = articles[:30], articles[N_HELD_OUT : N_HELD_OUT + 60]
    clean = compared(tmp_path / "clean", kenlm_programs, held_out, one=whole, other=whole[::-1])
    planted = [text + "\n" + held_out[7] for text in whole]  # so that every draw has it
    found = compared(tmp_path / "planted", kenlm_programs, held_out, one=whole, other=planted)
    before, after = clean["held_out"][0], found["held_out"][0]
    n_planted = len(cut_passages(held_out[7]))
    assert after["removed_passages"] == before["removed_passages"] + n_planted
    assert after["passages"] == before["passages"] - n_planted
    assert after["documents"] == before["documents"] - 1


@pytest.mark.slow
def test_a_comparison_is_the_same_when_given_again(tmp_path, kenlm_programs, articles):
    held_out, whole = articles[:12], articles[N_HELD_OUT : N_HELD_OUT + 100]
    runs = {"one": whole[:50], "other": whole[50:]}
    first, second = (
        only_pair(compared(tmp_path / name, kenlm_programs, held_out, **runs))
        for name in ("first", "second")
    )
    assert first == second
    other_seed = compared(tmp_path / "third", kenlm_programs, held_out, 9, **runs)
    assert only_pair(other_seed)["difference"] != first["difference"]


@pytest.mark.slow
def test_the_mean_counts_each_text_the_same(tmp_path, kenlm_programs, articles):
    outputs = [
        str(write_run(tmp_path / name, {"web": texts}))
        for name, texts in (("one", articles[120:170]), ("other", articles[170:220]))
    ]
    field = field_of(candidates_of(outputs, None), None, are_parts=False)
    held_out = [
        read_held_out(name, str(write_texts(tmp_path / f"{name}.jsonl", texts)))
        for name, texts in (("few", articles[:10]), ("many", articles[10:40]))
    ]
    results = judge(field, held_out, ngram_scorer(kenlm_programs), n_draws=2, seed=0)["results"]
    for output in outputs:
        few, many, mean = (
            results[name]["figures"][output]["bits_per_byte"] for name in ("few", "many", MEAN)
        )
        assert mean == pytest.approx((few + many) / 2)
        assert results[MEAN]["figures"][output]["low"] < mean


def test_too_few_tokens_are_told(tmp_path):
    outputs = [str(write_run(tmp_path / name, {"web": ["A few words."]})) for name in "ab"]
    candidates = candidates_of(outputs, None)
    with pytest.raises(RunError, match="tokens are too few for draws of 20,000"):
        field_of(candidates, None, are_parts=False)
    with pytest.raises(RunError, match="0 of 2 candidates have the 40,000 tokens"):
        field_of(candidates, None, are_parts=True)
    n_tokens = candidates[0].n_tokens
    assert field_of(candidates, n_tokens // 2, are_parts=False).tokens == n_tokens // 2
    with pytest.raises(RunError, match="too few"):
        field_of(candidates, n_tokens // 2 + 1, are_parts=False)
