"""Gradients of a step: those of one process, however samples are shared, in few reductions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.tensor.debug import CommDebugMode
from torch.testing._internal.distributed.fake_pg import FakeStore

from training.data.loader import share_of_batch
from training.data.mixture import NO_TOKEN
from training.loss import LanguageModelLoss
from training.model import Llama, ModelConfig
from training.parallel.context import mask_of_part
from training.parallel.mesh import Mesh, MeshSizes, make_mesh
from training.parallelize import materialise, parallelize, weight_name
from training.processes import processes
from training.stepping.accumulation import Mask, accumulate, micro_batches

CONFIG = ModelConfig(32, 2, 2, 50)
N_SAMPLES, LENGTH = 4, 8
EIGHT = MeshSizes(dp_shard=8)


def samples() -> torch.Tensor:
    """Return samples of which one has targets that do not count."""
    tokens_BT1 = torch.randint(
        50, (N_SAMPLES, LENGTH + 1), generator=torch.Generator().manual_seed(0)
    )
    tokens_BT1[1, 5:] = NO_TOKEN
    return tokens_BT1


def prepared(mesh: Mesh, *, reshard_after_forward: bool = True) -> LanguageModelLoss:
    with torch.device("meta"):
        module = LanguageModelLoss(Llama(CONFIG))
    parallelize(
        module, mesh, activation_checkpointing="none", compiled=False,
        compute_dtype=torch.float32, reshard_after_forward=reshard_after_forward,
    )  # fmt: skip
    return module


def step(own, reduce_each: bool, n_micro_batches: int) -> tuple[float, dict[str, torch.Tensor]]:
    """Return the mean loss of a step, and its whole gradients."""
    module = prepared(own.mesh)
    materialise(module, torch.device("cpu"), seed=3)
    share = share_of_batch(N_SAMPLES, own.rank, own.n_processes)
    losses = accumulate(
        module, samples()[share.start : share.stop], n_micro_batches, lambda inputs: None,
        sizes=own.mesh.sizes, reduce_each=reduce_each,
    )  # fmt: skip
    loss = losses.sum()
    dist.all_reduce(loss)
    gradients = {}
    for name, weight in module.named_parameters():
        assert weight.grad is not None
        whole = weight.grad.full_tensor() if own.n_processes > 1 else weight.grad
        gradients[weight_name(name)] = whole.clone()
    return float(loss) / own.n_processes, gradients


def one_of_three(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=3)
    own = _Own(rank, 3, make_mesh("cpu", MeshSizes(dp_shard=3)))
    results = {
        (reduce_each, n): step(own, reduce_each, n)
        for reduce_each, n in ((True, 2), (False, 2), (False, 3))
    }
    if rank == 0:
        torch.save(results, f"{folder}/results")
    dist.destroy_process_group()


class _Own:
    def __init__(self, rank: int, n_processes: int, mesh: Mesh) -> None:
        self.rank, self.n_processes, self.mesh = rank, n_processes, mesh


@pytest.mark.slow
def test_three_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """Two of them have one of the four samples, and the third has two."""
    with processes("cpu") as alone:
        loss, gradients = step(alone, reduce_each=True, n_micro_batches=1)
    mp.spawn(one_of_three, (str(tmp_path),), nprocs=3)
    results = torch.load(tmp_path / "results")
    assert len(results) == 3
    for their_loss, theirs in results.values():
        assert their_loss == pytest.approx(loss, rel=1e-5)
        assert theirs.keys() == gradients.keys()
        for name, gradient in gradients.items():
            error = (theirs[name] - gradient).norm() / gradient.norm()
            assert error < 1e-5, (name, error)


def collectives(
    n_micro_batches: int, *, reduce_each: bool, reshard: bool, sizes: MeshSizes = EIGHT
) -> dict[str, int]:
    """Count the operations between processes in a step, as the first of a mesh."""
    n_processes = sizes.n_processes
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=n_processes)
    try:
        mesh = make_mesh("cpu", sizes)
        module = prepared(mesh, reshard_after_forward=reshard)
        module.to_empty(device="cpu")

        def mask(inputs: torch.Tensor) -> Mask:
            return None if mesh.context is None else mask_of_part(mesh.context, inputs, None)

        with CommDebugMode() as counter:
            accumulate(
                module, samples(), n_micro_batches, mask, sizes=sizes, reduce_each=reduce_each
            )
        return {str(name).rpartition(".")[2]: n for name, n in counter.get_comm_counts().items()}
    finally:
        dist.destroy_process_group()


def test_gradients_are_reduced_once_a_step() -> None:
    """There are four groups of weights: the embedding, two layers, and the head with its norm."""
    once = collectives(4, reduce_each=False, reshard=True)
    assert once["_reduce_scatter_base_"] == 4
    # The layers are gathered for both passes, the embedding and the head once. FSDP2 gathers the
    # head ahead of the next micro-batch, also after the last one.
    assert once["_allgather_base_"] == 4 * (4 + 2) + 1
    each = collectives(4, reduce_each=True, reshard=True)
    assert each == {**once, "_reduce_scatter_base_": 4 * 4}


@pytest.mark.parametrize(
    ("n_processes", "copies", "reduce_each"),
    [(64, 8, True), (512, 64, False), (2048, 256, True)],
)
def test_copies_add_their_gradients_up_once_a_step(
    n_processes: int, copies: int, reduce_each: bool
) -> None:
    alone = collectives(4, reduce_each=reduce_each, reshard=True)
    several = collectives(
        4, reduce_each=reduce_each, reshard=True, sizes=MeshSizes(copies, n_processes // copies)
    )
    # One for each of the four groups of weights.
    assert several == {**alone, "allreduce_": alone["allreduce_"] + 4}


def test_weights_that_are_kept_are_gathered_once_a_micro_batch() -> None:
    kept = collectives(4, reduce_each=False, reshard=False)
    assert kept["_allgather_base_"] == 4 * 4 + 1


@pytest.mark.parametrize(("n_samples", "number"), [(7, 3), (2, 4), (0, 2), (5, 1)])
def test_micro_batches_are_even_and_never_empty(n_samples: int, number: int) -> None:
    tokens_BT1 = torch.arange(n_samples * 3).reshape(n_samples, 3)
    parts = micro_batches(tokens_BT1, number)
    assert len(parts) == number
    assert max(len(part) for part in parts) == max(1, -(-n_samples // number))
    full = [part for part in parts if (part != NO_TOKEN).any()]
    assert len(full) == min(n_samples, number)
    assert all((part == NO_TOKEN).all() and len(part) == 1 for part in parts[len(full) :])
    if full:
        assert torch.equal(torch.cat(full), tokens_BT1)


@pytest.mark.parametrize("sizes", [MeshSizes(2, 16, 1, 2), MeshSizes(8, 32, 4, 2)])
def test_what_divided_matrices_and_tokens_send(sizes: MeshSizes) -> None:
    """Beside what FSDP sends: two layers, each of attention and feed-forward, forth and back."""
    alone = collectives(1, reduce_each=True, reshard=True, sizes=MeshSizes(2, 16))
    found = collectives(1, reduce_each=True, reshard=True, sizes=sizes)
    parts = CONFIG.n_layers * 2
    context = CONFIG.n_layers if sizes.cp > 1 else 0
    # The embedding's sums are divided by tokens, and the loss gathers hidden states.
    assert found.pop("all_gather_into_tensor") == 2 * parts + 2 + context
    assert found.pop("reduce_scatter_tensor") == 2 * parts + 2 + context
    # The gradients of the norms' weights; largest logit, and sums over the vocabulary.
    assert found.pop("all_reduce") == parts + 1
    assert found == {**alone, "allreduce_": alone["allreduce_"] + 2}
