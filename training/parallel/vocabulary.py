"""The embedding and the loss over a vocabulary that is divided: each process has a part of it.

So no process ever holds all logits, and the loss exchanges only three numbers a target.

Shapes: B samples, T tokens of a sample, N tokens of all samples (B x T), C tokens of a chunk,
D width of the model, V this process's part of the vocabulary.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.nn import functional

from training.data.mixture import NO_TOKEN
from training.loss import chunked_loss


def vocabulary_embedding(layer: nn.Embedding, mesh: DeviceMesh, tokens_BT: Tensor) -> Tensor:
    """Return this process's part of the embedded tokens. All processes of ``mesh`` have the tokens.

    PyTorch's own way has the gradient of the whole vocabulary on every process.
    """
    part_VD = cast(DTensor, layer.weight).to_local()
    rows_BT, is_here_BT = _rows(tokens_BT, part_VD.shape[0], mesh)
    embedded_BTD = functional.embedding(rows_BT, part_VD) * is_here_BT[..., None]
    sums = DTensor.from_local(embedded_BTD, mesh, [Partial()], run_check=False)
    return sums.redistribute(placements=[Shard(1)]).to_local()


def _rows(tokens: Tensor, n_here: int, mesh: DeviceMesh) -> tuple[Tensor, Tensor]:
    """Return where tokens are in this process's part of the vocabulary, and which are there."""
    rows = tokens - mesh.get_local_rank() * n_here
    return rows.clamp(0, n_here - 1), (rows >= 0) & (rows < n_here)


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
    chunk = partial(_chunk, mesh=mesh)
    if torch.is_grad_enabled():
        return chunked_loss(hidden_ND, part_VD, targets_N, size, chunk)
    parts = zip(hidden_ND.split(size), targets_N.split(size), strict=True)
    return torch.stack([chunk(part_CD, part_VD, part_C)[0] for part_CD, part_C in parts]).sum()


def _chunk(
    hidden_CD: Tensor, head_VD: Tensor, targets_C: Tensor, *, mesh: DeviceMesh
) -> tuple[Tensor, Tensor]:
    """Return a chunk's summed loss, and its gradient by this process's logits."""
    group = mesh.get_group()
    logits_CV = (hidden_CD @ head_VD.T).float()
    highest_C = logits_CV.amax(1)
    dist.all_reduce(highest_C, dist.ReduceOp.MAX, group)
    logits_CV -= highest_C[:, None]
    columns_C, is_here_C = _rows(targets_C, logits_CV.shape[1], mesh)
    columns_C1 = columns_C[:, None]
    of_targets_C = logits_CV.gather(1, columns_C1).squeeze(1) * is_here_C
    powers_CV = logits_CV.exp_()
    sums_2C = torch.stack([powers_CV.sum(1), of_targets_C])
    dist.all_reduce(sums_2C, group=group)
    counts_C = (targets_C != NO_TOKEN).float()
    loss = ((sums_2C[0].log() - sums_2C[1]) * counts_C).sum()
    by_logits_CV = powers_CV.div_(sums_2C[0][:, None])
    by_logits_CV.scatter_add_(1, columns_C1, -is_here_C.float()[:, None])
    return loss, by_logits_CV.mul_(counts_C[:, None]).type_as(hidden_CD)
