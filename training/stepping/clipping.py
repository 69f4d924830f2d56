"""The norm of a step's gradients over all processes, and its limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


def clip_gradients(weights: Iterable[nn.Parameter], maximum: float) -> Tensor:
    """Clip the gradients of weights to a norm, in place; return the norm that they had.

    Gradients that are divided over processes in the same way are added up first. So the processes
    exchange a number for each of the few ways, and not for each weight.
    """
    weights = [weight for weight in weights if weight.grad is not None]
    divided: defaultdict[object, list[Tensor]] = defaultdict(list)
    for weight in weights:
        gradient = weight.grad
        assert gradient is not None
        divided[getattr(gradient, "placements", None)].append(gradient)
    norms = [_whole(get_total_norm(gradients)) for gradients in divided.values()]
    norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    clip_grads_with_norm_(weights, maximum, norm)
    return norm


def _whole(norm: Tensor) -> Tensor:
    """Return a norm over the parts of all processes."""
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
