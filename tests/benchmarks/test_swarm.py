"""The swarm finds a mixture that is planted, and runs to its end with trained models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.judged.ranks import rank_correlation
from benchmarks.judged.regression import fitted, optimum, random_mixtures
from benchmarks.swarm import QUICK, Swarm, found_by, halves, losses_of, main, swarm_of, verdicts
from pipeline.errors import RunError
from pipeline.judging.held_out import HeldOut, read_held_out
from pipeline.judging.scorers import Draw, Passages, Scored, Scorer
from tests.support.judged_runs import wikipedia_texts, write_run, write_texts

NATURAL = np.array([0.6, 0.3, 0.1])
ONE, OTHER = "This is about rivers and boats. ", "Stars and planets are far from here. "
BEST_SHARE = 0.75


def test_mixtures_are_drawn_around_natural_sizes_and_under_caps():
    caps = np.array([1.0, 0.5, 0.3])
    mixtures = random_mixtures(2000, NATURAL, caps, np.random.default_rng(0))
    assert mixtures.sum(1) == pytest.approx(np.ones(2000))
    assert (mixtures <= caps + 1e-9).all() and (mixtures >= 0).all()
    assert (mixtures > 0.99 * caps).any(0).all()
    free = random_mixtures(2000, NATURAL, np.ones(3), np.random.default_rng(0))
    assert free.mean(0) == pytest.approx(NATURAL, abs=0.03)


def test_the_best_mixture_of_a_known_loss_is_found():
    generator = np.random.default_rng(1)
    mixtures = random_mixtures(48, NATURAL, np.ones(3), generator)

    def losses(of: np.ndarray) -> np.ndarray:
        """Each text gains from one part, the less the more there is of it."""
        return 2 + 0.5 * (of[:, 1:] + 0.02) ** -0.3

    noise = generator.normal(0, 0.002, (48, 2))
    fit = fitted(mixtures, losses(mixtures) + noise)
    best = optimum(fit, NATURAL, np.ones(3), generator)
    assert best.sum() == pytest.approx(1)
    beside = losses(np.array([best, NATURAL])).mean(1)
    least = losses(random_mixtures(20_000, NATURAL, np.ones(3), generator)).mean(1).min()
    assert beside[0] - least < 0.1 * (beside[1] - least)
    for text in range(2):
        told = fit.left_out[:, text].tolist()
        assert rank_correlation(told, losses(mixtures)[:, text].tolist()) > 0.9


def test_what_is_predicted_without_a_mixture_is_what_the_others_predict():
    generator = np.random.default_rng(2)
    mixtures = random_mixtures(12, NATURAL, np.ones(3), generator)
    losses = 2 + generator.normal(0, 0.1, (12, 1)) + mixtures[:, :1]
    fit = fitted(mixtures, losses)
    without = [fitted(np.delete(mixtures, i, 0), np.delete(losses, i, 0)) for i in range(12)]
    told = [one.losses(mixtures[[i]])[0, 0] for i, one in enumerate(without)]
    assert np.corrcoef(told, fit.left_out[:, 0])[0, 1] > 0.9


@pytest.fixture
def swarm(tmp_path: Path) -> Swarm:
    texts = {"one": [f"{ONE * 60} {i}" for i in range(200)],
             "other": [f"{OTHER * 60} {i}" for i in range(400)]}  # fmt: skip
    return swarm_of(str(write_run(tmp_path / "out", texts)), 40_000, 0)


def test_a_planted_mixture_is_found_and_is_better_on_the_other_half(swarm, tmp_path):
    beginning: list[list[int]] = []

    def score(draw: Draw, passages: Passages) -> Scored:
        beginning.append(draw.documents[0][:3].tolist())
        n = sum(len(ids) for ids in draw.documents if ids[:3].tolist() == beginning[0])
        share = n / sum(map(len, draw.documents))
        bits = 2 + (share - BEST_SHARE) ** 2
        return Scored([np.full(len(text), 10 * bits) for text in passages], np.zeros(0))

    text = read_held_out("t", str(write_texts(tmp_path / "t.jsonl", ["Some words."] * 40)))
    to_fit, to_check = halves(text)
    generator = np.random.default_rng(0)
    mixtures = random_mixtures(24, swarm.natural, swarm.caps, generator)
    scorer = Scorer("-", {}, score)
    losses = losses_of(swarm, mixtures, [to_fit], scorer)
    expected = 2 + (mixtures[:, 0] - BEST_SHARE) ** 2
    assert losses[:, 0] * 11 / 10 == pytest.approx(expected, abs=1e-3)  # a text has 11 bytes
    found = found_by(swarm, mixtures, losses, [to_check], scorer, 2)
    assert found["compared"]["the swarm's"]["one"] == pytest.approx(BEST_SHARE, abs=0.1)
    lines = verdicts(found["judged"])
    assert len(lines) == 2 and all(" is better than " in line for line in lines)
    assert all(line.endswith("certainty that it is better: 1.000") for line in lines)


def test_one_share_of_the_models_leaves_the_others(swarm, tmp_path):
    def score(draw: Draw, passages: Passages) -> Scored:
        return Scored([np.ones(len(text)) for text in passages], np.zeros(0))

    text = HeldOut("t", ["Some words."] * 40, np.arange(40))
    mixtures = np.array([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]])
    losses = losses_of(swarm, mixtures, [text], Scorer("-", {}, score), range(1, 3, 2))
    assert np.isnan(losses[:, 0]).tolist() == [True, False, True]


def test_draws_that_the_run_is_too_small_for_are_refused(swarm, tmp_path):
    with pytest.raises(RunError, match="give from 1 to"):
        swarm_of(str(tmp_path / "out"), 10**9, 0)
    with pytest.raises(RunError, match="t: in half of it, 5 passages"):
        halves(HeldOut("t", ["Some words."] * 10, np.arange(10)))


@pytest.mark.slow
def test_a_quick_swarm_trains_models_and_goes_on(tmp_path, shared_data: Path, capsys):
    articles = wikipedia_texts(shared_data, 150)
    texts = {"one": articles[40:100], "other": articles[100:150]}
    output = str(write_run(tmp_path / "out", texts))
    held_out = write_texts(tmp_path / "held_out.jsonl", [text[:300] for text in articles[:40]])
    figures = tmp_path / "figures.json"
    command = [output, "--held_out", f"wiki={held_out}", "--work", str(tmp_path / "work"),
               "--quick"]  # fmt: skip
    main([*command, "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert np.shape(found["losses"]) == (QUICK["mixtures"], 1)
    assert set(found["compared"]) == {"the swarm's", "natural", "the run's"}
    assert found["judged"]["model"] == "10M"
    assert capsys.readouterr().out.count("certainty that it is better") == 2
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "work").iterdir()}
    main(command)  # takes what is kept
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "work").iterdir()} == kept
