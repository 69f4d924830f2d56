"""The loader of stages: one sequence on any ranks and workers, also after a stop at any step."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path

import pytest
import torch

from tests.support.staged_corpora import BATCH, corpus, stage
from training.data.mixture import Mixture
from training.stages.staged_loader import StagedLoader, loader_of
from training.stages.staged_mixture import StagedMixture

STAGES = [stage("one", 3, 3, a=1, b=1), stage("two", 2, 8, a=3, b=1), stage("three", 2, 4, b=1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("staged")
    corpus(path, {"a": [50, 31, 39], "b": [60]})
    return path


def mixture(folder: Path, stages=STAGES) -> StagedMixture:
    return StagedMixture(folder, stages, batch_tokens=BATCH, seed=5)


def steps(
    of: StagedMixture, world_size: int, state: dict | None = None, *, n: int = 99, workers: int = 0
) -> tuple[list[list[list[int]]], dict]:
    """Return the batches of all ranks together, step by step, and the state after them."""
    loaders = [
        StagedLoader(of, rank=r, world_size=world_size, workers=workers) for r in range(world_size)
    ]
    for loader in loaders:
        if state:
            loader.load_state_dict(json.loads(json.dumps(state)))
    ranks = (zip(range(n), loader, strict=False) for loader in loaders)
    batches = [
        torch.cat([tokens for _, tokens in parts]).tolist()
        for parts in zip_longest(*ranks, fillvalue=None)
    ]
    states = [loader.state_dict() for loader in loaders]
    assert states == states[:1] * world_size
    return batches, states[0]


def test_all_ranks_together_see_the_stages(folder: Path) -> None:
    of = mixture(folder)
    expected = [
        part.samples(list(of.positions_of_step(step, BATCH))).tolist()
        for part in of.stages
        for step in range(part.first_step + 1, part.first_step + part.n_steps + 1)
    ]
    assert [len(batch) for batch in expected] == [8, 8, 8, 3, 3, 6, 6]
    for world_size in (1, 2, 3, 4):
        assert steps(of, world_size)[0] == expected
    assert steps(of, 2, workers=2)[0] == expected


def test_going_on_at_any_step_on_other_ranks(folder: Path) -> None:
    of = mixture(folder)
    whole, _ = steps(of, 1)
    for stop in range(len(whole) + 1):
        before, state = steps(of, 1 + stop % 4, n=stop)
        after, _ = steps(mixture(folder), 1 + (stop + 1) % 4, state)
        assert before + after == whole


def test_a_later_stage_may_be_another(folder: Path) -> None:
    other = [STAGES[0], stage("other", 1, 12, a=1)]
    before, state = steps(mixture(folder), 2, n=3)
    after, _ = steps(mixture(folder, other), 3, state)
    assert before + after == steps(mixture(folder, other), 1)[0]
    _, state = steps(mixture(folder), 2, n=4)
    with pytest.raises(ValueError, match="cannot go on"):
        steps(mixture(folder, other), 3, state)


def test_a_run_without_stages_has_the_plain_loader(folder: Path) -> None:
    plain = Mixture(folder, sequence_length=8, seed=1)
    given = {"batch_samples": 2, "rank": 0, "world_size": 1, "workers": 0}
    loader = loader_of(plain, **given, fill_in_the_middle=None)
    assert next(iter(loader)).tolist() == plain.samples([0, 1]).tolist()
    staged = loader_of(mixture(folder), **given, fill_in_the_middle=None)
    assert next(iter(staged)).shape == (8, 4)
