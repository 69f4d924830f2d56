"""Whole steps of the 65B model as the first of 64, 512 and 2,048 processes, without their data.

Process groups and tensors are PyTorch's fakes: what a step sends and keeps is what it would be, and
nothing is computed or sent.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.planner import SavePlan
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from training.loss import LanguageModelLoss
from training.model import MODELS, Llama
from training.optimiser import make_optimiser
from training.parallel.mesh import MeshSizes, make_mesh
from training.parallelize import parallelize
from training.stepping.accumulation import accumulate
from training.stepping.clipping import clip_gradients

LENGTH = 2048
CONFIG = MODELS["65B"]
GATHER, REDUCE, OVER_COPIES = "_allgather_base_", "_reduce_scatter_base_", "allreduce_"


class Sent(TorchDispatchMode):
    """A count of the operations between processes, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if DTensor in types:  # which takes itself apart
            return NotImplemented
        if func.namespace in ("c10d", "_c10d_functional") and func._opname != "wait_tensor":
            self.counts[func._opname] += 1
        return func(*args, **(kwargs or {}))


class World(NamedTuple):
    """A number of processes, and the copies of the model that they are divided into."""

    n_processes: int
    copies: int = 1


class Step(NamedTuple):
    """What a step sends by its parts, and what the first process would save after it."""

    forward: Counter[str]
    backward: Counter[str]
    clipping: Counter[str]
    optimiser: Counter[str]
    state: Counter[str]  # the gathering of it
    plan: SavePlan


WORLDS = [World(n, copies) for n in (64, 512, 2048) for copies in (1, n // 32)]


@functools.cache
def step(world: World, n_layers: int, activation_checkpointing: str = "full") -> Step:
    """Take a step as the trainer does, with one sample in each process."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=world.n_processes)
    counts: list[Counter[str]] = []
    try:
        sizes = MeshSizes(world.copies, world.n_processes // world.copies)
        mesh = make_mesh("cpu", sizes)
        with torch.device("meta"):
            module = LanguageModelLoss(Llama(replace(CONFIG, n_layers=n_layers)))
        parallelize(
            module, mesh, activation_checkpointing=activation_checkpointing, compiled=False,
            compute_dtype=torch.bfloat16,
        )  # fmt: skip
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            Sent() as sent,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")

            def note(*_: object) -> None:
                counts.append(sent.counts.copy())

            module.to_empty(device="cpu")
            optimiser = make_optimiser(module, weight_decay=0.1)
            module.register_forward_hook(note)
            accumulate(
                module, torch.zeros(1, LENGTH + 1, dtype=torch.int64), 1, lambda inputs: None,
                sizes=sizes, reduce_each=True,
            )  # fmt: skip
            note()
            clip_gradients(module.parameters(), 1.0)
            note()
            optimiser.step()
            note()
            model, state = get_state_dict(module, optimiser)
            note()
        planner = DefaultSavePlanner()
        planner.set_up_planner({"model": model, "optimiser": state}, None, True)
        with sent:
            plan = planner.create_local_plan()
        assert sent.counts == counts[-1]
    finally:
        dist.destroy_process_group()
    # Ahead of the forward pass, the numbers of targets are added up.
    befores = [Counter({OVER_COPIES: 1}), *counts]
    parts = [after - before for before, after in zip(befores, counts, strict=False)]
    return Step(*parts, plan)


def share(world: World, n_layers: int) -> int:
    """Return how many weights the first process keeps: of each, the largest part of its rows."""
    with torch.device("meta"):
        weights = list(Llama(replace(CONFIG, n_layers=n_layers)).parameters())
    shards = world.n_processes // world.copies
    return sum(-(-len(weight) // shards) * math.prod(weight.shape[1:]) for weight in weights)


def groups(n_layers: int) -> int:
    """Return the number of groups of weights: the layers, the embedding, head with norm."""
    return n_layers + 2


def assert_sent(step: Step, world: World, n_layers: int) -> None:
    """A layer is gathered for each pass, and its gradients are reduced once."""
    copies = {OVER_COPIES: groups(n_layers)} if world.copies > 1 else {}
    # The head is kept between the passes, and the embedding's gradients do not need its weights.
    assert step.forward == {GATHER: groups(n_layers)}
    assert step.backward == {GATHER: n_layers, REDUCE: groups(n_layers), **copies}
    # The norm is added up over all weights first, and a copy has the whole of it.
    assert step.clipping == {OVER_COPIES: 1}
    assert step.optimiser == step.state == {}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_what_two_layers_send(world: World) -> None:
    assert_sent(step(world, 2), world, 2)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_what_a_process_saves(world: World) -> None:
    """Its part of the weights and of both of AdamW's averages, all in float32."""
    items = [item.tensor_data for item in step(world, 2).plan.items]
    parts = [part for part in items if part is not None and part.chunk.sizes]
    assert sum(math.prod(part.chunk.sizes) for part in parts) == 3 * share(world, 2)
    assert {part.properties.dtype for part in parts} == {torch.float32}


@pytest.mark.slow
def test_what_all_80_layers_send() -> None:
    world = WORLDS[-1]
    assert_sent(step(world, CONFIG.n_layers, "none"), world, CONFIG.n_layers)
