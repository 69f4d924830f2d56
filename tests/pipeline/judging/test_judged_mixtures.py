"""Draws of mixtures: their sizes, what is in them, and the mixture that is like the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RunError
from pipeline.judging.candidates import Candidate, candidates_of
from pipeline.judging.held_out import read_held_out
from pipeline.judging.mixtures import compare_mixtures, drawn_tokens, part_tokens
from pipeline.judging.scorers import Draw, Passages, Scored, Scorer
from tests.support.judged_runs import write_run, write_texts

ONE, OTHER = "This is about rivers and boats. ", "Stars and planets are far from here. "


@pytest.fixture
def parts(tmp_path: Path) -> list[Candidate]:
    texts = {"one": [f"{ONE * 60} {i}" for i in range(200)],
             "other": [f"{OTHER * 60} {i}" for i in range(100)]}  # fmt: skip
    return candidates_of([str(write_run(tmp_path / "out", texts))], "domain")


def test_a_draw_has_the_tokens_of_its_mixture(parts, tmp_path):
    seen: list[Draw] = []

    def score(draw: Draw, passages: Passages) -> Scored:
        seen.append(draw)
        return Scored([np.array([9.0] * len(text)) for text in passages], np.zeros(0))

    mixtures = {"even": {"one": 0.5, "other": 0.5}, "one alone": {"one": 1.0, "other": 0.0}}
    text = read_held_out("t", str(write_texts(tmp_path / "t.jsonl", ["Some words."] * 12)))
    told = compare_mixtures(parts, mixtures, [text], Scorer("-", {}, score), n_draws=2, seed=0)
    total = told["tokens"]
    assert total == drawn_tokens(parts, mixtures)
    beginning = seen[2].documents[0][:3].tolist()  # of the documents of one
    assert all(sum(map(len, draw.documents)) == total for draw in seen)
    n_even, n_alone = (
        sum(len(ids) for ids in draw.documents if ids[:3].tolist() == beginning)
        for draw in (seen[0], seen[2])
    )
    assert n_even == pytest.approx(total / 2, abs=3)
    assert n_alone == pytest.approx(total, abs=3)
    assert [one["name"] for one in told["candidates"]] == ["even", "one alone"]


def test_no_mixture_needs_more_than_half_of_a_part(parts):
    sizes = [part.n_tokens for part in parts]
    mixtures = {"a": {"one": 0.9, "other": 0.1}, "b": {"one": 0.2, "other": 0.8}}
    assert drawn_tokens(parts, mixtures) == min(
        int(size * 0.5 / share) for size, share in zip(sizes, (0.9, 0.8), strict=True)
    )
    with pytest.raises(RunError, match="mixture 'c' has 0 tokens, for third has 0"):
        drawn_tokens(parts, {"c": {"one": 0.5, "third": 0.5}})
    assert part_tokens(parts, {"one": 1 / 3, "other": 2 / 3}, 100) == [33, 67]
