"""Meshes of several processes: all is as in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.mesh_processes import (
    ALONE,
    CASES,
    MAXIMUM,
    RUNS,
    STEPS,
    Case,
    begun_at,
    step,
)
from tests.support.runs import ROOT
from tests.support.training_runs import arguments, rows, small_corpus
from training.checkpoint import steps_with_checkpoints
from training.model import model_config
from training.parallel.mesh import MeshSizes, check_divisible, described, mesh_sizes
from training.processes import processes
from training.train import main as train


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What four processes computed on every mesh, and runs of one process."""
    folder = tmp_path_factory.mktemp("meshes")
    validation = {"c4": [[range(3, 203)]]}
    corpus = small_corpus(folder / "corpus", validation)
    assert train(arguments(corpus, folder / ALONE, *STEPS)) == 0
    command = ["torch.distributed.run", "--standalone", "--nproc_per_node", "4",
               "-m", "tests.support.mesh_processes", str(folder), str(corpus)]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("going on after step 2") == 2
    for told in ("dp_replicate 2 x dp_shard 2", "dp_replicate 2 x tp 2", "cp 2 x tp 2"):
        assert run.stdout.count(f"mesh: {told} (4 processes)") == 1
    begun_at(folder / "tp 2, then alone", folder / "run of tp 2")
    assert train(arguments(corpus, folder / "tp 2, then alone", *STEPS)) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_mesh_has_the_loss_and_gradients_of_one_process(world: Path, name: str) -> None:
    found: dict[str, Any] = torch.load(world / f"{name}.pt")
    dtype, within = CASES[name].dtype, CASES[name].within_documents
    with processes("cpu") as alone:
        wanted = step(Case(dtype=dtype, within_documents=within), alone)
    exact = dtype == torch.float32
    assert float(found["loss"]) == pytest.approx(float(wanted["loss"]), rel=1e-5 if exact else 2e-4)
    assert float(found["norm"]) == pytest.approx(float(wanted["norm"]), rel=1e-5 if exact else 1e-3)
    if not exact:
        return
    assert found["gradients"].keys() == wanted["gradients"].keys()
    share = MAXIMUM / float(wanted["norm"])
    assert share < 1
    for weight, gradient in wanted["gradients"].items():
        error = (found["gradients"][weight] - gradient).norm() / gradient.norm()
        assert error < 1e-5, (weight, error)
        error = (found["clipped"][weight] - share * gradient).norm() / (share * gradient).norm()
        assert error < 1e-5, (weight, error)


@pytest.mark.slow
@pytest.mark.parametrize("run", [*RUNS, "tp 2, then alone"])
def test_the_trainer_logs_what_one_process_logs(world: Path, run: str) -> None:
    """Some runs begin on one mesh, and go on from its checkpoint on another."""
    wanted, found = rows(world / ALONE), rows(world / run)
    assert [row["step"] for row in found] == [row["step"] for row in wanted]
    assert steps_with_checkpoints(world / run) == [2, 4]
    compared = 0
    for row, other in zip(wanted, found, strict=True):
        for name in {"loss", "gradient_norm", "validation_loss/c4"} & row.keys():
            assert other[name] == pytest.approx(row[name], rel=1e-5), (row["step"], name)
            compared += 1
    assert compared == 4 * 2 + 2


def test_sizes_must_make_up_the_processes() -> None:
    assert mesh_sizes(12, dp_replicate=3) == MeshSizes(dp_replicate=3, dp_shard=4)
    assert mesh_sizes(12, dp_shard=3, cp=2, tp=2) == MeshSizes(1, 3, 2, 2)
    for given, told in (
        ({"dp_replicate": 5}, "--dp_replicate 5: does not divide 12 processes"),
        ({"cp": 2, "tp": 4}, "--cp 2 --tp 4: their product, 8, does not divide 12 processes"),
        ({"tp": 24}, "--tp 24: does not divide 12 processes"),
        ({"dp_shard": 3, "tp": 2}, "--dp_shard 3 --tp 2: makes 6 processes, and there are 12"),
        ({"dp_shard": 1}, "--dp_shard 1: makes 1 processes, and there are 12"),
    ):
        with pytest.raises(ValueError, match=told):
            mesh_sizes(12, **given)


def test_the_mesh_must_divide_the_model_and_its_samples() -> None:
    config = model_config("7B", 32_000)
    check_divisible(MeshSizes(8, 8, 4, 32), config, 2048)
    for sizes, length, told in (
        (MeshSizes(tp=3), 2048, "--tp 3: does not divide the 32 attention heads"),
        (MeshSizes(cp=3), 2048, "--cp 3: does not divide the 2,048 tokens of a sample"),
        (MeshSizes(cp=4, tp=2), 1020, "--tp 2: does not divide the 255 tokens of a process's part"),
    ):
        with pytest.raises(ValueError, match=told):
            check_divisible(sizes, config, length)
    with pytest.raises(ValueError, match="--tp 2: does not divide the 32,001 tokens of the vocab"):
        check_divisible(MeshSizes(tp=2), model_config("7B", 32_001), 2048)


def test_a_mesh_is_told_without_dimensions_of_one_process() -> None:
    assert described(MeshSizes(2, 1, 1, 4)) == "mesh: dp_replicate 2 x tp 4 (8 processes)"
