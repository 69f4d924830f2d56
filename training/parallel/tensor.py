"""Tensor parallelism: every layer's matrices divided, as Megatron does (arXiv 1909.08053).

Queries, keys, values, gate and up are divided by output, and the matrices behind them by input, so
that attention and feed-forward each need one exchange on their way in and one on their way out.
Between them every process holds a part of each sample's tokens (sequence parallelism, arXiv
2205.05198). Embedding and head are divided by vocabulary (:mod:`training.parallel.vocabulary`).
"""

from __future__ import annotations

import warnings
from functools import partial

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.distributed.tensor.parallel.style import ParallelStyle

from training.loss import LanguageModelLoss
from training.parallel.vocabulary import vocabulary_embedding, vocabulary_loss

_TOKENS = Shard(1)
"""Each process has a part of the tokens of (B, T, D)."""

_ALL = Replicate()


def _of_block() -> dict[str, ParallelStyle]:
    return {
        "attention_norm": SequenceParallel(),
        "attention": PrepareModuleInput(
            # Angles, mask and cache are whole on every process.
            input_layouts=(_TOKENS, None, None, None, None),
            desired_input_layouts=(_ALL, None, None, None, None),
        ),
        "attention.query": ColwiseParallel(),
        "attention.key": ColwiseParallel(),
        "attention.value": ColwiseParallel(),
        "attention.output": RowwiseParallel(output_layouts=_TOKENS),
        "feed_forward_norm": SequenceParallel(),
        "feed_forward": PrepareModuleInput(input_layouts=(_TOKENS,), desired_input_layouts=(_ALL,)),
        "feed_forward.gate": ColwiseParallel(),
        "feed_forward.up": ColwiseParallel(),
        "feed_forward.down": RowwiseParallel(output_layouts=_TOKENS),
    }


def divide_matrices(module: LanguageModelLoss, mesh: DeviceMesh) -> None:
    """Divide a model on the meta device, in place, over the processes of ``mesh``."""
    model = module.model
    # The embedding's output is a view, and nothing changes it in place.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
    for block in model.blocks:
        parallelize_module(block, mesh, _of_block(), src_data_rank=None)
    parallelize_module(model, mesh, {"norm": SequenceParallel()}, src_data_rank=None)
    for layer in (model.embedding, model.head):
        part_VD = distribute_tensor(layer.weight, mesh, [Shard(0)], src_data_rank=None)
        layer.weight = nn.Parameter(part_VD)
    embed = partial(vocabulary_embedding, model.embedding, mesh)
    model.embedding.forward = embed  # type: ignore[method-assign]
    module.head_loss = partial(vocabulary_loss, mesh=mesh, chunk_tokens=module.chunk_tokens)
