"""The times of all processes, and the names of the slow ones."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from training.processes import Processes, processes
from training.stepping.times import SLOW_NAMED, StepTimes, slow_ones

MACHINES = [f"node{number // 2}" for number in range(6)]
SECONDS = 10.0


def test_slow_ones_are_named() -> None:
    even = [0.30] * 6
    assert slow_ones(even, [0.1] * 6, SECONDS, MACHINES) == []
    worked = [0.30, 0.31, 0.29, 0.35, 0.45, 0.30]
    waited = [0.1, 2.5, 0.1, 0.9, 0.1, 0.1]
    assert slow_ones(worked, waited, SECONDS, MACHINES) == [
        "rank 1 on node0 is slow: it waits for data 25% of the time",
        "rank 4 on node2 is slow: it takes 1.5 times as long as most for the same work",
    ]


def test_many_slow_ones_are_counted() -> None:
    n_slow = SLOW_NAMED + 3
    worked = [0.1] * (n_slow + 1) + [0.2] * n_slow
    lines = slow_ones(worked, [0.0] * len(worked), SECONDS, ["node"] * len(worked))
    assert len(lines) == SLOW_NAMED + 1 and lines[-1] == "and 3 more are slow"


def test_nothing_was_timed_yet() -> None:
    assert slow_ones([0.0, 0.0], [0.0, 0.0], 0.0, ["a", "b"]) == []


class Work(nn.Module):
    """A module that takes two seconds for a token, and nine in validation, by its own clock."""

    now = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Work.now += (2.0 if torch.is_grad_enabled() else 9.0) * len(x)
        return x


@pytest.fixture
def second_of_four(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    clock = SimpleNamespace(perf_counter=lambda: Work.now)
    monkeypatch.setattr("training.stepping.times.time", clock)
    dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=4)
    monkeypatch.setattr(dist, "all_gather_object", lambda names, own, group: None)
    group = dist.group.WORLD
    assert group is not None
    yield Processes(1, 4, torch.device("cpu"), None, group, group)  # type: ignore[arg-type]
    dist.destroy_process_group()


def test_the_time_of_a_token_is_added_up_in_the_place_of_its_process(second_of_four) -> None:
    module = Work()
    times = StepTimes(module, second_of_four)
    module(torch.zeros(30))
    module(torch.zeros(10))
    with torch.no_grad():
        module(torch.zeros(500))  # as in validation
    assert times.of_step(0.25).tolist() == [0, 2, 0, 0, 0, 0.25, 0, 0]
    assert times.of_step(0.0).tolist() == [0] * 8

    for step in ([1e-3, 2e-3, 1e-3, 1e-3], [1e-3, 4e-3, 1e-3, 1e-3]):
        times.add([*step, 0, 0, 0, 0])
    assert times.tell() == pytest.approx(
        {"work_us_per_token": 1000, "slowest_work_us_per_token": 3000, "slowest_rank": 1}
    )
    assert times.tell()["slowest_work_us_per_token"] == 0


class Event:
    """An event of a GPU that is done when the second step after it is queued."""

    steps = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.now, self.step = Work.now, Event.steps

    def elapsed_time(self, other: Event) -> float:
        assert Event.steps >= other.step + 2, "not done"
        return 1e3 * (other.now - self.now)


def test_a_gpu_is_not_waited_for(second_of_four, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    module = Work()
    times = StepTimes(module, second_of_four)
    times._on_gpu = True
    told = []
    for n_tokens in (1, 2, 4, 8, 16):
        module(torch.zeros(n_tokens))
        Work.now += 100.0 * n_tokens  # in which it computes something else
        told.append(times.of_step(0.0)[1].item())
        Event.steps += 1
    assert told == [0, 0, 2, 2, 2]


def test_one_process_has_nobody_to_be_compared_with() -> None:
    with processes("cpu") as own:
        times = StepTimes(Work(), own)
        assert times.of_step(1.0).shape == (0,)
        times.add([])
        assert times.tell() == {}
