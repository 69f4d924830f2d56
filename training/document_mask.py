"""Masks that keep attention within documents. A sample may hold parts of several documents.

Shapes: B samples, T tokens of a sample, P of these that attend.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from tokenizer.checking import marks_of
from training.data.tokenizer_file import read_tokenizer
from training.stages.staged_loader import RunMixture


def document_marks(mixture: RunMixture) -> tuple[int | None, int | None]:
    """Return the ids of the tokens at documents' begin and end, None where there are none.

    Raises ValueError where the tokenizer is not the one that made the shards.
    """
    described = mixture.tokenizer
    bos, eos = marks_of(read_tokenizer(described), str(described["model"]))
    if mixture.is_packed:  # what is left of a long document has no begin
        return None, eos
    return bos if described["bos"] else None, eos if described["eos"] else None


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


def causal_document_mask(documents_BT: Tensor, part: range | None = None) -> Tensor | BlockMask:
    """Return the mask with which a token attends to earlier tokens of the same document only.

    The tokens that attend are those at the positions ``part``, by default all T.
    On CUDA it is a block mask for FlexAttention, which skips blocks that no token attends to.
    Otherwise it is a boolean mask (B, 1, P, T) for ``scaled_dot_product_attention``. Positions need
    not start again with each document, because rotary embeddings depend on distances alone.
    """
    n_samples, n_tokens = documents_BT.shape
    first, n_queries = (0, n_tokens) if part is None else (part.start, len(part))
    if documents_BT.device.type != "cuda":
        documents_BP = documents_BT[:, first : first + n_queries]
        same_BPT = documents_BP[:, :, None] == documents_BT[:, None, :]
        return same_BPT.tril(first).unsqueeze(1)

    def allowed(sample: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        position = query + first
        same = documents_BT[sample, position] == documents_BT[sample, key]
        return (position >= key) & same

    return _compiled_block_mask()(
        allowed, n_samples, None, n_queries, n_tokens, device=documents_BT.device
    )


@functools.cache
def _compiled_block_mask() -> Any:
    # Compiled, it never holds the mask of all pairs of tokens.
    return torch.compile(create_block_mask)
