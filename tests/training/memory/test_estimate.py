"""The estimate of memory, against a tracker of PyTorch's and figures measured before."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.testing._internal.distributed.fake_pg import FakeStore

from training.loss import LanguageModelLoss
from training.memory.estimate import Setup, estimate, saved_activations
from training.model import MODELS, Llama
from training.optimiser import make_optimiser
from training.parallel.context import mask_of_part
from training.parallel.mesh import Mesh, MeshSizes, make_mesh
from training.parallelize import parallelize
from training.stepping.accumulation import Mask, accumulate

LENGTH = 2048
WITHIN = 0.05

MEASURED = {
    "7B": {8: 16.2, 64: 4.9, 512: 3.8},
    "13B": {8: 30.0, 64: 7.7, 512: 5.6},
    "33B": {8: 71.3, 64: 15.1, 512: 9.4},
    "65B": {8: 139.7, 64: 26.4, 512: 14.3},
}
"""GB on each device by size and processes: full checkpointing, one sample, when embedding and head
were one group, gathered all the time, and the head's gradient was reduced last."""

SAVED = {
    "7B": {"none": 9.2, "selective": 6.1, "full": 0.5},
    "65B": {"none": 45.8, "selective": 30.5, "full": 2.7},
}
"""GB of activations that a sample keeps, measured at the same time."""


@pytest.mark.parametrize("size", MEASURED)
@pytest.mark.parametrize("n_processes", [8, 64, 512])
def test_figures_measured_before(size: str, n_processes: int) -> None:
    config = MODELS[size]
    matrix = 2 * config.vocabulary_size * config.dim  # bytes
    now = estimate(Setup(config, n_processes, LENGTH, checkpointing="full")).total
    of_one_group = 3 * matrix  # embedding and head, gathered, and the head's gradient
    measured = MEASURED[size][n_processes]
    assert (now + of_one_group) / 1e9 == pytest.approx(measured, rel=WITHIN)


@pytest.mark.parametrize("size", SAVED)
@pytest.mark.parametrize("choice", ["none", "selective", "full"])
def test_activations_measured_before(size: str, choice: str) -> None:
    setup = Setup(MODELS[size], 8, LENGTH, checkpointing=choice)
    # The figures have one digit after the point.
    assert saved_activations(setup) / 1e9 == pytest.approx(
        SAVED[size][choice], rel=WITHIN, abs=0.05
    )


def tracked(setup: Setup) -> float:
    """Return the peak of a step of the trainer on tensors without data, in bytes."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=setup.n_processes)
    try:
        sizes = MeshSizes(setup.copies, setup.n_shards // setup.cp, setup.cp, setup.tp)
        mesh = make_mesh("cpu", sizes)
        # With divided matrices, PyTorch finds out once how the result of each operation is divided,
        # by tensors that the tracker would count. So another model goes through the steps before.
        modules = [prepared(setup, mesh) for _ in range(1 if setup.tp == 1 else 2)]

        def mask(inputs: torch.Tensor) -> Mask:
            return None if mesh.context is None else mask_of_part(mesh.context, inputs, None)

        with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            n_samples = setup.micro_batch_samples * setup.n_micro_batches
            tokens_BT1 = torch.zeros(n_samples, LENGTH + 1, dtype=torch.int64)
            for module in modules:
                module.to_empty(device="cpu")
                optimiser = make_optimiser(module, weight_decay=0.1)
                tracker = FSDPMemTracker(module, optimiser)
                with tracker if module is modules[-1] else nullcontext():
                    for _ in range(2):
                        accumulate(
                            module, tokens_BT1, setup.n_micro_batches, mask,
                            sizes=sizes, reduce_each=setup.reduce_each,
                        )  # fmt: skip
                        optimiser.step()
                        optimiser.zero_grad()
        return tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    finally:
        dist.destroy_process_group()


def prepared(setup: Setup, mesh: Mesh) -> LanguageModelLoss:
    with torch.device("meta"):
        module = LanguageModelLoss(Llama(setup.config), setup.loss_chunk_tokens)
    parallelize(
        module, mesh, activation_checkpointing=setup.checkpointing, compiled=False,
        compute_dtype=torch.bfloat16, reshard_after_forward=setup.reshard_after_forward,
    )  # fmt: skip
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"checkpointing": "full", "micro_batch_samples": 8},
        {"checkpointing": "selective", "micro_batch_samples": 2, "n_processes": 8},
        {"checkpointing": "full", "n_micro_batches": 2, "n_processes": 8},
        {"checkpointing": "full", "n_micro_batches": 2, "reduce_each": False},
        {"checkpointing": "full", "reshard_after_forward": False},
        {"checkpointing": "full", "n_micro_batches": 2, "copies": 8},
        {"checkpointing": "full", "n_micro_batches": 2, "tp": 8},
        {"checkpointing": "full", "micro_batch_samples": 8, "cp": 4},
    ],
)
def test_what_a_tracker_finds(changed: dict) -> None:
    """Three layers of the 7B model. A CPU's RMSNorm keeps more than a GPU's without recomputing."""
    setup = Setup(replace(MODELS["7B"], n_layers=3), 64, LENGTH)._replace(**changed)
    assert estimate(setup).total == pytest.approx(tracked(setup), rel=WITHIN)
