"""The benchmark of training: both sides under the same conditions."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, _cur_sdpa_kernel_backends

from benchmarks import training_gpu
from benchmarks.training_gpu import Timed, hugging_face, make_options, ours, random_corpus, versions
from training.plan import make_plan
from training.processes import processes

pytestmark = pytest.mark.slow

GIVEN = argparse.Namespace(
    model="10M", warmup_steps=1, steps=1, batch_tokens=0, micro_batch_samples=0,
    activation_checkpointing="none", loss_chunk_tokens=0,
)  # fmt: skip


def test_both_sides_have_the_same_choice_of_attention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[list[SDPBackend]] = []

    def timed(step, *_: object) -> Timed:
        chosen.append(_cur_sdpa_kernel_backends(with_priority=True))
        return Timed(1.0, 0.0, 0, 0.0, None)

    monkeypatch.setattr(training_gpu, "timed", timed)
    random_corpus(tmp_path, 5_000)
    options = make_options(GIVEN, str(tmp_path), str(tmp_path / "run"), small=True)
    plan, mixture = make_plan(options, 1, "cpu")
    with processes("cpu") as own:
        for side in (ours, hugging_face):
            side(options, plan, mixture, own, 1)
    assert chosen[0] == chosen[1] and chosen[0][0] == SDPBackend.CUDNN_ATTENTION


def test_steps_before_the_measured_ones_do_not_count() -> None:
    now, waited, count = [0.0], [0.0], [0]

    def step() -> None:
        count[0] += 1
        now[0] += 100.0 if count[0] <= 10 else 1.0
        waited[0] += 0.25

    clock = pytest.MonkeyPatch()
    clock.setattr(training_gpu.time, "perf_counter", lambda: now[0])
    measured = training_gpu.timed(step, 10, 50, torch.device("cpu"), lambda: waited[0], lambda: 2.5)
    clock.undo()
    assert measured == Timed(50.0, 12.5, 0, 2.5, None)


def test_versions_are_told() -> None:
    assert versions()["torch"] == torch.__version__
    assert {"cuda", "cudnn", "transformers", "driver"} <= versions().keys()
