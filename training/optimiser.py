"""The optimiser AdamW and the schedules of its learning rate, the LLaMA paper's and another."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn


class Recipe(NamedTuple):
    """The training parameters of a model size."""

    learning_rate: float  # the maximum of the schedule
    batch_tokens: int


RECIPES = {
    "10M": Recipe(1e-3, 1 << 16),
    "100M": Recipe(6e-4, 1 << 19),
    "1.3B": Recipe(3e-4, 1 << 20),
    "7B": Recipe(3e-4, 1 << 22),
    "13B": Recipe(3e-4, 1 << 22),
    "33B": Recipe(1.5e-4, 1 << 22),
    "65B": Recipe(1.5e-4, 1 << 22),
}
"""Training parameters by size: the paper's (table 2) from 7B on, and our own for smaller models."""

COSINE, WARM_UP_STABLE_DECAY = SCHEDULES = ("cosine", "wsd")
DEFAULT_DECAY_SHARE = 0.1
"""Share of a run in which ``wsd`` decays: the tenth of MiniCPM (arXiv 2404.06395)."""

BETAS = (0.9, 0.95)
FULL_WARMUP_STEPS = 2000
"""Steps of warm-up in the paper."""


def default_warmup_steps(n_steps: int) -> int:
    """Return the paper's 2,000 steps of warm-up, but at most a tenth of the run."""
    return min(FULL_WARMUP_STEPS, n_steps // 10)


def learning_rate(
    step: int,
    *,
    maximum: float,
    minimum_fraction: float,
    warmup_steps: int,
    n_steps: int,
    decay_steps: int | None = None,
) -> float:
    """Return the learning rate of a step. The first step is 0.

    The rate rises linearly over ``warmup_steps``. Then it follows half a cosine down to
    ``minimum_fraction`` of the maximum, which it reaches in the last step. With ``decay_steps`` it
    stays at the maximum instead, and falls linearly to the same end in the last ``decay_steps``.
    """
    if step < warmup_steps:
        return maximum * (step + 1) / warmup_steps
    if decay_steps is None:
        progress = (step - warmup_steps + 1) / max(1, n_steps - warmup_steps)
        left = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    else:
        after = n_steps - step - 1
        left = 1.0 if after >= decay_steps else after / decay_steps
    return maximum * (minimum_fraction + (1 - minimum_fraction) * left)


def make_optimiser(module: nn.Module, *, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW with weight decay on matrices alone.

    The paper does not say which weights decay. As is usual, the gains of RMSNorm do not. The caller
    sets the learning rate before every step.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    matrices = [weight for weight in weights if weight.ndim >= 2]
    gains = [weight for weight in weights if weight.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": gains, "weight_decay": 0.0},
    ]
    fused = all(weight.device.type == "cuda" for weight in weights)
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=fused)
