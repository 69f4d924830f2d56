"""Weights of sources for a target that is made of known shares of them, from real texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.judged.target_parts import MIXED, TRUTH, run_and_targets
from benchmarks.target_weights import FOUND, weighed
from pipeline.errors import RunError
from pipeline.inspection.manifest import load_manifest
from pipeline.judging.candidates import candidates_of
from pipeline.judging.run_parts import rounded
from pipeline.judging.weights import parts_of, target_weights
from tests.support.judged_runs import write_run


@pytest.mark.slow
def test_a_target_of_books_and_code_is_found(tmp_path, shared_data: Path, kenlm_programs):
    output, targets = run_and_targets(shared_data, tmp_path)
    parts, tokens = parts_of(candidates_of([output], "source"), None)
    found = target_weights(
        load_manifest(output), parts, tokens, [targets[MIXED]], kenlm_programs,
        smoothing=0.0, max_epochs=1000.0, seed=0,
    )  # fmt: skip
    assert found["targets"][0]["weights"] == pytest.approx(TRUTH, abs=0.05)
    assert found["proportions"] == pytest.approx(found["targets"][0]["weights"], abs=1e-3)
    one = weighed(output, targets[MIXED], kenlm_programs, 5)
    assert one["weights"] == pytest.approx(TRUTH, abs=0.05)  # of half of the target
    others = {pair["worse"]: pair for pair in one["pairs"] if pair["better"] == FOUND}
    assert set(others) == {"natural", "the run's"}  # on the other half
    assert all(pair["told_apart"] for pair in others.values())


def test_sources_of_too_few_tokens_have_no_model(tmp_path):
    texts = {"one": ["word " * 500] * 60, "two": ["word " * 500] * 50, "few": ["a word"]}
    candidates = candidates_of([str(write_run(tmp_path / "out", texts))], "source")
    parts, tokens = parts_of(candidates, None)
    assert [part.name for part in parts] == ["one", "two"]
    assert tokens == candidates[1].n_tokens
    assert parts_of(candidates, 1000)[1] == 1000
    with pytest.raises(RunError, match="1 of 3 sources or domains have"):
        parts_of(candidates, candidates[1].n_tokens + 1)


def test_rounded_shares_add_up_and_keep_under_their_caps():
    shares = np.array([1 / 3, 1 / 3, 1 / 3])
    result = rounded(shares, np.array([0.3334, 1.0, 0.3334]), 4)
    assert result.tolist() == [0.3333, 0.3334, 0.3333]
