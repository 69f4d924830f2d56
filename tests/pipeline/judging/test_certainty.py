"""Intervals: what they cover when the truth is known, and what they widen with."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.judging.certainty import MEAN, Scores, certainty

NAMES = ["one", "other"]


def scores(generator: np.random.Generator, by_draw: np.ndarray, n_units: int = 60) -> Scores:
    """Bits of held-out units of 100 bytes, of which each draw has a mean of its own."""
    units = generator.normal(200, 20, n_units)
    bits = 100 * by_draw[:, :, None] + np.broadcast_to(units, (*by_draw.shape, n_units))
    return Scores(bits, np.full(n_units, 100.0))


@pytest.mark.slow
def test_candidates_of_one_origin_are_told_apart_in_one_of_twenty():
    """A run has 40 documents, each with an effect; draws take half of them, like real ones."""
    generator = np.random.default_rng(1)
    told_apart = 0
    for seed in range(200):
        by_draw = np.empty((2, 5))
        for candidate in range(2):
            effects = generator.normal(0, 1, 40)
            for draw in range(5):
                by_draw[candidate, draw] = generator.choice(effects, 20, replace=False).mean()
        result = certainty(NAMES, [0.5, 0.5], {"text": scores(generator, by_draw)}, seed)
        told_apart += result["text"]["pairs"][0]["told_apart"]
    assert 2 <= told_apart <= 20


def test_a_clear_difference_is_certain():
    generator = np.random.default_rng(0)
    by_draw = generator.normal(0, 0.01, (2, 5)) + np.array([[1.0], [0.5]])
    result = certainty(NAMES, [0.5, 0.5], {"text": scores(generator, by_draw)}, 0)["text"]
    assert result["order"] == ["other", "one"]
    (pair,) = result["pairs"]
    assert pair["told_apart"] and pair["certainty"] > 0.999
    assert pair["low"] < pair["difference"] < pair["high"]
    assert pair["difference"] == pytest.approx(0.5, abs=0.02)


def test_units_that_both_find_hard_do_not_count_against_a_pair():
    generator = np.random.default_rng(0)
    by_draw = np.array([[1.0] * 5, [1.001] * 5])
    result = certainty(NAMES, [0.5, 0.5], {"text": scores(generator, by_draw)}, 0)["text"]
    assert result["pairs"][0]["told_apart"]
    figure = result["figures"]["one"]
    assert figure["high"] - figure["low"] > 0.05


def test_a_larger_share_of_a_run_makes_intervals_wider():
    generator = np.random.default_rng(0)
    one = scores(generator, generator.normal(0, 0.1, (2, 5)))
    widths = []
    for share in (0.1, 0.5):
        pair = certainty(NAMES, [share, share], {"text": one}, 0)[MEAN]["pairs"][0]
        widths.append(pair["high"] - pair["low"])
    assert widths[1] == pytest.approx(widths[0] * (1.2 / (1 / 9 + 0.2)) ** 0.5, rel=0.1)
