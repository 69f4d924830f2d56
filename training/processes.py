"""The training processes: those that torchrun started, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

from training.parallel.mesh import Mesh, MeshSizes, make_mesh

START_TIMEOUT = timedelta(seconds=300)
"""How long GPUs wait for each other until the first step is done, which compiles kernels."""

STEP_TIMEOUT = timedelta(seconds=100)
"""How long GPUs wait for each other after the first step. The run ends then."""

HOST_TIMEOUT = timedelta(minutes=30)
"""How long processes wait for each other on the host: for files of checkpoints, and on CPUs."""

RECORDED_COLLECTIVES = 2_000
"""Last operations between GPUs whose record is kept, and written when one of them times out."""


class Processes(NamedTuple):
    """This process, and its connections to the other training processes."""

    rank: int
    n_processes: int
    device: torch.device
    mesh: Mesh
    for_checkpoints: dist.ProcessGroup  # used by the thread that writes them, and by no other
    for_messages: dist.ProcessGroup

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and logs."""
        return self.rank == 0


def process_count() -> int:
    """Return the number of processes that torchrun started, 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_rank() -> int:
    """Return the number of this process among those that torchrun started."""
    return int(os.environ.get("RANK", "0"))


def is_first_process() -> bool:
    """Tell whether this is the first of torchrun's processes, or the only one."""
    return process_rank() == 0


def is_first_here() -> bool:
    """Tell whether this is the first of torchrun's processes on this machine, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def processes(
    device_type: str, records: Path | None = None, sizes: MeshSizes | None = None
) -> Iterator[Processes]:
    """Connect the processes, by NCCL between GPUs, and by gloo between CPUs and for checkpoints.

    ``sizes`` are those of the mesh, by default FSDP alone. NCCL's last operations are written to
    files in the folder ``records`` when one times out. After an error the connections are left as
    they are: to close them would wait for processes that may never come. The process is to end
    then.
    """
    on_gpus = device_type == "cuda"
    device = torch.device(device_type)
    if on_gpus:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        if records is not None:
            _record_collectives(records)
    backend = "cpu:gloo,cuda:nccl" if on_gpus else "gloo"
    timeout = START_TIMEOUT if on_gpus else HOST_TIMEOUT
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group(backend, timeout=timeout)
    else:
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, timeout=timeout, store=store, rank=0, world_size=1)
    try:
        mesh = make_mesh(device_type, sizes or MeshSizes(dp_shard=dist.get_world_size()))
        yield Processes(
            dist.get_rank(), dist.get_world_size(), device, mesh, _host_group(), _host_group()
        )
    except BaseException:
        if dist.get_world_size() == 1:
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def shorten_timeouts(own: Processes) -> None:
    """Let GPUs wait for each other no longer than a step may take. All processes must call it."""
    if own.device.type != "cuda":
        return
    # What was begun under the longer time is done first.
    torch.cuda.synchronize(own.device)
    dist.barrier()
    for group in (None, *own.mesh.groups()):
        _set_timeout(STEP_TIMEOUT, group)


def _set_timeout(timeout: timedelta, group: dist.ProcessGroup | None) -> None:
    # The name without an underscore came with PyTorch 2.15.
    of_module = vars(distributed_c10d)
    (of_module.get("set_timeout") or of_module["_set_pg_timeout"])(timeout, group)


def _host_group() -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=HOST_TIMEOUT)
    assert isinstance(group, dist.ProcessGroup)  # every process is in it
    return group


def _record_collectives(folder: Path) -> None:
    """Turn PyTorch's flight recorder on, which it reads from the environment, unless it is set."""
    os.environ.setdefault("TORCH_NCCL_TRACE_BUFFER_SIZE", str(RECORDED_COLLECTIVES))
    os.environ.setdefault("TORCH_NCCL_DUMP_ON_TIMEOUT", "1")
    os.environ.setdefault("TORCH_NCCL_DEBUG_INFO_TEMP_FILE", str(folder.absolute() / "rank_"))
