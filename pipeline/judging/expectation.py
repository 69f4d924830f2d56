"""Weights of the parts of a corpus for a target, by expectation-maximisation.

The target is taken to be made of short spans, each from one part, whose model gives the span its
probability. The weights are the shares of tokens that make the target most probable. Spans of one
token would be the interpolation of language models, in which parts lend each other their common
words, so that a target of 70 % of one part and 30 % of another looks more even than it is. Spans as
long as documents would leave a part that is never the nearest with nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SPAN_TOKENS = 64
"""Most tokens of a span."""

TOLERANCE = 1e-6
"""Largest change of a weight at which the weights are taken to stand."""

MAX_ROUNDS = 1000

Floats = npt.NDArray[np.float64]


def span_starts(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return where spans start in passages of so many tokens, one passage after another."""
    ends = np.cumsum([0, *lengths])
    starts = [np.arange(ends[i], ends[i + 1], SPAN_TOKENS) for i in range(len(lengths))]
    return np.concatenate([np.zeros(0, np.int64), *starts])


def best_weights(log_probabilities: Floats, starts: npt.NDArray[np.int64]) -> Floats:
    """Return the weights of parts, which add up to one.

    ``log_probabilities`` has the natural logarithm that each part gives each token of the target,
    as [part, token].
    """
    n_parts, n_tokens = log_probabilities.shape
    sizes = np.diff(starts, append=n_tokens)
    of_spans = np.add.reduceat(log_probabilities, starts, axis=1)
    relative = np.exp(of_spans - of_spans.max(0))  # factors that a span's parts share cancel out
    weights = np.full(n_parts, 1 / n_parts)
    for _ in range(MAX_ROUNDS):
        expected = weights[:, None] * relative
        expected /= expected.sum(0)
        new = expected @ sizes / n_tokens
        change = np.abs(new - weights).max()
        weights = new
        if change < TOLERANCE:
            break
    return weights


def smoothed(weights: Floats, natural: Floats, smoothing: float) -> Floats:
    """Move weights towards natural sizes: ``smoothing`` is the share that these have."""
    return (1 - smoothing) * weights + smoothing * natural


def capped(weights: Floats, caps: Floats) -> Floats:
    """Bring weights under caps; what is above them goes to the others, in their proportions.

    Raises ValueError where the caps add up to less than one.
    """
    if caps.sum() < 1:
        raise ValueError(f"the caps add up to {caps.sum():.3f}, less than one")
    is_full = np.zeros(len(weights), np.bool_)
    result = weights
    while True:
        above = ~is_full & (result > caps)
        if not above.any():
            return result
        is_full |= above
        left = 1 - caps[is_full].sum()
        others = np.where(is_full, 0.0, weights)
        if others.sum() == 0:  # none of those with room was wanted: they share by their room
            others = np.where(is_full, 0.0, caps)
        total = others.sum()
        result = np.where(is_full, caps, others * left / total if total else 0.0)
