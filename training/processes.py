"""The training processes: those that torchrun started, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh


class Processes(NamedTuple):
    """This process, and its connections to the other training processes."""

    rank: int
    n_processes: int
    device: torch.device
    mesh: DeviceMesh
    for_checkpoints: dist.ProcessGroup

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and logs."""
        return self.rank == 0


def process_count() -> int:
    """Return the number of processes that torchrun started, 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Tell whether this is the first of torchrun's processes, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def processes(device_type: str) -> Iterator[Processes]:
    """Connect the processes, by NCCL between GPUs, and by gloo between CPUs and for checkpoints."""
    backend = "cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo"
    device = torch.device(device_type)
    if device_type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group(backend)
    else:
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        for_checkpoints = dist.new_group(backend="gloo")
        assert isinstance(for_checkpoints, dist.ProcessGroup)  # every process is in it
        mesh = init_device_mesh(device_type, (dist.get_world_size(),))
        yield Processes(dist.get_rank(), dist.get_world_size(), device, mesh, for_checkpoints)
    finally:
        dist.destroy_process_group()
