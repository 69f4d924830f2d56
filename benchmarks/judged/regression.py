"""Mixtures at random, what is fitted to their losses, and the mixture that it takes for the best.

As in RegMix (arXiv 2407.01492), with least squares on the logarithm of the loss in place of trees.
The features of a mixture are its shares and their roots: by a share alone the best mixture of one
text would be one part alone, while a root gains most where a part has little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.judging.expectation import capped

STRENGTHS = (1.0, 50.0)
"""Sums of Dirichlet's parameters: mixtures far from natural sizes, and mixtures near them."""

LEAST_PARAMETER = 0.01

RIDGES = tuple(np.geomspace(1e-4, 10.0, 11).tolist())
"""Penalties among which each text's fit takes the one that predicts mixtures left out best."""

SEARCHED = 20_000
"""Mixtures whose losses are predicted."""

BEST = 100
"""Mixtures of the lowest prediction, whose mean is taken."""

Floats = npt.NDArray[np.float64]


class Fit(NamedTuple):
    """Least squares on the logarithms of losses, for some texts."""

    means: Floats  # of each feature
    base: Floats  # mean logarithm of each text
    slopes: Floats  # of [feature, text]
    left_out: Floats  # loss of [mixture, text], predicted without that mixture

    def losses(self, mixtures: Floats) -> Floats:
        """Predict the losses of mixtures on each text."""
        logarithms: Floats = self.base + (features(mixtures) - self.means) @ self.slopes
        return np.exp(logarithms)


def random_mixtures(
    n: int, natural: Floats, caps: Floats, generator: np.random.Generator
) -> Floats:
    """Draw mixtures around natural sizes and under caps, as [mixture, part]."""
    strengths = generator.permutation(np.geomspace(*STRENGTHS, n))
    parameters = np.maximum(np.outer(strengths, natural), LEAST_PARAMETER)
    drawn = generator.standard_gamma(parameters)  # whose shares have Dirichlet's distribution
    mixtures: Floats = drawn / drawn.sum(1, keepdims=True)
    for number in np.flatnonzero((mixtures > caps).any(1)).tolist():
        mixtures[number] = capped(mixtures[number], caps)
    return mixtures


def features(mixtures: Floats) -> Floats:
    """Return what the fit sees of mixtures."""
    return np.hstack([mixtures, np.sqrt(mixtures)])


def fitted(mixtures: Floats, losses: Floats) -> Fit:
    """Fit the losses of [mixture, text]; each text has a penalty of its own."""
    seen = features(mixtures)
    means, logarithms = seen.mean(0), np.log(losses)
    base = logarithms.mean(0)
    left, singular, right = np.linalg.svd(seen - means, full_matrices=False)
    best = np.full(losses.shape[1], np.inf)
    slopes = np.zeros((seen.shape[1], losses.shape[1]))
    left_out = np.zeros_like(losses)
    for ridge in RIDGES:
        shrunk = singular**2 / (singular**2 + ridge)
        weights = left.T @ (logarithms - base)
        leverage = (left**2 * shrunk).sum(1) + 1 / len(losses)
        residuals = (logarithms - base - left @ (shrunk[:, None] * weights)) / (
            1 - np.minimum(leverage, 1 - 1e-9)
        )[:, None]
        errors = (residuals**2).sum(0)
        better = errors < best
        best[better] = errors[better]
        own = right.T @ ((singular / (singular**2 + ridge))[:, None] * weights)
        slopes[:, better] = own[:, better]
        left_out[:, better] = np.exp(logarithms - residuals)[:, better]
    return Fit(means, base, slopes, left_out)


def optimum(fit: Fit, natural: Floats, caps: Floats, generator: np.random.Generator) -> Floats:
    """Return the mean of the mixtures of the lowest mean loss, of many that are drawn."""
    searched = random_mixtures(SEARCHED, natural, caps, generator)
    best = np.argsort(fit.losses(searched).mean(1), kind="stable")[:BEST]
    mean: Floats = searched[best].mean(0)
    return mean
