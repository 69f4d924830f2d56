"""What training processes on several meshes compute, started once by torchrun.

    torchrun --nproc_per_node 4 -m tests.support.mesh_processes FOLDER CORPUS

The first process of a world writes the loss and gradients of every case to a file in FOLDER, and
the runs of the training command lie there, too. Cases of two processes are computed by the first
two, while the others do the same in a world of their own.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch._dynamo  # which DTensors import otherwise in each of the processes
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from tests.support.training_runs import arguments
from training.checkpoint import checkpoint_folder
from training.data.loader import share_of_batch
from training.data.mixture import NO_TOKEN
from training.document_mask import causal_document_mask, document_numbers
from training.loss import LanguageModelLoss
from training.model import Llama, ModelConfig
from training.parallel.context import mask_of_part
from training.parallel.mesh import MeshSizes
from training.parallelize import materialise, parallelize, weight_name
from training.processes import Processes, is_first_process, processes
from training.stepping.accumulation import Mask, accumulate
from training.stepping.clipping import clip_gradients
from training.train import main as train

CONFIG = ModelConfig(32, 4, 2, 64)
N_SAMPLES, LENGTH = 7, 8
MAXIMUM = 0.1
"""Gradients are clipped to this norm."""


class Case(NamedTuple):
    """A mesh, and how a step is computed on it."""

    sizes: MeshSizes = MeshSizes()
    n_micro_batches: int = 1
    reduce_each: bool = True
    dtype: torch.dtype = torch.float32
    activation_checkpointing: str = "none"
    within_documents: bool = False
    chunk_tokens: int = 0


BF16 = torch.bfloat16
COPIES = MeshSizes(dp_replicate=2, dp_shard=2)
TP, CP, BOTH = MeshSizes(tp=2), MeshSizes(cp=2), MeshSizes(cp=2, tp=2)
TP_SHARDS, TP_COPIES = MeshSizes(dp_shard=2, tp=2), MeshSizes(dp_replicate=2, tp=2)
CP_SHARDS = MeshSizes(dp_shard=2, cp=2)

CASES = {
    "2 copies": Case(COPIES),
    "2 copies, reduced within a copy": Case(COPIES, 2, activation_checkpointing="full"),
    "2 copies, reduced once": Case(COPIES, 2, reduce_each=False),
    "4 copies": Case(MeshSizes(dp_replicate=4), 2),
    "2 copies, bf16": Case(COPIES, dtype=BF16),
    "tp 2": Case(TP, 2, activation_checkpointing="full"),
    "tp 2 in 2 shards": Case(TP_SHARDS, 2, within_documents=True, chunk_tokens=5),
    "tp 2 in 2 shards, bf16": Case(TP_SHARDS, 2, False, BF16, "selective"),
    "tp 2 in 2 copies": Case(TP_COPIES, 2, activation_checkpointing="selective"),
    "cp 2": Case(CP, within_documents=True, activation_checkpointing="full"),
    "cp 2, bf16": Case(CP, dtype=BF16),
    "cp 2 in 2 shards": Case(CP_SHARDS, 2, within_documents=True, chunk_tokens=5),
    "cp 2 and tp 2": Case(BOTH, 2, within_documents=True, activation_checkpointing="selective"),
}

ALONE = "alone"
"""The name of the run of one process, which is there before."""

RUNS = {
    "run of tp 2": (None, ["--dp_replicate", "2", "--tp", "2"]),
    "tp 2, then 2 copies": ("run of tp 2", ["--dp_replicate", "2"]),
    "alone, then cp 2 and tp 2": (ALONE, ["--cp", "2", "--tp", "2"]),
}
"""Runs of the training command on four processes: the run whose checkpoint each goes on with, and
options."""
STEPS = ("--max_steps", "4", "--checkpoint_every", "2", "--validate_every", "2")


def samples() -> torch.Tensor:
    """Return samples of documents that begin with 1. One has targets that do not count."""
    tokens = torch.randint(
        2, CONFIG.vocabulary_size, (N_SAMPLES, LENGTH + 1),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    for sample, begins in enumerate(([0, 5], [3], [], [0, 1, 7])):
        tokens[sample, begins] = 1
    tokens[1, 5:] = NO_TOKEN
    return tokens


def mask(case: Case, own: Processes, inputs: torch.Tensor) -> Mask:
    """Return the mask that the trainer would make."""
    numbers = document_numbers(inputs, begin=1, end=None) if case.within_documents else None
    if own.mesh.context is not None:
        return mask_of_part(own.mesh.context, inputs, numbers)
    return None if numbers is None else causal_document_mask(numbers)


def step(case: Case, own: Processes) -> dict[str, Any]:
    """Return the mean loss of a step, and its gradients: their norm, whole, and clipped."""
    with torch.device("meta"):
        module = LanguageModelLoss(Llama(CONFIG), case.chunk_tokens)
    parallelize(
        module,
        own.mesh,
        activation_checkpointing=case.activation_checkpointing,
        compiled=False,
        compute_dtype=case.dtype,
    )
    materialise(module, own.device, seed=3)
    share = share_of_batch(N_SAMPLES, own.mesh.data_rank, own.mesh.sizes.data)
    losses = accumulate(
        module,
        samples()[share.start : share.stop],
        case.n_micro_batches,
        partial(mask, case, own),
        sizes=own.mesh.sizes,
        reduce_each=case.reduce_each,
    )
    loss = losses.sum()
    dist.all_reduce(loss)
    gradients = whole_gradients(module)
    norm = clip_gradients(module.parameters(), MAXIMUM)
    clipped = whole_gradients(module)
    loss /= own.n_processes
    return {"loss": loss, "norm": norm, "gradients": gradients, "clipped": clipped}


def whole_gradients(module: LanguageModelLoss) -> dict[str, torch.Tensor]:
    """Return all gradients, each of them whole, by the names of their weights."""
    gradients = {}
    for name, weight in module.named_parameters():
        gradient = weight.grad
        assert gradient is not None, name
        whole = gradient.full_tensor() if isinstance(gradient, DTensor) else gradient
        gradients[weight_name(name)] = whole.clone()
    return gradients


def apart(number: int, n_processes: int, function: Callable[[bool], None]) -> None:
    """Call a function in a process of its own, which may connect to others once.

    They are a world of ``n_processes``, into which torchrun's processes are divided; the function
    is told whether it is the first of these worlds. PyTorch keeps what it knows of a mesh, with the
    names of its groups, as long as a process lives. So every mesh gets new processes, which are
    forked, as imports take long.
    """
    child = get_context("fork").Process(target=_in_world, args=(number, n_processes, function))
    child.start()
    child.join()
    assert child.exitcode == 0, (number, child.exitcode)


def _in_world(number: int, n_processes: int, function: Callable[[bool], None]) -> None:
    environment = os.environ
    world, rank = divmod(int(environment["RANK"]), n_processes)
    environment |= {"RANK": str(rank), "WORLD_SIZE": str(n_processes)}
    store = dist.TCPStore(environment["MASTER_ADDR"], int(environment["MASTER_PORT"]))
    # What the processes of other numbers told each other stays in torchrun's store.
    own = dist.PrefixStore(f"{number}, world {world}", store)
    plain = dist.init_process_group

    def connect(backend: str, **given: Any) -> None:
        plain(backend, store=own, rank=rank, world_size=n_processes, **given)

    dist.init_process_group = connect
    function(world == 0)


def begun_at(run: Path, other: Path) -> None:
    """Make a run of another one as it was after two steps."""
    shutil.copytree(other, run)
    shutil.rmtree(checkpoint_folder(run, 4))


def compute(name: str, folder: Path, first_world: bool) -> None:
    """Compute a case, and write what came out."""
    case = CASES[name]
    with processes("cpu", sizes=case.sizes) as own:
        found = step(case, own)
        if own.is_first and first_world:
            torch.save(found, folder / f"{name}.pt")


def run_trainer(name: str, folder: Path, corpus: Path, first_world: bool) -> None:
    """Run the training command."""
    other, options = RUNS[name]
    if other is not None and is_first_process():
        # No other process looks for a checkpoint.
        begun_at(folder / name, folder / other)
    assert train(arguments(corpus, folder / name, *STEPS, *options)) == 0


def main() -> None:
    folder, corpus = Path(sys.argv[1]), Path(sys.argv[2])
    numbers = count()
    for name, case in CASES.items():
        apart(next(numbers), case.sizes.n_processes, partial(compute, name, folder))
    for name in RUNS:
        apart(next(numbers), 4, partial(run_trainer, name, folder, corpus))


if __name__ == "__main__":
    main()
