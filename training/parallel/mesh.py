"""The mesh: the training processes as a grid of copies of the model, each divided into shards.

Processes with neighbouring ranks share a copy. With one copy, the mesh has the shards' dimension
alone.
"""

from __future__ import annotations

from torch.distributed.device_mesh import DeviceMesh, init_device_mesh


def shards_of_copy(n_processes: int, copies: int) -> int:
    """Return how many processes share a copy of the model. Raises ValueError where it is uneven."""
    if n_processes % copies:
        raise ValueError(f"--dp_replicate {copies}: does not divide {n_processes:,} processes")
    return n_processes // copies


def make_mesh(device_type: str, n_processes: int, copies: int) -> DeviceMesh:
    """Connect the processes along both dimensions of the mesh. All of them must call this."""
    shards = shards_of_copy(n_processes, copies)
    if copies == 1:
        return init_device_mesh(device_type, (shards,))
    return init_device_mesh(
        device_type, (copies, shards), mesh_dim_names=("dp_replicate", "dp_shard")
    )


def described(n_processes: int, copies: int) -> str:
    """Return the mesh in words, for the beginning of a run."""
    shards = shards_of_copy(n_processes, copies)
    return f"mesh: {copies} copies of the model, each over {shards} of {n_processes} processes"
