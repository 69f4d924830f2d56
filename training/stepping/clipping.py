"""The norm of a step's gradients over all processes, and its limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


def clip_gradients(weights: Iterable[nn.Parameter], maximum: float) -> Tensor:
    """Clip the gradients of weights to a norm, in place; return the norm that they had.

    It is the norm over all processes, which exchange a single number for it: every process counts
    its share of what several processes hold.
    """
    weights = [weight for weight in weights if weight.grad is not None]
    held_by: defaultdict[int, list[Tensor]] = defaultdict(list)
    for weight in weights:
        gradient = weight.grad
        if isinstance(gradient, DTensor):
            held_by[_holders(gradient)].append(gradient.to_local())
        elif gradient is not None:
            held_by[1].append(gradient)
    squares = [get_total_norm(parts) ** 2 / holders for holders, parts in held_by.items()]
    square = torch.stack(squares).sum()
    dist.all_reduce(square)
    norm = square.sqrt()
    clip_grads_with_norm_(weights, maximum, norm)
    return norm


def _holders(gradient: DTensor) -> int:
    """Return the number of processes that hold the same part of a gradient."""
    holders = 1
    for dim, placement in enumerate(gradient.placements):
        if placement.is_replicate():
            holders *= gradient.device_mesh.size(dim)
    return holders
