"""What is handed to attention: tensors that need no copy, and masks that are compiled."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask

from training import document_mask, model
from training.model import Attention, ModelConfig, rotary_angles

CONFIG = ModelConfig(32, 2, 1, 50)


def attended(mask=None) -> torch.Tensor:
    cos, sin = rotary_angles(0, 16, CONFIG, torch.device("cpu"))
    return Attention(CONFIG)(torch.randn(3, 16, 32), cos, sin, mask, None)


def test_queries_and_keys_lie_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output lies as the queries do, so joining its heads is a view."""
    given: list[torch.Tensor] = []
    plain = model.scaled_dot_product_attention

    def seen(*tensors, **more):
        given.extend(tensors)
        return plain(*tensors, **more)

    monkeypatch.setattr(model, "scaled_dot_product_attention", seen)
    attended()
    assert [tensor.shape for tensor in given] == [(3, 2, 16, 16)] * 3
    assert all(tensor.transpose(1, 2).is_contiguous() for tensor in given)


def test_flex_attention_is_compiled_where_the_model_is_not(monkeypatch) -> None:
    calls: list[str] = []

    def compiled(query, key, value, block_mask):
        calls.append("compiled")
        return query

    monkeypatch.setattr(model, "_compiled_flex_attention", lambda: compiled)
    attended(create_block_mask(lambda b, h, q, k: q >= k, 3, None, 16, 16, device="cpu"))
    assert calls == ["compiled"]


def test_block_masks_are_compiled_without_the_flag_that_goes_away(monkeypatch) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    document_mask._compiled_block_mask.cache_clear()

    class OnGpu(torch.Tensor):
        device = torch.device("cuda")

    seen: list[dict] = []

    def made(*given, **more):
        seen.append(more)

    monkeypatch.setattr(document_mask, "create_block_mask", made)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        document_mask.causal_document_mask(torch.zeros(2, 16).as_subclass(OnGpu))
    document_mask._compiled_block_mask.cache_clear()
    assert compiled == [made]
    assert seen == [{"device": torch.device("cuda")}]
