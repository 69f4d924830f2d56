"""The mesh: the training processes as a grid, whose dimensions divide different things.

Processes with neighbouring ranks are in one group of ``tp``, so that they share a machine. ``cp``
comes next, then ``dp_shard`` and ``dp_replicate``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from training.model import ModelConfig


class MeshSizes(NamedTuple):
    """The number of processes in each dimension of the mesh."""

    dp_replicate: int = 1  # copies of the model, which compute different samples
    dp_shard: int = 1  # processes that divide the weights, and compute different samples
    cp: int = 1  # processes that divide the tokens of the same samples, and the weights
    tp: int = 1  # processes that divide the matrices of every layer

    @property
    def n_processes(self) -> int:
        """The number of processes."""
        return math.prod(self)

    @property
    def data(self) -> int:
        """The number of groups of processes that compute different samples."""
        return self.dp_replicate * self.dp_shard


def mesh_sizes(
    n_processes: int,
    *,
    dp_replicate: int = 1,
    dp_shard: int | None = None,
    cp: int = 1,
    tp: int = 1,
) -> MeshSizes:
    """Return the sizes of the mesh of some processes.

    Without ``dp_shard``, it has all processes that the others leave. Raises ValueError where the
    sizes do not make up the processes.
    """
    given = {"dp_replicate": dp_replicate, "dp_shard": dp_shard or 1, "cp": cp, "tp": tp}
    product = math.prod(given.values())
    named = " ".join(f"--{name} {size}" for name, size in given.items() if size > 1)
    if dp_shard is not None and product != n_processes:
        raise ValueError(
            f"{named or '--dp_shard 1'}: makes {product:,} processes, and there are {n_processes:,}"
        )
    if n_processes % product:
        what = f"their product, {product:,}, " if named.count("--") > 1 else ""
        raise ValueError(f"{named}: {what}does not divide {n_processes:,} processes")
    return MeshSizes(dp_replicate, dp_shard or n_processes // product, cp, tp)


def check_divisible(sizes: MeshSizes, config: ModelConfig, sequence_length: int) -> None:
    """Check that the mesh divides a model and its samples evenly. Raises ValueError if not."""
    for name, size, divided, what in (
        ("tp", sizes.tp, config.n_heads, "attention heads"),
        ("tp", sizes.tp, config.hidden_dim, "columns of the feed-forward layer"),
        ("tp", sizes.tp, config.vocabulary_size, "tokens of the vocabulary"),
        ("cp", sizes.cp, sequence_length, "tokens of a sample"),
        ("tp", sizes.tp, sequence_length // sizes.cp, "tokens of a process's part of a sample"),
    ):
        if divided % size:
            raise ValueError(f"--{name} {size}: does not divide the {divided:,} {what}")


def described(sizes: MeshSizes) -> str:
    """Return the mesh in words, for the beginning of a run."""
    named = " x ".join(f"{name} {size}" for name, size in sizes._asdict().items() if size > 1)
    return f"mesh: {named} ({sizes.n_processes:,} processes)"


class Mesh(NamedTuple):
    """This process's place in the mesh, and its connections along each dimension."""

    sizes: MeshSizes
    rank: int
    shards: DeviceMesh  # what FSDP divides weights over: fsdp, or dp_replicate and fsdp
    tensor: DeviceMesh | None  # None for a single process, here and below
    context: DeviceMesh | None

    @property
    def data_rank(self) -> int:
        """The number of the part of every batch that this process computes."""
        return self.rank // (self.sizes.cp * self.sizes.tp)

    def groups(self) -> list[dist.ProcessGroup]:
        """Return the groups of processes that this one sends to in a step."""
        meshes = [mesh for mesh in (self.shards, self.tensor, self.context) if mesh is not None]
        return [group for mesh in meshes for group in mesh.get_all_groups()]


def make_mesh(device_type: str, sizes: MeshSizes) -> Mesh:
    """Connect the processes along all dimensions of the mesh. All of them must call this.

    Context parallelism divides weights as ``dp_shard`` does, so the two are one dimension for FSDP,
    with the name ``fsdp``.
    """
    dimensions = {
        "dp_replicate": sizes.dp_replicate,
        "fsdp": sizes.dp_shard * sizes.cp,
        "tp": sizes.tp,
    }
    # A dimension of size 1 would make a group for every process.
    dimensions = {name: size for name, size in dimensions.items() if size > 1 or name == "fsdp"}
    whole = init_device_mesh(
        device_type, tuple(dimensions.values()), mesh_dim_names=tuple(dimensions)
    )
    return Mesh(
        sizes,
        dist.get_rank(),
        whole["dp_replicate", "fsdp"] if sizes.dp_replicate > 1 else whole["fsdp"],
        whole["tp"] if sizes.tp > 1 else None,
        _context_mesh(device_type, sizes) if sizes.cp > 1 else None,
    )


def _context_mesh(device_type: str, sizes: MeshSizes) -> DeviceMesh:
    ranks = torch.arange(sizes.n_processes).view(-1, sizes.cp, sizes.tp)
    lists = ranks.transpose(1, 2).reshape(-1, sizes.cp).tolist()
    group, _ = dist.new_subgroups_by_enumeration(lists)
    assert isinstance(group, dist.ProcessGroup)  # every process is in one
    return DeviceMesh.from_group(group, device_type, mesh_dim_names=("cp",))
