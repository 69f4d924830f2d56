"""Buckets by any score, and scores made of several."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.signatures import check_parameters
from transforms.documents import documents, with_column
from transforms.scoring.score_buckets import bucket_by_score, check_bucket_by_score, combine_scores

METADATA = ['{"a": 1, "b": 0.5}', '{"a": 3}', '{"b": 7.5, "t": "x"}', None, "{}"]
BATCH = with_column(
    documents([*"vwxyz"], [""] * 5, metadata=METADATA), "perplexity", [99.0, 100, None, 5e3, 250]
)


def fields(batch) -> list[dict]:
    return [json.loads(text or "{}") for text in batch["metadata"].to_pylist()]


def test_the_bucket_is_the_number_of_cutoffs_that_are_not_above_the_score() -> None:
    made = bucket_by_score(BATCH, score="perplexity", cutoffs=[100, 250.0])
    assert made["bucket"].to_pylist() == ["0", "1", None, "2", "2"]
    assert made["metadata"].equals(BATCH["metadata"])
    twenty = [float(i) for i in range(1, 20)]
    made = bucket_by_score(BATCH, score="b", cutoffs=twenty, quantiles=20)
    assert made["bucket"].to_pylist() == ["00", None, "07", None, None]


def test_a_bucket_may_go_to_the_metadata() -> None:
    made = bucket_by_score(BATCH, score="a", cutoffs=[2.0], as_="a_bin")
    assert [one.get("a_bin") for one in fields(made)] == [0, 1, None, None, None]
    assert made["bucket"].null_count == 5
    assert made["metadata"].to_pylist()[3] is None


def test_cutoffs_of_a_card(tmp_path: Path) -> None:
    card = {"kind": "score_cutoffs", "parameters": {"score": "a"}, "scores": {"cutoffs": [2, 3]}}
    path = tmp_path / "a.card.json"
    path.write_text(json.dumps(card))
    made = bucket_by_score(BATCH, score="a", card=str(path), quantiles=3)
    assert made["bucket"].to_pylist() == ["0", "2", None, None, None]
    for more, expected in (
        ({"score": "b", "card": str(path)}, "is no card of cut-offs of the score 'b'"),
        ({"score": "a", "card": str(path), "quantiles": 20}, "2 cut-offs make no 20 buckets"),
        ({"score": "a", "card": str(path), "cutoffs": [1.0]}, "either cutoffs or a card"),
        ({"score": "a"}, "either cutoffs or a card"),
        ({"score": "a", "cutoffs": []}, "expected ascending numbers"),
        ({"score": "a", "cutoffs": [2.0, 1.0]}, "expected ascending numbers"),
    ):
        with pytest.raises(ValueError, match=expected):
            check_bucket_by_score(**more)


def test_scores_that_are_there_are_combined() -> None:
    for how, expected in (("max", [1, 3, 7.5, None, None]), ("min", [0.5, 3, 7.5, None, None]),
                          ("mean", [0.75, 3, 7.5, None, None])):  # fmt: skip
        made = fields(combine_scores(BATCH, of=["a", "b"], how=how, as_="q"))
        assert [one.get("q") for one in made] == expected
    assert '"q": 3}' in combine_scores(BATCH, of=["a"], how="max", as_="q")["metadata"][1].as_py()
    with pytest.raises(ValueError, match="expected the names of scores"):
        combine_scores(BATCH, of=[], how="max", as_="q")
    with pytest.raises(ValueError, match="the score t is 'x', which is no number"):
        combine_scores(BATCH, of=["t"], how="max", as_="q")


def test_a_recipe_says_as() -> None:
    given = {"of": ["a"], "how": "max", "as": "q"}
    assert check_parameters(combine_scores, given, "x") == {"of": ["a"], "how": "max", "as_": "q"}
    with pytest.raises(RecipeError, match="expected one of max, min, mean; found 'sum'"):
        check_parameters(combine_scores, {**given, "how": "sum"}, "x")
