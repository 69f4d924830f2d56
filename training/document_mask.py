"""Masks that keep attention within documents. A sample may hold parts of several documents.

Shapes: B samples, T tokens of a sample.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask


def document_numbers(tokens_BT: Tensor, *, begin: int | None, end: int | None) -> Tensor:
    """Number the documents of every sample, (B, T).

    A document begins with the token ``begin``, or after the token ``end``, whichever is given.
    Text is never encoded to such control tokens. Raises ValueError where neither is given.
    """
    if begin is not None:
        return (tokens_BT == begin).cumsum(1)
    if end is None:
        raise ValueError(
            "attention within documents needs a token between them: set tokenizer.bos or "
            "tokenizer.eos in the recipe"
        )
    ends_BT = (tokens_BT == end).long()
    return ends_BT.cumsum(1) - ends_BT


def causal_document_mask(documents_BT: Tensor) -> Tensor | BlockMask:
    """Return the mask with which a token attends to earlier tokens of the same document only.

    On CUDA it is a block mask for FlexAttention, which skips blocks that no token attends to.
    Otherwise it is a boolean mask (B, 1, T, T) for ``scaled_dot_product_attention``. Positions need
    not start again with each document, because rotary embeddings depend on distances alone.
    """
    n_samples, n_tokens = documents_BT.shape
    if documents_BT.device.type != "cuda":
        same_BTT = documents_BT[:, :, None] == documents_BT[:, None, :]
        return same_BTT.tril().unsqueeze(1)

    def allowed(sample: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = documents_BT[sample, query] == documents_BT[sample, key]
        return (query >= key) & same

    return _compiled_block_mask()(
        allowed, n_samples, None, n_tokens, n_tokens, device=documents_BT.device
    )


@functools.cache
def _compiled_block_mask() -> Any:
    # Compiled, it never holds the mask of all pairs of tokens.
    return torch.compile(create_block_mask)
