"""Connections between processes: how long they wait for each other, and when they are closed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from training import processes as module
from training.processes import HOST_TIMEOUT, START_TIMEOUT, STEP_TIMEOUT, Processes, processes


@pytest.fixture
def as_on_gpus(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Let groups be made as for GPUs, over gloo; return what is called, and with what."""
    calls: list[tuple[str, Any]] = []
    plain, plain_group = dist.init_process_group, dist.new_group

    def made(backend: str, **given: Any) -> None:
        calls.append((backend, given["timeout"]))
        plain("gloo", **given)

    def group(**given: Any) -> Any:
        calls.append(("group", given["timeout"]))
        return plain_group(**given)

    monkeypatch.setattr(dist, "init_process_group", made)
    monkeypatch.setattr(dist, "new_group", group)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: calls.append(("synchronize", 0)))
    monkeypatch.setattr(module, "make_mesh", lambda kind, sizes: _Mesh())
    monkeypatch.setattr(module, "_set_timeout", lambda time, of: calls.append(("set", time)))
    for name in ("TRACE_BUFFER_SIZE", "DUMP_ON_TIMEOUT", "DEBUG_INFO_TEMP_FILE"):
        monkeypatch.setenv(f"TORCH_NCCL_{name}", "")  # so that it is put back afterwards
        monkeypatch.delenv(f"TORCH_NCCL_{name}")
    return calls


class _Mesh:
    def groups(self) -> list[None]:
        return [None, None]


def test_gpus_wait_longer_at_the_start(as_on_gpus, tmp_path: Path) -> None:
    with processes("cuda", tmp_path) as own:
        assert as_on_gpus == [
            ("cpu:gloo,cuda:nccl", START_TIMEOUT),
            ("group", HOST_TIMEOUT),
            ("group", HOST_TIMEOUT),
        ]
        assert os.environ["TORCH_NCCL_DUMP_ON_TIMEOUT"] == "1"
        assert int(os.environ["TORCH_NCCL_TRACE_BUFFER_SIZE"]) > 100
        assert os.environ["TORCH_NCCL_DEBUG_INFO_TEMP_FILE"] == f"{tmp_path}/rank_"
        as_on_gpus.clear()
        module.shorten_timeouts(own)
    assert STEP_TIMEOUT < START_TIMEOUT < HOST_TIMEOUT
    assert as_on_gpus == [("synchronize", 0), *[("set", STEP_TIMEOUT)] * 3]


def test_the_time_can_be_set_in_the_installed_pytorch() -> None:
    with processes("cpu") as own:
        module._set_timeout(STEP_TIMEOUT, None)
        module._set_timeout(STEP_TIMEOUT, *own.mesh.groups())
        assert own.for_checkpoints is not own.for_messages


@pytest.mark.parametrize(("n_processes", "closed"), [(1, 1), (2, 0)])
def test_connections_are_closed_after_success_alone(
    monkeypatch: pytest.MonkeyPatch, n_processes: int, closed: int
) -> None:
    """Processes that have an error must not wait for others; a single one has none to wait for."""
    count = 0
    plain = dist.destroy_process_group

    def destroy() -> None:
        nonlocal count
        count += 1
        plain()

    monkeypatch.setattr(dist, "destroy_process_group", destroy)
    with pytest.raises(ValueError, match="its own"), processes("cpu") as own:
        assert isinstance(own, Processes)
        monkeypatch.setattr(dist, "get_world_size", lambda: n_processes)
        raise ValueError("its own")
    assert count == closed
    if not closed:
        plain()
    monkeypatch.undo()
    with processes("cpu"):
        pass
    assert not dist.is_initialized()
