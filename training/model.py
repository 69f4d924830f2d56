"""The LLaMA model (arXiv 2302.13971) in plain PyTorch.

The names of tensors end in their shape:

    B samples    T tokens of a sample    S tokens attended to (with a cache, earlier ones too)
    D width      H attention heads       K width of a head (D = H x K)
    F width of the feed-forward layer    V vocabulary
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention, silu

INITIAL_STD = 0.02
"""Standard deviation of most initial weights."""


@dataclass(frozen=True)
class ModelConfig:
    """The sizes of a model's layers."""

    dim: int
    n_heads: int
    n_layers: int
    vocabulary_size: int = 32_000
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6

    @property
    def head_dim(self) -> int:
        """The width of an attention head."""
        return self.dim // self.n_heads

    @property
    def hidden_dim(self) -> int:
        """The width of the feed-forward layer: 2/3 of 4 dim, rounded up to a multiple of 256."""
        return -(-8 * self.dim // 3 // 256) * 256

    @property
    def n_parameters(self) -> int:
        """The number of weights."""
        block = 4 * self.dim**2 + 3 * self.dim * self.hidden_dim + 2 * self.dim
        return 2 * self.vocabulary_size * self.dim + self.n_layers * block + self.dim


MODELS = {
    "10M": ModelConfig(256, 4, 8),
    "100M": ModelConfig(640, 10, 12),
    "1.3B": ModelConfig(2048, 16, 24),
    "7B": ModelConfig(4096, 32, 32),
    "13B": ModelConfig(5120, 40, 40),
    "33B": ModelConfig(6656, 52, 60),
    "65B": ModelConfig(8192, 64, 80),
}
"""Configurations by size: the paper's (table 2), and smaller ones for tests and benchmarks."""


def model_config(size: str, vocabulary_size: int) -> ModelConfig:
    """Return the configuration of a named size over a vocabulary."""
    return replace(MODELS[size], vocabulary_size=vocabulary_size)


class KeyValueCache:
    """The keys and values of all earlier tokens in an attention layer, for generation."""

    def __init__(self) -> None:
        self._keys_BHSK: Tensor | None = None
        self._values_BHSK: Tensor | None = None

    @property
    def n_tokens(self) -> int:
        """The number of tokens in the cache."""
        return 0 if self._keys_BHSK is None else self._keys_BHSK.shape[2]

    def extend(self, keys_BHTK: Tensor, values_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new tokens; return those of all tokens."""
        if self._keys_BHSK is not None and self._values_BHSK is not None:
            keys_BHTK = torch.cat([self._keys_BHSK, keys_BHTK], 2)
            values_BHTK = torch.cat([self._values_BHSK, values_BHTK], 2)
        self._keys_BHSK, self._values_BHSK = keys_BHTK, values_BHTK
        return keys_BHTK, values_BHTK


def rotary_angles(
    start: int, n_tokens: int, config: ModelConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of rotary embeddings (arXiv 2104.09864), float32, (T, K/2).

    The first token is at position ``start``.
    """
    exponents = torch.arange(0, config.head_dim, 2, device=device).float() / config.head_dim
    frequencies = 1.0 / config.rope_theta**exponents
    positions_T = torch.arange(start, start + n_tokens, device=device).float()
    angles = torch.outer(positions_T, frequencies)
    return angles.cos(), angles.sin()


def rotate(x_BTHK: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary embeddings: rotate the pairs (i, i + K/2) of every head.

    Hugging Face pairs the halves in this way, too. Meta's own code pairs neighbours. That is the
    same model with the rows of the query and key weights in another order.
    """
    first, second = x_BTHK.float().chunk(2, -1)
    cos, sin = cos[:, None], sin[:, None]
    rotated_BTHK = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
    return rotated_BTHK.type_as(x_BTHK)


@functools.cache
def _compiled_flex_attention() -> Any:
    return torch.compile(flex_attention)


def _flex_attention(*given: Any, block_mask: BlockMask) -> Any:
    # FlexAttention that is not compiled would compute and keep the scores of all pairs of tokens.
    function = flex_attention if torch.compiler.is_compiling() else _compiled_flex_attention()
    return function(*given, block_mask=block_mask)


class Attention(nn.Module):
    """Causal multi-head attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.query = nn.Linear(config.dim, config.dim, bias=False)
        self.key = nn.Linear(config.dim, config.dim, bias=False)
        self.value = nn.Linear(config.dim, config.dim, bias=False)
        self.output = nn.Linear(config.dim, config.dim, bias=False)

    def forward(
        self,
        x_BTD: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | BlockMask | None,
        cache: KeyValueCache | None,
    ) -> Tensor:
        """Attend to earlier tokens, limited by ``mask`` if it is given."""
        query_BTHK, key_BSHK, value_BSHK = (
            projection(x_BTD).unflatten(-1, (-1, self.head_dim))
            for projection in (self.query, self.key, self.value)
        )
        # Rotated ahead of the transposition, they lie in memory as the projections made them. The
        # output of attention lies as its queries do, and needs no copy then.
        query_BHTK = rotate(query_BTHK, cos, sin).transpose(1, 2)
        key_BHSK = rotate(key_BSHK, cos, sin).transpose(1, 2)
        value_BHSK = value_BSHK.transpose(1, 2)
        if cache is not None:
            key_BHSK, value_BHSK = cache.extend(key_BHSK, value_BHSK)
        if isinstance(mask, BlockMask):
            y_BHTK = _flex_attention(query_BHTK, key_BHSK, value_BHSK, block_mask=mask)
        else:
            # A single new token attends to the whole cache. With is_causal it would attend to
            # the oldest token alone.
            is_causal = mask is None and query_BHTK.shape[2] > 1
            y_BHTK = scaled_dot_product_attention(
                query_BHTK, key_BHSK, value_BHSK, attn_mask=mask, is_causal=is_causal
            )
        assert isinstance(y_BHTK, Tensor)
        return self.output(y_BHTK.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """The feed-forward layer, SwiGLU (arXiv 2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.dim, config.hidden_dim, bias=False)
        self.up = nn.Linear(config.dim, config.hidden_dim, bias=False)
        self.down = nn.Linear(config.hidden_dim, config.dim, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Apply the layer to every token."""
        return self.down(silu(self.gate(x_BTD)) * self.up(x_BTD))


class Block(nn.Module):
    """A layer of the model: attention and feed-forward.

    Each is applied to the RMSNorm of its input, and its output is added to that input.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.dim, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.RMSNorm(config.dim, config.norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(
        self,
        x_BTD: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | BlockMask | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return the layer's output, which has the shape of its input."""
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), cos, sin, mask, cache)
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))


class Head(nn.Linear):
    """The layer that makes logits of the last hidden states.

    A loss may compute the logits itself, a part at a time. It is called within this module, so that
    whatever looks after the module's weights knows when they are used.
    """

    def forward(
        self, input: Tensor, function: Callable[[Tensor, Tensor], Tensor] | None = None
    ) -> Tensor:
        """Return the logits, or what ``function`` makes of the input and the weights."""
        return super().forward(input) if function is None else function(input, self.weight)


class Llama(nn.Module):
    """The decoder-only transformer. Input embedding and output head do not share weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = nn.RMSNorm(config.dim, config.norm_eps)
        self.head = Head(config.dim, config.vocabulary_size, bias=False)

    def hidden(
        self,
        tokens_BT: Tensor,
        mask: Tensor | BlockMask | None = None,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:
        """Return the normalised output of the last layer, (B, T, D), which the head is applied to.

        ``mask`` limits attention (:mod:`training.document_mask`). Without it a token attends to all
        earlier tokens. ``caches``, one a layer, hold the earlier tokens, and these tokens are
        added. With caches, either the caches are empty or there is one new token.
        """
        n_tokens, start = tokens_BT.shape[1], caches[0].n_tokens if caches else 0
        cos, sin = rotary_angles(start, n_tokens, self.config, tokens_BT.device)
        x_BTD = self.embedding(tokens_BT)
        for i, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, cos, sin, mask, caches[i] if caches else None)
        return self.norm(x_BTD)

    def forward(
        self,
        tokens_BT: Tensor,
        mask: Tensor | BlockMask | None = None,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:
        """Return the logits of every next token, (B, T, V). Arguments are as in :meth:`hidden`."""
        return self.head(self.hidden(tokens_BT, mask, caches))


def initial_std(name: str, config: ModelConfig) -> float | None:
    """Return the standard deviation of a weight's initial values, None if they are ones.

    The paper does not describe its initialisation. This one is usual since GPT-2: normal with 0.02,
    and with 0.02 / sqrt(2 x layers) for the two projections that write to the residual stream.
    """
    if name.split(".")[-2].endswith("norm"):
        return None
    if name.endswith(("attention.output.weight", "feed_forward.down.weight")):
        return INITIAL_STD / math.sqrt(2 * config.n_layers)
    return INITIAL_STD
