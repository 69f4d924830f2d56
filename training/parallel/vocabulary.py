"""The loss over a vocabulary that is divided: each process has the logits of its own tokens alone.

So no process ever holds all logits, and only three numbers a target are exchanged.

Shapes: B samples, T tokens of a sample, N tokens of all samples (B x T), C tokens of a chunk,
D width of the model, V this process's part of the vocabulary.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate

from training.data.mixture import NO_TOKEN
from training.loss import chunked_loss


def vocabulary_loss(
    hidden_BTD: Tensor,
    head_VD: Tensor,
    targets_BT: Tensor,
    *,
    mesh: DeviceMesh,
    chunk_tokens: int,
) -> Tensor:
    """Return the loss of :func:`training.loss.plain_loss`, the same on every process of ``mesh``.

    ``hidden_BTD`` is divided by tokens, ``head_VD`` by vocabulary, and every process has all
    targets. ``chunk_tokens`` is as in :class:`training.loss.LanguageModelLoss`.
    """
    whole = cast(DTensor, hidden_BTD).redistribute(placements=[Replicate()])
    # What a process adds to the gradient is due to its part of the vocabulary.
    hidden_ND = whole.to_local(grad_placements=[Partial()]).flatten(0, 1)
    part_VD = cast(DTensor, head_VD).to_local()
    targets_N = targets_BT.flatten()
    size = chunk_tokens or len(targets_N)
    chunk = partial(_chunk, first=mesh.get_local_rank() * part_VD.shape[0], group=mesh.get_group())
    if torch.is_grad_enabled():
        return chunked_loss(hidden_ND, part_VD, targets_N, size, chunk)
    parts = zip(hidden_ND.split(size), targets_N.split(size), strict=True)
    return torch.stack([chunk(part_CD, part_VD, part_C)[0] for part_CD, part_C in parts]).sum()


def _chunk(
    hidden_CD: Tensor, head_VD: Tensor, targets_C: Tensor, *, first: int, group: dist.ProcessGroup
) -> tuple[Tensor, Tensor]:
    """Return a chunk's summed loss, and its gradient by this process's logits.

    The vocabulary's part begins with the token ``first``.
    """
    logits_CV = (hidden_CD @ head_VD.T).float()
    highest_C = logits_CV.amax(1)
    dist.all_reduce(highest_C, dist.ReduceOp.MAX, group)
    logits_CV -= highest_C[:, None]
    columns_C = targets_C - first
    is_here_C = (columns_C >= 0) & (columns_C < logits_CV.shape[1])
    columns_C1 = columns_C.clamp(0, logits_CV.shape[1] - 1)[:, None]
    of_targets_C = logits_CV.gather(1, columns_C1).squeeze(1) * is_here_C
    powers_CV = logits_CV.exp_()
    sums_2C = torch.stack([powers_CV.sum(1), of_targets_C])
    dist.all_reduce(sums_2C, group=group)
    counts_C = (targets_C != NO_TOKEN).float()
    loss = ((sums_2C[0].log() - sums_2C[1]) * counts_C).sum()
    by_logits_CV = powers_CV.div_(sums_2C[0][:, None])
    by_logits_CV.scatter_add_(1, columns_C1, -is_here_C.float()[:, None])
    return loss, by_logits_CV.mul_(counts_C[:, None]).type_as(hidden_CD)
