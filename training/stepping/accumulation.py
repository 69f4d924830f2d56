"""A step's gradients, accumulated over micro-batches and reduced over all processes.

All processes compute the same number of micro-batches, because each of them takes part whenever
weights are gathered and gradients are reduced. Shares of a batch may differ by a sample. So the
parts of a share differ, too, and a process without a sample for a micro-batch computes one without
targets, which adds nothing.

Shapes: B samples of a process, T tokens of a sample, T1 = T + 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.attention.flex_attention import BlockMask

from training.data.mixture import NO_TOKEN
from training.parallel.mesh import MeshSizes

Mask = Tensor | BlockMask | None


def micro_batches(tokens_BT1: Tensor, number: int) -> list[Tensor]:
    """Split a process's samples into a number of parts that differ by a sample at most.

    Where there are fewer samples than parts, the last parts are a sample of NO_TOKEN each.
    """
    filler = tokens_BT1.new_full((1, tokens_BT1.shape[1]), NO_TOKEN)
    return [part if len(part) else filler for part in tokens_BT1.tensor_split(number)]


def accumulate(
    module: nn.Module,
    tokens_BT1: Tensor,
    n_micro_batches: int,
    mask: Callable[[Tensor], Mask],
    *,
    sizes: MeshSizes,
    reduce_each: bool,
) -> Tensor:
    """Compute the gradients of a step; return the losses of this process's micro-batches.

    The gradients are those of the mean loss over all targets of all processes, whatever each one's
    share of them. The sum of the losses, averaged over processes, is this mean. The reduction of
    ``module`` averages over all processes but those that divide matrices; with context parallelism,
    each computes a part of its samples' targets. With ``reduce_each`` gradients are
    reduced after every micro-batch, without waiting for it, within a copy of the model. Otherwise
    they are kept whole until the last one: fewer operations between processes, and more memory.
    """
    sharded = module if isinstance(module, FSDPModule) else None
    n_targets = (tokens_BT1[:, 1:] != NO_TOKEN).sum()
    dist.all_reduce(n_targets)
    targets_of_each = n_targets / (sizes.n_processes * sizes.cp)
    losses = []
    for i, micro_BT1 in enumerate(micro_batches(tokens_BT1, n_micro_batches)):
        is_last = i == n_micro_batches - 1
        if sharded is not None:
            sharded.set_is_last_backward(is_last)
            sharded.set_requires_gradient_sync(is_last or reduce_each)
            # Copies of the model, if there are several, add their gradients up once a step.
            sharded.set_requires_all_reduce(is_last)
            if sizes.data * sizes.cp == 1:
                # The weights, cast to the type of computation, are kept for the next micro-batch.
                sharded.set_reshard_after_backward(is_last)
        inputs_BT, targets_BT = micro_BT1[:, :-1].clamp_min(0), micro_BT1[:, 1:]
        loss = module(inputs_BT, targets_BT, mask(inputs_BT)) / targets_of_each
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses)
