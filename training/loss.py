"""The loss, cross-entropy of the next token: plain, or in chunks of tokens to save memory.

Shapes: B samples, T tokens of a sample, N tokens of all samples (B x T), C tokens of a chunk,
D width of the model, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.functional import cross_entropy

from training.data.mixture import NO_TOKEN
from training.model import KeyValueCache, Llama


def plain_loss(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Return the summed cross-entropy in nats, in float32, with all logits at once.

    Targets that are NO_TOKEN add nothing, here and in all functions below.
    """
    logits_NV = hidden_ND @ head_VD.T
    return cross_entropy(logits_NV.float(), targets_N, ignore_index=NO_TOKEN, reduction="sum")


def _chunk(hidden_CD: Tensor, head_VD: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
    """Return a chunk's summed loss, and its gradient by the logits in the type of the input."""
    logits_CV = (hidden_CD @ head_VD.T).float()
    counts_C = (targets_C != NO_TOKEN).float()
    targets_C1 = targets_C.clamp_min(0)[:, None]
    log_sum_C1 = torch.logsumexp(logits_CV, 1, keepdim=True)
    loss = ((log_sum_C1 - logits_CV.gather(1, targets_C1)).squeeze(1) * counts_C).sum()
    one_hot_CV = torch.arange(logits_CV.shape[1], device=logits_CV.device) == targets_C1
    by_logits_CV = (torch.exp(logits_CV - log_sum_C1) - one_hot_CV.float()) * counts_C[:, None]
    return loss, by_logits_CV.type_as(hidden_CD)


ChunkFunction = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class _ChunkedLoss(torch.autograd.Function):
    """The loss in chunks. The gradients are computed together with the loss, chunk by chunk.

    So the logits are neither kept nor computed twice. It takes as many operations as the plain
    loss, and the memory of one chunk.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        head_VD: Tensor,
        targets_N: Tensor,
        chunk_tokens: int,
        chunk: ChunkFunction,
    ) -> Tensor:
        loss = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        by_hidden_ND = torch.empty_like(hidden_ND)
        by_head_VD = torch.zeros_like(head_VD, dtype=torch.float32)
        for start in range(0, len(targets_N), chunk_tokens):
            part = slice(start, start + chunk_tokens)
            part_loss, by_logits_CV = chunk(hidden_ND[part], head_VD, targets_N[part])
            loss += part_loss
            by_hidden_ND[part] = by_logits_CV @ head_VD
            by_head_VD += by_logits_CV.T @ hidden_ND[part]
        ctx.save_for_backward(by_hidden_ND, by_head_VD)
        ctx.head_type = head_VD.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *by_loss: Tensor) -> tuple[Tensor | None, ...]:
        by_hidden_ND, by_head_VD = ctx.saved_tensors
        # In bf16 the factor, one over the number of targets, would be off by up to 0.4 %.
        scaled_ND = (by_hidden_ND.float() * by_loss[0]).type_as(by_hidden_ND)
        scaled_VD = by_head_VD.mul_(by_loss[0]).to(ctx.head_type)
        return scaled_ND, scaled_VD, None, None, None


def chunked_loss(
    hidden_ND: Tensor,
    head_VD: Tensor,
    targets_N: Tensor,
    chunk_tokens: int,
    chunk: ChunkFunction = _chunk,
) -> Tensor:
    """Return the loss of :func:`plain_loss`, with the logits of ``chunk_tokens`` tokens at a time.

    ``chunk`` may be a compiled version of the default.
    """
    if torch.is_grad_enabled():
        loss = _ChunkedLoss.apply(hidden_ND, head_VD, targets_N, chunk_tokens, chunk)
        assert isinstance(loss, Tensor)
        return loss
    parts = zip(hidden_ND.split(chunk_tokens), targets_N.split(chunk_tokens), strict=True)
    return torch.stack([plain_loss(part_CD, head_VD, part_C) for part_CD, part_C in parts]).sum()


HeadLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The summed loss by hidden states (B, T, D), the head's weights (V, D), and targets (B, T)."""


class LanguageModelLoss(nn.Module):
    """A model and its loss as one module."""

    def __init__(self, model: Llama, chunk_tokens: int = 0, compiled: bool = False) -> None:
        """Make the module. ``compiled`` fuses the loss.

        ``chunk_tokens`` is the number of tokens whose logits are computed at a time, 0 for all.
        """
        super().__init__()
        self.model = model
        self.chunk_tokens = chunk_tokens
        self.head_loss: HeadLoss = self._head_loss
        """The loss by the last layer's output. Tensor parallelism puts its own here."""
        self._plain_loss = torch.compile(plain_loss) if compiled else plain_loss
        self._chunk = torch.compile(_chunk) if compiled else _chunk

    def forward(
        self,
        inputs_BT: Tensor,
        targets_BT: Tensor,
        mask: Tensor | BlockMask | None = None,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:
        """Return the summed cross-entropy of all targets but NO_TOKEN, in nats, as float32.

        ``mask`` and ``caches`` are as in :meth:`training.model.Llama.hidden`.
        """

        def loss(hidden_BTD: Tensor, head_VD: Tensor) -> Tensor:
            return self.head_loss(hidden_BTD, head_VD, targets_BT)

        return self.model.head(self.model.hidden(inputs_BT, mask, caches), loss)

    def _head_loss(self, hidden_BTD: Tensor, head_VD: Tensor, targets_BT: Tensor) -> Tensor:
        hidden_ND, targets_N = hidden_BTD.flatten(0, 1), targets_BT.flatten()
        if self.chunk_tokens:
            return chunked_loss(hidden_ND, head_VD, targets_N, self.chunk_tokens, self._chunk)
        return self._plain_loss(hidden_ND, head_VD, targets_N)
