"""Changes to the model for speed and memory: activation checkpointing, compilation, sharding.

The code of the model itself does not depend on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

from training.loss import LanguageModelLoss
from training.model import initial_std

ACTIVATION_CHECKPOINTING = ("none", "selective", "full")

_KEPT = {
    torch.ops.aten.mm.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.higher_order.flex_attention,
}
"""Operations that are expensive to repeat: all matrix products and attention."""


MATRIX_PRODUCTS = 7
"""Matrix products in a block: queries, keys, values, output; gate, up, down."""


def parallelize(
    module: LanguageModelLoss,
    mesh: DeviceMesh,
    *,
    activation_checkpointing: str,
    compiled: bool,
    compute_dtype: torch.dtype,
    reshard_after_forward: bool = True,
) -> None:
    """Prepare a model, in place, for training by the processes of ``mesh``.

    There are three changes, in this order. With activation checkpointing, the backward pass
    computes all activations of a block again (``full``), or all but those of matrix products and
    attention (``selective``). ``torch.compile`` is applied to every block; it compiles one and
    reuses it. FSDP2 shards the embedding, every block, and the head with the norm ahead of it, each
    as a group: gathered when it is needed, and its gradients reduced as soon as they are there.
    With copies of the model, a group is gathered within a copy, and its gradients are reduced there
    first, and then over the copies (HSDP).
    ``reshard_after_forward`` frees a gathered group until the backward pass gathers it again.

    Master weights stay in float32, computation is in ``compute_dtype``, and gradients are reduced
    in float32. One process gathers nothing, and FSDP2 only casts the weights; where there is
    nothing to cast, it is left out, as it would copy them.
    """
    blocks = module.model.blocks
    for i, block in enumerate(blocks):
        blocks[i] = _checkpointed(block, activation_checkpointing)
    if compiled:
        for block in blocks:
            block.compile()
    # Inputs stay as they are: the angles of rotary embeddings are exact in float32 alone.
    policy = MixedPrecisionPolicy(
        param_dtype=compute_dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    shared = mesh.size() > 1
    if not shared and compute_dtype == torch.float32:
        return
    shard = partial(fully_shard, mesh=mesh, mp_policy=policy)
    model, freed = module.model, shared and reshard_after_forward
    embedding = shard(model.embedding, reshard_after_forward=freed)
    embedding.set_unshard_in_backward(False)  # its gradients do not depend on its weights
    for block in blocks:
        shard(block, reshard_after_forward=freed)
    # The backward pass begins with the head.
    shard([model.norm, model.head], reshard_after_forward=False)
    shard(module)


def free_gathered(module: nn.Module) -> None:
    """Free the gathered weights. A forward pass without a backward pass leaves some of them."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


@contextmanager
def attention_kernels() -> Iterator[None]:
    """Prefer cuDNN's attention, the fastest on recent GPUs, and then flash attention.

    This has no effect on a CPU, which has one kernel, and none on FlexAttention.
    """
    order = [
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    ]
    with sdpa_kernel(order, set_priority=True):
        yield


def _checkpointed(block: nn.Module, choice: str) -> nn.Module:
    if choice == "none":
        return block
    if choice == "full":
        return checkpoint_wrapper(block, preserve_rng_state=False)

    return checkpoint_wrapper(block, context_fn=_selective_contexts, preserve_rng_state=False)


def _selective_contexts() -> Any:
    """Return the contexts of a block's forward pass and of its repetition.

    The block's last matrix product is only added to its input. No backward pass reads it, so it is
    not kept, nor computed again.
    """
    products = {False: 0, True: 0}

    def policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
        if operation not in _KEPT:
            return CheckpointPolicy.PREFER_RECOMPUTE
        if operation == torch.ops.aten.mm.default:
            products[context.is_recompute] += 1
            if products[context.is_recompute] == MATRIX_PRODUCTS:
                return CheckpointPolicy.PREFER_RECOMPUTE
        return CheckpointPolicy.MUST_SAVE

    return create_selective_checkpoint_contexts(policy)


def weight_name(name: str) -> str:
    """Return a parameter's name in :class:`training.model.Llama`."""
    return name.replace("_checkpoint_wrapped_module.", "").removeprefix("model.")


@torch.no_grad()
def materialise(module: LanguageModelLoss, device: torch.device, seed: int) -> None:
    """Allocate the weights of a module that was built on the meta device, and initialise them.

    Every weight is drawn whole, by its own generator, and a process keeps its part. So the weights
    do not depend on the number of processes. The largest weight takes 1.05 GB meanwhile
    (65B).
    """
    module.to_empty(device=device)
    for number, (name, weight) in enumerate(module.named_parameters()):
        std = initial_std(weight_name(name), module.model.config)
        whole = torch.ones(weight.shape, device=device)
        if std is not None:
            generator = torch.Generator(device).manual_seed((seed << 20) + number)
            whole.normal_(0.0, std, generator=generator)
        local(weight).copy_(_part_of(whole, weight))


def _part_of(whole: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return whole
    # Every process has the whole tensor, so nothing has to be sent.
    return distribute_tensor(
        whole, like.device_mesh, like.placements, src_data_rank=None
    ).to_local()


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor that may be sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
