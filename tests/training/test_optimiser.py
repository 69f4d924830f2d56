"""The learning rate schedule, and the weights that decay."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from training.model import Llama, ModelConfig
from training.optimiser import default_warmup_steps, learning_rate, make_optimiser


def rates(warmup_steps: int, n_steps: int) -> list[float]:
    return [
        learning_rate(
            step, maximum=3e-4, minimum_fraction=0.1, warmup_steps=warmup_steps, n_steps=n_steps
        )
        for step in range(n_steps)
    ]


def test_warm_up_then_a_cosine_down_to_a_tenth() -> None:
    found = rates(2000, 10_000)
    assert found[0] == pytest.approx(3e-4 / 2000)
    assert found[1999] == max(found) == pytest.approx(3e-4)
    assert found[5999] == pytest.approx((3e-4 + 3e-5) / 2)
    assert found[-1] == min(found[2000:]) == pytest.approx(3e-5)
    assert all(a >= b for a, b in pairwise(found[1999:]))


@pytest.mark.parametrize(("warmup_steps", "n_steps"), [(0, 1), (1, 1), (0, 5), (5, 5)])
def test_short_runs(warmup_steps: int, n_steps: int) -> None:
    assert all(3e-5 - 1e-12 < rate < 3e-4 + 1e-12 for rate in rates(warmup_steps, n_steps))


@pytest.mark.parametrize("decay_steps", [0, 1, 3, 8])
def test_warm_up_then_constant_then_a_line_down_to_a_tenth(decay_steps: int) -> None:
    found = [
        learning_rate(
            step, maximum=3e-4, minimum_fraction=0.1, warmup_steps=2, n_steps=10,
            decay_steps=decay_steps,
        )
        for step in range(10)
    ]  # fmt: skip
    assert found[:2] == pytest.approx([1.5e-4, 3e-4])
    assert found[2 : 10 - decay_steps] == [3e-4] * (8 - decay_steps)
    line = [3e-4 - 2.7e-4 * number / decay_steps for number in range(1, decay_steps + 1)]
    assert found[10 - decay_steps :] == pytest.approx(line)


def test_warm_up_takes_a_tenth_of_a_short_run() -> None:
    assert [default_warmup_steps(n) for n in (5, 300, 20_000, 250_000)] == [0, 30, 2000, 2000]


def test_matrices_decay_and_gains_do_not() -> None:
    model = Llama(ModelConfig(16, 2, 1, 11))
    optimiser = make_optimiser(model, weight_decay=0.1)
    decayed, spared = optimiser.param_groups
    assert decayed["weight_decay"] == 0.1 and spared["weight_decay"] == 0.0
    assert {id(w) for w in spared["params"]} == {
        id(w) for n, w in model.named_parameters() if "norm" in n
    }
    assert decayed["betas"] == (0.9, 0.95)
    for group in optimiser.param_groups:
        group["lr"] = 0.5
    before = model.head.weight.detach().clone()
    model(torch.zeros(1, 2, dtype=torch.int64)).sum().mul(0).backward()
    optimiser.step()
    torch.testing.assert_close(model.head.weight.detach(), before * (1 - 0.5 * 0.1))
