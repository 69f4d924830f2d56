"""Mixtures of a run's parts, drawn in their proportions and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import RunError
from pipeline.judging.candidates import Candidate
from pipeline.judging.draws import cut_to, draw, tokens_of
from pipeline.judging.held_out import HeldOut
from pipeline.judging.judge import (
    MAX_SHARE,
    MAX_TOKENS,
    MIN_TOKENS,
    Contestant,
    Progress,
    compare,
)
from pipeline.judging.scorers import Scorer

Mixture = Mapping[str, float]
"""The share of each part of a run in the tokens, by the parts' names; they add up to 1."""


def compare_mixtures(
    parts: Sequence[Candidate],
    mixtures: Mapping[str, Mixture],
    held_out: Sequence[HeldOut],
    scorer: Scorer,
    *,
    n_draws: int,
    seed: int,
    tokens: int = MAX_TOKENS,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Compare draws of mixtures as :func:`pipeline.judging.judge.judge` compares candidates.

    A draw has ``tokens`` tokens at most. Raises RunError where draws would be too small.
    """
    total = min(tokens, drawn_tokens(parts, mixtures))
    counts = {name: part_tokens(parts, mixture, total) for name, mixture in mixtures.items()}
    orders, texts = [], []
    for number, part in enumerate(parts):
        progress(f"reading {part.name}")
        most = max(of_mixture[number] for of_mixture in counts.values())
        orders.append([draw(part, most, seed + k) for k in range(n_draws)])
        texts.append(tokens_of(part, np.unique(np.concatenate(orders[-1]))))
    read = [ids for of_part in texts for ids in of_part.values()]
    contestants = []
    for name, of_mixture in counts.items():
        draws = [
            [
                ids
                for i, part in enumerate(parts)
                for ids in cut_to(part, of_mixture[i], orders[i][k], texts[i])
            ]
            for k in range(n_draws)
        ]
        share = sum(
            n / total * n / part.n_tokens for n, part in zip(of_mixture, parts, strict=True)
        )
        n_tokens = sum(part.n_tokens for part in parts)
        contestants.append(Contestant(name, parts[0], n_tokens, share, read, draws))
    return compare(contestants, total, held_out, scorer, seed=seed, progress=progress)


def drawn_tokens(parts: Sequence[Candidate], mixtures: Mapping[str, Mixture]) -> int:
    """Return the most tokens of a draw for which no mixture needs more than half of a part.

    Raises RunError where that is too few, or a mixture has a part without tokens.
    """
    sizes = {part.name: part.n_tokens for part in parts}
    limits = [
        (int(MAX_SHARE * sizes.get(part, 0) / share), name, part)
        for name, mixture in mixtures.items()
        for part, share in mixture.items()
        if share
    ]
    tokens, name, part = min(limits)
    if tokens < MIN_TOKENS:
        raise RunError(
            f"a draw of the mixture {name!r} has {tokens:,} tokens, for {part} has "
            f"{sizes.get(part, 0):,}; a comparison needs {MIN_TOKENS:,}"
        )
    return tokens


def part_tokens(parts: Sequence[Candidate], mixture: Mixture, total: int) -> list[int]:
    """Return the tokens of each part in ``total``; the largest takes what rounding leaves."""
    counts = [int(mixture[part.name] * total) for part in parts]
    counts[int(np.argmax(counts))] += total - sum(counts)
    return counts
