"""The model, compared with Hugging Face's with the same weights, in float32."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.document_mask import causal_document_mask, document_numbers
from training.export import hugging_face_name
from training.loss import LanguageModelLoss
from training.model import MODELS, KeyValueCache, Llama, ModelConfig, initial_std, model_config

CONFIG = ModelConfig(64, 4, 3, vocabulary_size=101)


def make_model(seed: int) -> Llama:
    """Return a tiny model whose weights are all random, also those of the norms."""
    torch.manual_seed(seed)
    model = Llama(CONFIG)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 1.0 if weight.ndim == 1 else 0.0, 0.2)
    return model


def hugging_face(model: Llama) -> LlamaForCausalLM:
    """Return Hugging Face's model with the same weights."""
    config = LlamaConfig(
        vocab_size=CONFIG.vocabulary_size, hidden_size=CONFIG.dim,
        intermediate_size=CONFIG.hidden_dim, num_hidden_layers=CONFIG.n_layers,
        num_attention_heads=CONFIG.n_heads, rms_norm_eps=CONFIG.norm_eps,
        max_position_embeddings=64, tie_word_embeddings=False,
    )  # fmt: skip
    other = LlamaForCausalLM(config).float()
    other.load_state_dict(
        {hugging_face_name(name): weight for name, weight in model.state_dict().items()}
    )
    return other


def error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the norm of a tensor's error, relative to the norm of the tensor."""
    return float(((ours - theirs).norm() / theirs.norm()).detach())


@pytest.mark.parametrize("seed", range(4))
def test_logits_loss_and_gradients_are_hugging_faces(seed: int) -> None:
    model = make_model(seed)
    other = hugging_face(model)
    tokens_BT1 = torch.randint(CONFIG.vocabulary_size, (3, 33))
    inputs_BT, targets_BT = tokens_BT1[:, :-1], tokens_BT1[:, 1:]
    assert error(model(inputs_BT), other(inputs_BT).logits) < 1e-5

    loss = LanguageModelLoss(model)(inputs_BT, targets_BT) / targets_BT.numel()
    theirs = other(inputs_BT, labels=inputs_BT, shift_labels=targets_BT.contiguous()).loss
    torch.testing.assert_close(loss, theirs, rtol=1e-5, atol=0)

    loss.backward()
    theirs.backward()
    gradients = {name: weight.grad for name, weight in other.named_parameters()}
    assert len(gradients) == len(list(model.parameters()))
    for name, weight in model.named_parameters():
        assert error(weight.grad, gradients[hugging_face_name(name)]) < 1e-5, name


def test_token_by_token_with_a_cache_gives_the_same_logits() -> None:
    model = make_model(0)
    tokens_BT = torch.randint(CONFIG.vocabulary_size, (2, 12))
    caches = [KeyValueCache() for _ in model.blocks]
    parts = [model(tokens_BT[:, :5], caches=caches)]
    parts += [model(tokens_BT[:, i : i + 1], caches=caches) for i in range(5, 12)]
    torch.testing.assert_close(torch.cat(parts, 1), model(tokens_BT), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("marks", [{"begin": 1, "end": 2}, {"begin": None, "end": 2}])
def test_a_document_mask_equals_documents_run_by_themselves(marks: dict) -> None:
    model = make_model(1)
    documents = [[1, *torch.randint(3, 101, (n,)).tolist(), 2] for n in (4, 1, 9)]
    tokens_BT = torch.tensor([[token for document in documents for token in document]])
    mask = causal_document_mask(document_numbers(tokens_BT, **marks))
    together = model(tokens_BT, mask)[0].split([len(d) for d in documents])
    for document, logits in zip(documents, together, strict=True):
        alone = model(torch.tensor([document]))[0]
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[2], model(tokens_BT)[0, -11:], atol=1e-2)


def test_documents_without_marks_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.bos"):
        document_numbers(torch.zeros(1, 4, dtype=torch.int64), begin=None, end=None)


@pytest.mark.parametrize(
    ("size", "billions"), [("7B", 6.7), ("13B", 13.0), ("33B", 32.5), ("65B", 65.2)]
)
def test_sizes_are_the_papers(size: str, billions: float) -> None:
    with torch.device("meta"):
        n_weights = sum(weight.numel() for weight in Llama(MODELS[size]).parameters())
    assert n_weights == MODELS[size].n_parameters
    assert n_weights / 1e9 == pytest.approx(billions, abs=0.1)  # table 2


def test_initial_weights() -> None:
    config = model_config("10M", 6000)
    assert initial_std("embedding.weight", config) == 0.02
    assert initial_std("blocks.3.feed_forward.gate.weight", config) == 0.02
    assert initial_std("blocks.3.feed_forward.down.weight", config) == 0.02 / 4
    assert initial_std("blocks.0.attention.output.weight", config) == 0.02 / 4
    assert initial_std("blocks.0.attention_norm.weight", config) is None
    assert initial_std("norm.weight", config) is None
