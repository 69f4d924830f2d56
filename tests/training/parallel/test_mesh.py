"""Copies of the model on several processes: all is as in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.mesh_processes import CASES, CONTINUED, RUN, STEPS, Case, step
from tests.support.runs import ROOT
from tests.support.training_runs import arguments, rows, small_corpus
from training.checkpoint import steps_with_checkpoints
from training.parallel.mesh import shards_of_copy
from training.processes import processes
from training.train import main as train


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What four processes computed on every mesh, and a run of one process."""
    folder = tmp_path_factory.mktemp("meshes")
    validation = {"c4": [[range(3, 203)]]}
    corpus = small_corpus(folder / "corpus", validation)
    command = ["torch.distributed.run", "--standalone", "--nproc_per_node", "4",
               "-m", "tests.support.mesh_processes", str(folder), str(corpus)]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("going on after step 2") == 1
    assert "mesh: 2 copies of the model, each over 2 of 4 processes" in run.stdout
    assert train(arguments(corpus, folder / "alone", *STEPS)) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_mesh_has_the_loss_and_gradients_of_one_process(world: Path, name: str) -> None:
    found: dict[str, Any] = torch.load(world / f"{name}.pt")
    dtype = CASES[name].dtype
    with processes("cpu") as alone:
        wanted = step(Case(dtype=dtype), alone)
    exact = dtype == torch.float32
    assert float(found["loss"]) == pytest.approx(float(wanted["loss"]), rel=1e-5 if exact else 2e-4)
    if not exact:
        return
    assert float(found["norm"]) == pytest.approx(float(wanted["norm"]), rel=1e-5)
    assert found["gradients"].keys() == wanted["gradients"].keys()
    for weight, gradient in wanted["gradients"].items():
        error = (found["gradients"][weight] - gradient).norm() / gradient.norm()
        assert error < 1e-5, (weight, error)


@pytest.mark.slow
@pytest.mark.parametrize("run", [RUN, CONTINUED])
def test_the_trainer_logs_what_one_process_logs(world: Path, run: str) -> None:
    """The second run began with two copies, and went on with one over all processes."""
    wanted, found = rows(world / "alone"), rows(world / run)
    assert [row["step"] for row in found] == [row["step"] for row in wanted]
    assert steps_with_checkpoints(world / run) == [2, 4]
    compared = 0
    for row, other in zip(wanted, found, strict=True):
        for name in {"loss", "gradient_norm", "validation_loss/c4"} & row.keys():
            assert other[name] == pytest.approx(row[name], rel=1e-5), (row["step"], name)
            compared += 1
    assert compared == 4 * 2 + 2


def test_copies_must_divide_the_processes() -> None:
    assert shards_of_copy(12, 3) == 4
    with pytest.raises(ValueError, match="--dp_replicate 5: does not divide 12 processes"):
        shards_of_copy(12, 5)
