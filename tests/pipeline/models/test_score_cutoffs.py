"""Cut-offs of a score: weighted quantiles, and buckets of equal size in a run with their card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands.main import main
from pipeline.models.score_cutoffs import weighted_quantiles
from tests.support.edited_recipes import edited
from tests.support.runs import run_demo

pytestmark = pytest.mark.slow

QUANTILES = 4


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.integers(1, 50)), min_size=30, unique_by=lambda p: p[0]
    ),
    st.integers(2, 10),
)
def test_quantiles_divide_the_weight_up_to_half_a_value(pairs, quantiles) -> None:
    scores, weights = (np.array(column) for column in zip(*pairs, strict=True))
    cutoffs = weighted_quantiles(scores.astype(float), weights, quantiles)
    assert len(cutoffs) == quantiles - 1 and cutoffs == sorted(cutoffs)
    for i, cutoff in enumerate(cutoffs, start=1):
        below = weights[scores < cutoff].sum()
        error = abs(below - weights.sum() * i / quantiles)
        every = [weights[scores < score].sum() for score in scores if score > scores.min()]
        assert error == min(abs(one - weights.sum() * i / quantiles) for one in every)
        heavy_end = cutoff == scores.max() or below == min(every)
        assert error <= weights.max() / 2 or heavy_end


def test_quantiles_of_equal_scores() -> None:
    scores, weights = np.array([2.0, 1.0, 2.0, 3.0]), np.array([3, 5, 2, 4])
    assert weighted_quantiles(scores, weights, 2) == [2.0]  # 5 below, not 10
    assert weighted_quantiles(scores[:1], weights[:1], 2) == []


def with_buckets(card: Path | None):
    def change(raw: dict) -> None:
        source = raw["sources"]["commoncrawl"]
        del source["steps"][-1]  # the buckets of perplexity
        if card is not None:
            step = {"score": "perplexity", "card": str(card), "quantiles": QUANTILES}
            source["steps"].append({"bucket_by_score": step})
            source["domains"] = {"by": ["language", "bucket"]}
        raw["sources"] = {"commoncrawl": {**source, "proportion": 1.0}}

    return change


def test_a_run_with_the_card_has_buckets_of_equal_tokens(tmp_path: Path, capsys) -> None:
    recipe = edited(tmp_path, with_buckets(None))
    command = ["cutoffs", "--recipe", recipe, "--source", "commoncrawl", "--score", "perplexity",
               "--quantiles", str(QUANTILES), "--output", str(tmp_path / "cut")]  # fmt: skip
    assert main([*command, "--workers", "1"]) == 0
    assert "Cut-offs of perplexity, on" in capsys.readouterr().out
    card = tmp_path / "cut" / "perplexity.card.json"
    measured = json.loads(card.read_text())
    recipe = edited(tmp_path, with_buckets(card))
    output = tmp_path / "out"
    assert run_demo(output, "--recipe", recipe, "--set", "shards.validation_fraction=0") == 0
    files = (output / "shards" / "commoncrawl").glob("train-*.docs.parquet")
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    scores = np.array([row["perplexity"] for row in rows])
    tokens = np.array([row["token_count"] for row in rows])
    total = tokens.sum()
    assert measured["scores"]["documents"] == len(rows)
    assert measured["scores"]["tokens"] == total
    for i, cutoff in enumerate(measured["scores"]["cutoffs"], start=1):
        assert abs(tokens[scores < cutoff].sum() / total - i / QUANTILES) < 0.01
    domains = json.loads((output / "manifest.json").read_text())["sources"]["commoncrawl"][
        "domains"
    ]
    assert [*domains] == [f"en/{i}" for i in range(QUANTILES)]
    for one in domains.values():
        assert one["train_tokens"] == pytest.approx(total / QUANTILES, rel=0.05)

    for more, text in ((["--quantiles", "1"], "expected 2 or more"),
                       (["--score", "nothing"], "has the score nothing"),
                       (["--source", "web"], "no such source")):  # fmt: skip
        assert main([*command, *more, "--workers", "1"]) == 2
        assert text in capsys.readouterr().err
