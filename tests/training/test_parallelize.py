"""Sharding, recomputation and compilation, which change speed and memory, but no result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.distributed.fsdp import FSDPModule

from training.loss import LanguageModelLoss
from training.model import Attention, Llama, ModelConfig, rotary_angles
from training.parallel.mesh import Mesh
from training.parallelize import local, materialise, parallelize, weight_name
from training.processes import processes

CONFIG = ModelConfig(32, 2, 2, 50)


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with processes("cpu") as own:
        yield own.mesh


def prepared(
    mesh: Mesh,
    choice: str,
    compiled: bool = False,
    compute_dtype: torch.dtype = torch.float32,
) -> LanguageModelLoss:
    with torch.device("meta"):
        module = LanguageModelLoss(Llama(CONFIG), compiled=compiled)
    parallelize(
        module,
        mesh,
        activation_checkpointing=choice,
        compiled=compiled,
        compute_dtype=compute_dtype,
    )
    materialise(module, torch.device("cpu"), seed=3)
    return module


def loss_and_gradients(module: LanguageModelLoss) -> tuple[float, dict[str, torch.Tensor]]:
    tokens_BT1 = torch.randint(50, (2, 17), generator=torch.Generator().manual_seed(0))
    loss = module(tokens_BT1[:, :-1], tokens_BT1[:, 1:]) / 32
    loss.backward()
    gradients = {
        weight_name(name): local(weight.grad).clone() for name, weight in module.named_parameters()
    }
    return float(loss.detach()), gradients


@pytest.mark.parametrize("choice", ["none", "selective", "full"])
def test_recomputed_activations_give_the_same_gradients(mesh: Mesh, choice: str) -> None:
    module = prepared(mesh, choice)
    loss, gradients = loss_and_gradients(module)
    plain = LanguageModelLoss(Llama(CONFIG))
    for (_, weight), (_, own) in zip(
        plain.named_parameters(), module.named_parameters(), strict=True
    ):
        weight.data.copy_(local(own))
    plain_loss, plain_gradients = loss_and_gradients(plain)
    assert loss == pytest.approx(plain_loss, rel=1e-6)
    torch.testing.assert_close(gradients, plain_gradients, rtol=1e-5, atol=1e-7)


def test_full_recomputation_runs_every_block_twice(mesh: Mesh) -> None:
    counts = {}
    for choice in ("none", "full"):
        module, calls = prepared(mesh, choice), []
        for part in module.model.modules():
            if isinstance(part, Attention):
                part.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        loss_and_gradients(module)
        counts[choice] = len(calls)
    assert counts == {"none": CONFIG.n_layers, "full": 2 * CONFIG.n_layers}


@pytest.mark.parametrize("choice", ["none", "selective", "full"])
def test_rotary_angles_stay_float32_where_the_rest_is_bf16(mesh: Mesh, choice: str) -> None:
    """In bf16 the angles of far positions would be those of their neighbours."""
    module = prepared(mesh, choice, compute_dtype=torch.bfloat16)
    seen: list[tuple[torch.Tensor, ...]] = []
    for part in module.model.modules():
        if isinstance(part, Attention):
            part.register_forward_pre_hook(lambda _, given: seen.append(given[:3]))
    tokens_BT1 = torch.randint(50, (1, 1025))
    module(tokens_BT1[:, :-1], tokens_BT1[:, 1:]).backward()
    cos, sin = rotary_angles(0, 1024, CONFIG, torch.device("cpu"))
    assert len(seen) == CONFIG.n_layers * (1 if choice == "none" else 2)
    for x_BTD, given_cos, given_sin in seen:
        assert x_BTD.dtype == torch.bfloat16
        torch.testing.assert_close(given_cos, cos, rtol=0, atol=0)
        torch.testing.assert_close(given_sin, sin, rtol=0, atol=0)
    for name, weight in module.named_parameters():
        assert weight.grad is not None and weight.grad.dtype == torch.float32, name


def test_one_process_holds_its_weights_once(mesh: Mesh) -> None:
    """FSDP would copy what it gathers, also where there is nothing to gather or to cast."""
    assert not isinstance(prepared(mesh, "none"), FSDPModule)
    assert isinstance(prepared(mesh, "none", compute_dtype=torch.bfloat16), FSDPModule)


@pytest.mark.slow
def test_compiled_blocks_and_loss_give_the_same(mesh: Mesh) -> None:
    loss, gradients = loss_and_gradients(prepared(mesh, "none", compiled=True))
    plain_loss, plain_gradients = loss_and_gradients(prepared(mesh, "none"))
    assert loss == pytest.approx(plain_loss, rel=1e-6)
    torch.testing.assert_close(gradients, plain_gradients, rtol=1e-4, atol=1e-6)


def test_initial_weights_have_their_deviation(mesh: Mesh) -> None:
    module = prepared(mesh, "full")
    weights = {
        weight_name(name): local(weight).detach() for name, weight in module.named_parameters()
    }
    assert float(weights["embedding.weight"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(weights["blocks.1.attention.output.weight"].std()) == pytest.approx(0.01, rel=0.1)
    assert (weights["blocks.1.attention_norm.weight"] == 1).all()
    assert not torch.equal(weights["embedding.weight"], weights["head.weight"])
