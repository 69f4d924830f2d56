"""Context parallelism: the tokens of a sample divided into parts, in order, one a process.

A process computes the queries, the feed-forward layer and the loss of its own part. Keys and values
of all parts are gathered in every layer, which is right for any mask, and little to send beside the
work on long samples. The first parts have fewer keys to attend to than the last.

Shapes: B samples, T tokens of a process's part, S tokens of a sample, H heads, K their width.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.nn.attention.flex_attention import BlockMask

from training.document_mask import causal_document_mask
from training.loss import LanguageModelLoss
from training.model import KeyValueCache


def own_part(mesh: DeviceMesh, n_tokens: int) -> range:
    """Return the positions of this process's tokens in a sample of ``n_tokens``."""
    size = n_tokens // mesh.size()
    first = mesh.get_local_rank() * size
    return range(first, first + size)


def divide_tokens(module: LanguageModelLoss, mesh: DeviceMesh) -> None:
    """Let a module return the summed loss of this process's part of the samples that it is given.

    All processes of ``mesh`` are to have the same samples, whole, and the mask of
    :func:`mask_of_part`.
    """
    module.register_forward_pre_hook(partial(_only_own, mesh))


def mask_of_part(
    mesh: DeviceMesh, inputs_BS: Tensor, documents_BS: Tensor | None
) -> Tensor | BlockMask:
    """Return the mask with which this process's part of some samples attends to earlier tokens.

    ``documents_BS`` numbers the documents that attention stays within.
    """
    if documents_BS is None:  # each sample as one document
        documents_BS = torch.zeros_like(inputs_BS[:1])
    return causal_document_mask(documents_BS, own_part(mesh, inputs_BS.shape[1]))


def _only_own(mesh: DeviceMesh, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    inputs_BS, targets_BS, mask = given
    part = own_part(mesh, inputs_BS.shape[1])
    own = slice(part.start, part.stop)
    caches = [GatheredContext(mesh, part)] * len(cast(LanguageModelLoss, module).model.blocks)
    return inputs_BS[:, own], targets_BS[:, own], mask, caches


class GatheredContext(KeyValueCache):
    """A cache in which a layer finds the keys and values of the whole sample.

    It keeps nothing, so all layers can have the same one.
    """

    def __init__(self, mesh: DeviceMesh, part: range) -> None:
        super().__init__()
        self._mesh = mesh
        self._part = part

    @property
    def n_tokens(self) -> int:
        """The number of tokens ahead of this process's part."""
        return self._part.start

    def extend(self, keys_BHTK: Tensor, values_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values of the whole sample, given those of this process's part."""
        both = DTensor.from_local(
            torch.stack([keys_BHTK, values_BHTK]), self._mesh, [Shard(3)], run_check=False
        )
        whole = both.redistribute(placements=[Replicate()])
        # Every process's queries add to the gradient of every key.
        keys_BHSK, values_BHSK = whole.to_local(grad_placements=[Partial()])
        return keys_BHSK, values_BHSK
