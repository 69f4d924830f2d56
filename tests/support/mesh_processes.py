"""What training processes on several meshes compute, started once by torchrun.

    torchrun --nproc_per_node 4 -m tests.support.mesh_processes FOLDER CORPUS

The first process writes the loss and gradients of every case to a file in FOLDER, and the runs of
the training command lie there, too.
"""

from __future__ import annotations

import os
import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from tests.support.training_runs import arguments
from training.checkpoint import checkpoint_folder
from training.data.loader import share_of_batch
from training.data.mixture import NO_TOKEN
from training.loss import LanguageModelLoss
from training.model import Llama, ModelConfig
from training.parallelize import materialise, parallelize, weight_name
from training.processes import Processes, processes
from training.stepping.accumulation import accumulate
from training.train import main as train

CONFIG = ModelConfig(32, 4, 2, 64)
N_SAMPLES, LENGTH = 7, 8


class Case(NamedTuple):
    """A mesh, and how a step is computed on it."""

    copies: int = 1
    n_micro_batches: int = 1
    reduce_each: bool = True
    dtype: torch.dtype = torch.float32
    activation_checkpointing: str = "none"


CASES = {
    "2 copies": Case(2),
    "2 copies, reduced within a copy": Case(2, 2, activation_checkpointing="full"),
    "2 copies, reduced once": Case(2, 2, reduce_each=False),
    "4 copies": Case(4, 2),
    "2 copies, bf16": Case(2, dtype=torch.bfloat16),
}

RUN, CONTINUED = "run", "continued"
STEPS = ("--max_steps", "4", "--checkpoint_every", "2", "--validate_every", "2")


def samples() -> torch.Tensor:
    """Return samples of which one has targets that do not count."""
    tokens = torch.randint(
        CONFIG.vocabulary_size, (N_SAMPLES, LENGTH + 1),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    tokens[1, 5:] = NO_TOKEN
    return tokens


def step(case: Case, own: Processes) -> dict[str, Any]:
    """Return the mean loss of a step, the norm of its gradients, and the whole gradients."""
    with torch.device("meta"):
        module = LanguageModelLoss(Llama(CONFIG))
    parallelize(
        module,
        own.mesh,
        activation_checkpointing=case.activation_checkpointing,
        compiled=False,
        compute_dtype=case.dtype,
    )
    materialise(module, own.device, seed=3)
    share = share_of_batch(N_SAMPLES, own.rank, own.n_processes)
    losses = accumulate(
        module,
        samples()[share.start : share.stop],
        case.n_micro_batches,
        lambda inputs: None,
        n_processes=own.n_processes,
        reduce_each=case.reduce_each,
    )
    loss = losses.sum()
    dist.all_reduce(loss)
    gradients = {}
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        gradients[weight_name(name)] = _whole(weight.grad).clone()
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    return {"loss": loss / own.n_processes, "norm": _whole(norm), "gradients": gradients}


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def connect_with_names_of_their_own() -> None:
    """Let processes connect several times.

    What they told each other at the first time stays in torchrun's store, and at the second time
    they would take it for their own.
    """
    environment = os.environ
    rank, n_processes = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    store = dist.TCPStore(environment["MASTER_ADDR"], int(environment["MASTER_PORT"]))
    plain, connections = dist.init_process_group, count()

    def connect(backend: str, **given: Any) -> None:
        own = dist.PrefixStore(f"connection {next(connections)}", store)
        plain(backend, store=own, rank=rank, world_size=n_processes, **given)

    dist.init_process_group = connect


def main() -> None:
    folder, corpus = Path(sys.argv[1]), Path(sys.argv[2])
    connect_with_names_of_their_own()
    for name, case in CASES.items():
        with processes("cpu", copies=case.copies) as own:
            found = step(case, own)
            if own.is_first:
                torch.save(found, folder / f"{name}.pt")
    assert train(arguments(corpus, folder / RUN, *STEPS, "--dp_replicate", "2")) == 0
    if own.is_first:
        shutil.copytree(folder / RUN, folder / CONTINUED)
        shutil.rmtree(checkpoint_folder(folder / CONTINUED, 4))
    assert train(arguments(corpus, folder / CONTINUED, *STEPS)) == 0


if __name__ == "__main__":
    main()
