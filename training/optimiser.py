"""AdamW and its schedule, as in the paper."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn


class Recipe(NamedTuple):
    """What a size of the model is trained with."""

    learning_rate: float  # its maximum
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
"""The paper's (table 2) from 7B on; those of the small sizes are ours."""

BETAS = (0.9, 0.95)
FULL_WARMUP_STEPS = 2000


def default_warmup_steps(n_steps: int) -> int:
    """Return the paper's 2,000 steps, but never more than a tenth of the run."""
    return min(FULL_WARMUP_STEPS, n_steps // 10)


def learning_rate(
    step: int, *, maximum: float, minimum_fraction: float, warmup_steps: int, n_steps: int
) -> float:
    """Return the learning rate of a step, the first being 0.

    It rises linearly over ``warmup_steps``, then follows half a cosine down to
    ``minimum_fraction`` of the maximum, which the last step has.
    """
    if step < warmup_steps:
        return maximum * (step + 1) / warmup_steps
    progress = (step - warmup_steps + 1) / max(1, n_steps - warmup_steps)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return maximum * (minimum_fraction + (1 - minimum_fraction) * cosine)


def make_optimiser(module: nn.Module, *, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW with weight decay on matrices alone.

    The paper gives the decay, not what it applies to; the gains of RMSNorm are left out, as is
    usual. The learning rate is set before every step.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(weight.device.type == "cuda" for weight in weights)
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=fused)
