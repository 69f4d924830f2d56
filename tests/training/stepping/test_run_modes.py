"""Garbage collection at set steps, deterministic operations, traces of steps, and a watch."""

from __future__ import annotations

import faulthandler
import gc
import gzip
import json
import os
from pathlib import Path

import pytest
import torch

from tests.support.training_runs import arguments, small_corpus
from training.stepping.collection import collected_every
from training.stepping.determinism import WORKSPACE_NAME, deterministic
from training.stepping.hangs import HANG_SECONDS
from training.train import FINISHED, main


def test_garbage_is_collected_at_set_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    step = 0
    monkeypatch.setattr(gc, "collect", lambda: collected.append(step))
    with collected_every(3) as after:
        assert not gc.isenabled()
        for step in range(1, 8):
            after(step)
    assert gc.isenabled()
    assert collected == [0, 3, 6]
    with collected_every(0) as after:
        assert gc.isenabled()
        after(3)
    assert collected == [0, 3, 6]


def test_deterministic_operations_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_NAME, "")
    monkeypatch.delenv(WORKSPACE_NAME)
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ[WORKSPACE_NAME] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_a_run_with_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace has the two steps after the tenth. Each step begins the time of a hang anew."""
    monkeypatch.setenv(WORKSPACE_NAME, ":4096:8")
    seen: list[tuple[bool, bool]] = []
    step = torch.optim.AdamW.step

    def stepped(self, *given):
        seen.append((gc.isenabled(), torch.are_deterministic_algorithms_enabled()))
        return step(self, *given)

    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    watched: list[int] = []
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda seconds, **_: watched.append(seconds)
    )
    corpus = small_corpus(tmp_path / "corpus")
    given = ["--max_steps", "13", "--profile", "2", "--deterministic", "--collect_every", "5"]
    assert main(arguments(corpus, tmp_path / "run", *given)) == FINISHED
    assert seen == [(False, True)] * 13
    assert watched == [HANG_SECONDS] * (1 + 13)
    assert gc.isenabled()
    (trace,) = (tmp_path / "run" / "profile").iterdir()
    assert trace.name == "rank-0.json.gz"
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    steps = {e["name"] for e in events if e.get("name", "").startswith("ProfilerStep#")}
    assert steps == {"ProfilerStep#10", "ProfilerStep#11"}
