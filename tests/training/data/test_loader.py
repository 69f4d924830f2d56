"""The loader: with any ranks and workers, its batches are one sequence, also after a stop."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.samples.corpora import write_corpus
from training.data.loader import Loader, share_of_batch, validation_batches
from training.data.mixture import NO_TOKEN, Mixture, Validation

LENGTH = 6
BATCH = 8


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    """A mixture of 180 samples from two sources in three shards, over several epochs."""
    train = {"books": [[range(0, 100)], [range(100, 150)]], "c4": [[range(200, 420)]]}
    write_corpus(
        tmp_path, train, {"books": 0.6, "c4": 0.4}, 180 * LENGTH,
        validation={"c4": [[range(500, 500 + 17)]]},
    )  # fmt: skip
    return Mixture(tmp_path, sequence_length=LENGTH, seed=4)


def joined(mixture: Mixture, world_size: int, workers: int, state: dict | None = None, batches=99):
    """Return the samples of all ranks' batches in their order, and the ranks' loaders."""
    loaders = [
        Loader(mixture, batch_samples=BATCH, rank=r, world_size=world_size, workers=workers)
        for r in range(world_size)
    ]
    for loader in loaders:
        if state:
            loader.load_state_dict(state)
    steps = zip(range(batches), *loaders, strict=False)
    return torch.cat([part for _, *parts in steps for part in parts]), loaders


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_all_ranks_together_see_the_mixture(mixture, world_size, workers) -> None:
    tokens_NT1, loaders = joined(mixture, world_size, workers)
    assert tokens_NT1.dtype == torch.int64
    assert np.array_equal(tokens_NT1, mixture.samples(np.arange(176)))  # 22 batches
    assert {loader.position for loader in loaders} == {176}
    assert [len(loader) for loader in loaders] == [0] * world_size


@pytest.mark.parametrize(
    ("before", "after"), [((1, 0), (4, 2)), ((4, 2), (2, 0)), ((2, 2), (1, 2)), ((4, 0), (4, 2))]
)
@pytest.mark.parametrize("stop", [1, 7])
def test_going_on_with_other_ranks_and_workers(mixture, before, after, stop) -> None:
    first, loaders = joined(mixture, *before, batches=stop)
    states = [loader.state_dict() for loader in loaders]
    assert all(state == states[0] for state in states)
    assert states[0]["position"] == stop * BATCH
    rest, _ = joined(mixture, *after, state=json.loads(json.dumps(states[0])))
    assert np.array_equal(torch.cat([first, rest]), mixture.samples(np.arange(176)))


def test_going_on_at_any_position_with_another_batch(mixture) -> None:
    for position in range(0, 180, 7):
        loader = Loader(mixture, batch_samples=10)
        loader.load_state_dict(mixture.state(position))
        assert len(loader) == (180 - position) // 10
        for number, tokens_BT1 in enumerate(loader):
            start = position + 10 * number
            assert np.array_equal(tokens_BT1, mixture.samples(np.arange(start, start + 10)))
        assert loader.position == 180 - (180 - position) % 10


def test_samples_that_workers_have_ready_are_not_counted(mixture) -> None:
    loader = Loader(mixture, batch_samples=BATCH, workers=2)
    batches = iter(loader)
    for handed_out in range(1, 6):
        next(batches)
        assert loader.state_dict()["position"] == handed_out * BATCH


def test_a_state_of_another_seed_is_refused(mixture, tmp_path) -> None:
    other = Mixture(tmp_path, sequence_length=LENGTH, seed=5)
    with pytest.raises(ValueError, match="seed 4, here 5"):
        Loader(other, batch_samples=BATCH).load_state_dict(
            Loader(mixture, batch_samples=BATCH).state_dict()
        )


@pytest.mark.parametrize("world_size", [1, 3, 48, 448, 504, 2048, 4096])
def test_shares_of_a_batch_differ_by_a_sample(world_size) -> None:
    shares = [share_of_batch(2048, rank, world_size) for rank in range(world_size)]
    assert [number for share in shares for number in share] == list(range(2048))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_ranks_than_samples(mixture) -> None:
    tokens_NT1, _ = joined(mixture, BATCH + 3, workers=0)
    assert np.array_equal(tokens_NT1, mixture.samples(np.arange(176)))


def test_a_batch_without_samples(mixture) -> None:
    with pytest.raises(ValueError, match="a batch of 0 samples"):
        Loader(mixture, batch_samples=0)


def test_a_damaged_shard_reaches_the_user_through_a_worker(mixture, tmp_path) -> None:
    path = tmp_path / "shards" / "c4" / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ValueError, match=r"train-00000\.bin: 438 bytes, the manifest says 440"):
        joined(mixture, 1, workers=1)


def test_what_is_mapped_stays_behind_when_pickled(mixture) -> None:
    before = len(pickle.dumps(mixture))
    mixture.samples(np.arange(180))
    data = pickle.dumps(mixture)
    assert len(data) == before
    copy = pickle.loads(data)
    assert np.array_equal(copy.samples(np.arange(180)), mixture.samples(np.arange(180)))


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_validation_is_the_same_on_any_number_of_ranks(mixture, tmp_path, world_size) -> None:
    validation = Validation(tmp_path, sequence_length=LENGTH)
    ranks = [
        list(
            validation_batches(validation, "c4", batch_samples=2, rank=rank, world_size=world_size)
        )
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    assert {tuple(batch.shape) for batches in ranks for batch in batches} == {(2, LENGTH + 1)}
    tokens_NT1 = torch.cat([part for parts in zip(*ranks, strict=True) for part in parts])
    predicted = tokens_NT1[:, 1:]
    assert predicted[predicted != NO_TOKEN].tolist() == list(range(501, 517))
