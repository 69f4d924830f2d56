"""Changes to the model for speed and memory: a mesh, activation checkpointing, compilation.

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
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

from training.loss import LanguageModelLoss
from training.model import initial_std
from training.parallel.context import divide_tokens
from training.parallel.mesh import Mesh
from training.parallel.tensor import divide_matrices

ACTIVATION_CHECKPOINTING = ("none", "selective", "full")

_KEPT = {
    torch.ops.aten.mm.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.higher_order.flex_attention,
    torch.ops._c10d_functional.reduce_scatter_tensor.default,
}
"""Operations that are expensive to repeat: matrix products, attention, and sums over ``tp``."""


MATRIX_PRODUCTS = 7
"""Matrix products in a block: queries, keys, values, output; gate, up, down."""

OUTPUT_PRODUCT = 4
"""The number of attention's output among them."""


def parallelize(
    module: LanguageModelLoss,
    mesh: Mesh,
    *,
    activation_checkpointing: str,
    compiled: bool,
    compute_dtype: torch.dtype,
    reshard_after_forward: bool = True,
) -> None:
    """Prepare a model, in place, for training by the processes of ``mesh``.

    There are four changes, in this order. Tensor and context parallelism divide the matrices and
    the tokens, if the mesh has these dimensions. With activation checkpointing, the backward pass
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
    if mesh.tensor is not None:
        divide_matrices(module, mesh.tensor)
    if mesh.context is not None:
        divide_tokens(module, mesh.context)
    blocks = module.model.blocks
    for i, block in enumerate(blocks):
        blocks[i] = _checkpointed(block, activation_checkpointing, mesh.tensor is not None)
    if compiled:
        for block in blocks:
            block.compile()
    # Inputs stay as they are: the angles of rotary embeddings are exact in float32 alone.
    policy = MixedPrecisionPolicy(
        param_dtype=compute_dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    if mesh.sizes.n_processes == 1 and compute_dtype == torch.float32:
        return
    shared = mesh.shards.size() > 1
    shard = partial(fully_shard, mesh=mesh.shards, mp_policy=policy)
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


def _checkpointed(block: nn.Module, choice: str, divided: bool) -> nn.Module:
    if choice == "none":
        return block
    if choice == "full":
        return checkpoint_wrapper(block, preserve_rng_state=False)
    contexts = partial(_selective_contexts, divided)
    return checkpoint_wrapper(block, context_fn=contexts, preserve_rng_state=False)


def _selective_contexts(divided: bool) -> Any:
    """Return the contexts of a block's forward pass and of its repetition.

    The block's last matrix product is only added to its input. No backward pass reads it, so it is
    not kept, nor computed again. Where matrices are ``divided``, a product of attention's output is
    only added to those of the other processes. The sum is kept, which is divided by tokens, and not
    the product, which is not.
    """
    products = {False: 0, True: 0}

    def policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
        if operation not in _KEPT:
            return CheckpointPolicy.PREFER_RECOMPUTE
        is_product = operation == torch.ops.aten.mm.default
        products[context.is_recompute] += is_product
        number = products[context.is_recompute]
        if number == MATRIX_PRODUCTS or (divided and is_product and number == OUTPUT_PRODUCT):
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
    """Return this process's part. Every process has the whole, so nothing has to be sent."""
    if not isinstance(like, DTensor):
        return whole
    coordinate = like.device_mesh.get_coordinate()
    assert coordinate is not None
    # The last dimension of the mesh divides first: FSDP divides what tensor parallelism left.
    for dim, placement in reversed(list(enumerate(like.placements))):
        divided = getattr(placement, "dim", None)
        if divided is None:  # every process of this dimension has it all
            continue
        parts = whole.chunk(like.device_mesh.size(dim), divided)
        number = coordinate[dim]
        whole = parts[number] if number < len(parts) else whole.narrow(divided, 0, 0)
    return whole


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor that may be sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
