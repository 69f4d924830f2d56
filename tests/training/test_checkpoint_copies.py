"""Checkpoints are copied while training goes on, and the weights wait for that."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint._state_dict_stager import StateDictStager

from training.checkpoint import CheckpointWriter, checkpoint_folder, load, newest_whole, staging
from training.processes import Processes, processes

SECONDS = 0.5


@pytest.fixture
def own() -> Iterator[Processes]:
    with processes("cpu") as own:
        yield own


@pytest.fixture
def slow_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = StateDictStager.stage

    def slow(*given, **more):
        time.sleep(SECONDS)
        return plain(*given, **more)

    monkeypatch.setattr(StateDictStager, "stage", slow)


def test_saving_returns_before_the_copy_is_made(own, slow_copies, tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, own.for_checkpoints, keep=1, asynchronous=True)
    weights = torch.arange(5.0)
    started = time.perf_counter()
    writer.save(1, {"weights": weights})
    assert time.perf_counter() - started < SECONDS
    writer.wait_until_copied()
    assert time.perf_counter() - started >= SECONDS
    weights.zero_()  # as the optimiser's next step
    writer.finish()
    writer.close()
    state = {"weights": torch.empty(5)}
    load(tmp_path, 1, state, None)
    assert torch.equal(state["weights"], torch.arange(5.0))


def test_a_checkpoint_of_the_same_step_replaces_the_first(own, tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, own.for_checkpoints, keep=2, asynchronous=True)
    for value in (1.0, 2.0):
        writer.save(3, {"weights": torch.full((2,), value)})
        writer.finish()
    writer.close()
    assert newest_whole(tmp_path) == 3
    state = {"weights": torch.empty(2)}
    load(tmp_path, 3, state, None)
    assert state["weights"].tolist() == [2.0, 2.0]


def test_old_checkpoints_are_removed_while_training_goes_on(own, tmp_path, monkeypatch) -> None:
    allowed, plain = threading.Event(), shutil.rmtree

    def slow(*given, **more) -> None:
        assert allowed.wait(20)
        plain(*given, **more)

    writer = CheckpointWriter(tmp_path, own.for_checkpoints, keep=1, asynchronous=True)
    monkeypatch.setattr("training.checkpoint.shutil.rmtree", slow)
    for step in (1, 2, 3):
        writer.save(step, {"weights": torch.ones(2)})
    writer.finish()  # has not waited for the first two to be removed
    assert newest_whole(tmp_path) == 3
    names = ["removed-00000001", "removed-00000002", "step-00000003"]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == names
    allowed.set()
    writer._remover.join(20)
    writer.close()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == names[2:]


def test_a_gpu_copies_to_pinned_memory() -> None:
    on_gpu, on_cpu = staging(on_gpu=True), staging(on_gpu=False)
    assert on_gpu.use_pinned_memory and on_gpu.use_non_blocking_copy and on_gpu.use_async_staging
    assert on_cpu.use_async_staging and not on_cpu.use_pinned_memory


def test_the_optimiser_waits_for_the_copy(tmp_path: Path, monkeypatch) -> None:
    from tests.support.training_runs import arguments, small_corpus
    from training.train import FINISHED, main

    order: list[str] = []
    plain = CheckpointWriter.wait_until_copied
    step = torch.optim.AdamW.step

    def waited(self: CheckpointWriter) -> None:
        plain(self)
        order.append("copied")

    def stepped(self, *given):
        order.append("step")
        return step(self, *given)

    monkeypatch.setattr(CheckpointWriter, "wait_until_copied", waited)
    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    corpus = small_corpus(tmp_path / "corpus")
    given = ["--max_steps", "3", "--checkpoint_every", "1"]
    assert main(arguments(corpus, tmp_path / "run", *given)) == FINISHED
    assert order[-6:] == ["copied", "step"] * 3


def test_a_checkpoint_that_cannot_be_read_is_told_in_one_line(own, tmp_path: Path) -> None:
    """Its files have their sizes, so that nothing is noticed before."""
    writer = CheckpointWriter(tmp_path, own.for_checkpoints, keep=1, asynchronous=False)
    writer.save(1, {"weights": torch.ones(5)})
    metadata = checkpoint_folder(tmp_path, 1) / ".metadata"
    metadata.write_bytes(bytes(metadata.stat().st_size))
    assert newest_whole(tmp_path) == 1
    for group in (None, own.for_checkpoints):
        with pytest.raises(ValueError, match=r"cannot be read: .*; remove it") as told:
            load(tmp_path, 1, {"weights": torch.empty(5)}, group)
        assert "\n" not in str(told.value) and "Traceback" not in str(told.value)
