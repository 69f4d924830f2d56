"""How far two orders of the same things agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation of figures without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def chance_of(correlation: float, n: int) -> float:
    """Return the share of all orders of ``n`` whose rank correlation is as high as this."""
    orders = np.array(list(permutations(range(n))))
    squares = ((orders - np.arange(n)) ** 2).sum(1)
    return float(np.mean(1 - 6 * squares / (n * (n**2 - 1)) >= correlation - 1e-9))
