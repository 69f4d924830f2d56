"""How certain a comparison is: intervals over draws and over held-out documents.

A replicate of the comparison draws the held-out documents anew, with replacement and the same ones
for every candidate (a paired bootstrap), and moves every candidate's figure as its draws vary
together. Draws of one candidate share documents, so they vary less than texts of the same origin
would. For that, their variance is multiplied by ``f / (1 - f) + 1 / K`` for K draws of a share f of
the candidate's tokens (Nadeau and Bengio, 2003, "Inference for the Generalization Error"), and the
moves have the long tails of Student's t with K - 1 degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
"""Share of the replicates that an interval holds."""

REPLICATES = 4000

MEAN = "mean"
"""Name of the mean of all held-out texts, in which each counts the same."""

_CELLS = 1 << 24  # of a table of replicates and held-out units that is in memory at a time

Floats = npt.NDArray[np.float64]


class Scores(NamedTuple):
    """What the models of all candidates gave one held-out text."""

    bits: Floats  # of [candidate, draw, unit]
    n_bytes: Floats  # of each unit


def certainty(
    names: Sequence[str], shares: Sequence[float], scores: Mapping[str, Scores], seed: int
) -> dict[str, Any]:
    """Return figures, order and pairs of candidates on each held-out text and on their mean.

    ``shares`` has the part of a candidate's tokens that one draw takes.
    """
    generator = np.random.default_rng(seed)
    n_draws = next(iter(scores.values())).bits.shape[1]
    moves = generator.standard_normal((REPLICATES, n_draws))
    moves -= moves.mean(1, keepdims=True)
    moves /= np.sqrt(generator.chisquare(n_draws - 1, (REPLICATES, 1)))
    taken = np.array(shares)
    widths = np.sqrt(taken / (1 - taken) + 1 / n_draws)
    points, replicates = {}, {}
    for name, one in scores.items():
        by_draw = one.bits.sum(2) / one.n_bytes.sum()
        points[name] = by_draw.mean(1)
        noise = moves @ (by_draw - by_draw.mean(1, keepdims=True)).T * widths
        replicates[name] = _resampled(one, generator) + noise
    points[MEAN] = np.mean(list(points.values()), 0)
    replicates[MEAN] = np.mean(list(replicates.values()), 0)
    return {name: _told(names, points[name], replicates[name]) for name in points}


def _resampled(scores: Scores, generator: np.random.Generator) -> Floats:
    """Return bits per byte of [replicate, candidate] over held-out units drawn anew."""
    bits = scores.bits.mean(1).T
    n_units = len(scores.n_bytes)
    figures = []
    at_a_time = max(1, _CELLS // n_units)
    for begin in range(0, REPLICATES, at_a_time):
        n = min(at_a_time, REPLICATES - begin)
        counts = generator.multinomial(n_units, np.full(n_units, 1 / n_units), n).astype(float)
        figures.append(counts @ bits / (counts @ scores.n_bytes)[:, None])
    return np.concatenate(figures)


def _told(names: Sequence[str], points: Floats, replicates: Floats) -> dict[str, Any]:
    order = np.argsort(points, kind="stable").tolist()
    return {
        "figures": {
            name: {"bits_per_byte": float(points[i]), **_interval(replicates[:, i])}
            for i, name in enumerate(names)
        },
        "order": [names[i] for i in order],
        "pairs": [
            {"better": names[i], "worse": names[j], **_difference(points, replicates, i, j)}
            for i, j in combinations(order, 2)
        ],
    }


def _difference(points: Floats, replicates: Floats, better: int, worse: int) -> dict[str, Any]:
    differences = replicates[:, worse] - replicates[:, better]
    interval = _interval(differences)
    return {
        "difference": float(points[worse] - points[better]),
        **interval,
        "certainty": float(np.mean(differences > 0)),
        "told_apart": interval["low"] > 0,
    }


def _interval(values: Floats) -> dict[str, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high)}
