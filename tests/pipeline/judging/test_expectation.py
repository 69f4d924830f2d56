"""Weights by expectation-maximisation, caps and smoothing, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.judging.expectation import SPAN_TOKENS, best_weights, capped, smoothed, span_starts


def test_spans_are_cut_within_passages():
    lengths = [SPAN_TOKENS + 3, 2, SPAN_TOKENS]
    starts = span_starts(lengths).tolist()
    assert starts == [0, SPAN_TOKENS, SPAN_TOKENS + 3, SPAN_TOKENS + 5]
    assert span_starts([]).tolist() == []


def test_weights_are_the_shares_of_the_parts_that_wrote_the_target():
    """Part i writes words with a distribution of its own; spans are of one part each."""
    generator = np.random.default_rng(0)
    distributions = generator.dirichlet(np.full(200, 0.5), 3)
    truth = [0.6, 0.3, 0.1]
    spans = generator.choice(3, 4000, p=truth)
    words = np.concatenate([generator.choice(200, 16, p=distributions[part]) for part in spans])
    found = best_weights(np.log(distributions[:, words]), np.arange(0, len(words), 16))
    assert found == pytest.approx(truth, abs=0.03)
    assert found.sum() == pytest.approx(1)


def test_weights_are_those_of_greatest_likelihood():
    """A search over all weights of two parts, in steps, finds the same."""
    generator = np.random.default_rng(1)
    logarithms = np.log(generator.uniform(0.1, 0.9, (2, 300)))
    starts = np.arange(0, 300, 3)
    of_spans = np.exp(np.add.reduceat(logarithms, starts, axis=1))
    grid = np.linspace(0, 1, 2001)
    likelihood = np.log(grid[:, None] * of_spans[0] + (1 - grid[:, None]) * of_spans[1]).sum(1)
    assert best_weights(logarithms, starts)[0] == pytest.approx(grid[likelihood.argmax()], abs=2e-3)


def test_very_improbable_spans_do_no_harm():
    logarithms = np.full((2, 2 * SPAN_TOKENS), -900.0)
    logarithms[0, :SPAN_TOKENS] = -20.0
    logarithms[1, SPAN_TOKENS:] = -20.0
    found = best_weights(logarithms, np.array([0, SPAN_TOKENS]))
    assert found == pytest.approx([0.5, 0.5])


def test_smoothing_goes_from_the_weights_to_natural_sizes():
    weights, natural = np.array([1.0, 0.0]), np.array([0.2, 0.8])
    assert smoothed(weights, natural, 0.0) == pytest.approx([1.0, 0.0])
    assert smoothed(weights, natural, 0.25) == pytest.approx([0.8, 0.2])
    assert smoothed(weights, natural, 1.0) == pytest.approx([0.2, 0.8])


def test_what_is_above_a_cap_goes_to_the_others():
    none = capped(np.array([0.5, 0.3, 0.2]), np.ones(3))
    assert none == pytest.approx([0.5, 0.3, 0.2])
    one = capped(np.array([0.6, 0.3, 0.1]), np.array([0.2, 1.0, 1.0]))
    assert one == pytest.approx([0.2, 0.6, 0.2])
    then_another = capped(np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.35, 1.0]))
    assert then_another == pytest.approx([0.2, 0.35, 0.45])
    unwanted = capped(np.array([1.0, 0.0, 0.0]), np.array([0.4, 0.9, 0.3]))
    assert unwanted == pytest.approx([0.4, 0.45, 0.15])
    with pytest.raises(ValueError, match="less than one"):
        capped(np.array([0.5, 0.5]), np.array([0.4, 0.5]))


def test_a_span_counts_by_its_tokens():
    logarithms = np.log(np.array([[0.9, 0.9, 0.9, 0.001], [0.001, 0.001, 0.001, 0.9]]))
    assert best_weights(logarithms, np.array([0, 3])) == pytest.approx([0.75, 0.25], abs=0.01)
