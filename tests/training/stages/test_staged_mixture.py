"""Samples in stages, by brute force: exactly once, in proportion, whatever lengths and weights."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.support.samples.corpora import plain_streams, write_corpus
from tests.support.staged_corpora import BATCH, corpus, stage
from training.data.mixture import NO_TOKEN
from training.stages.staged_mixture import StagedMixture, StageDraws, stage_draws

LENGTHS = [1, 2, 3, 4, 6, 8, 12, 24]


@pytest.mark.parametrize("number", range(25))
def test_every_token_as_often_as_any_other_after_every_sample(tmp_path: Path, number: int) -> None:
    draw = random.Random(number)
    sizes = {
        source: [draw.randint(1, 40) for _ in range(draw.randint(1, 5))]
        for source in draw.sample(["a", "b", "c", "d"], draw.randint(1, 4))
    }
    corpus(tmp_path, sizes)
    tokens_of = plain_streams(tmp_path, "train")
    stages = [
        stage(f"s{i}", draw.randint(1, 6), draw.choice(LENGTHS),
              **{source: draw.randint(0, 9) + (source == min(sizes)) for source in sizes})
        for i in range(draw.randint(1, 4))
    ]  # fmt: skip
    mixture = StagedMixture(tmp_path, stages, batch_tokens=BATCH, seed=number)
    followers: dict[int, int] = {}
    predicted: Counter[int] = Counter()
    last_epochs: Counter[int] = Counter()
    consumed: Counter[str] = Counter()
    for of_stage, described in zip(mixture.stages, stages, strict=True):
        positions = np.arange(of_stage.first, of_stage.n_samples)
        assert len(positions) * described.sequence_length == described.n_steps * BATCH
        tokens_BT1 = of_stage.samples(positions)
        draws = of_stage.draws(positions)
        sources = of_stage.sources_of(positions)
        for tokens, source, stream, epoch in zip(
            tokens_BT1.tolist(), sources, draws.stream.tolist(), draws.epoch.tolist(), strict=True
        ):
            assert epoch >= last_epochs[stream], "an epoch is over before the next begins"
            last_epochs[stream] = epoch
            consumed[source] += described.sequence_length
            for token, follower in pairwise(tokens):
                assert followers.setdefault(token, follower) == follower, "one line in all stages"
                predicted[follower] += 1
            counts = [predicted[token] for token in tokens_of[source].tolist()]
            assert max(counts) - min(counts) <= 1
        for source, share in described.proportions.items():
            assert abs(sources.count(source) - share * len(positions)) < 1
        assert set(sources) <= set(described.proportions)
        for source, tokens in tokens_of.items():
            counts = [predicted[token] for token in tokens.tolist()]
            assert sum(counts) == consumed[source]
            assert max(counts) - min(counts) <= 1
    for i, source in enumerate(mixture.sources):
        assert mixture.stages[-1].cursors_after[i] == consumed[source]


def test_no_sample_twice_before_its_epoch_is_over(tmp_path: Path) -> None:
    """The cursor of a source is in tokens: a change from 3 to 8 goes on at the very next token."""
    corpus(tmp_path, {"a": [50, 31, 39], "b": [60]})
    stages = [stage("short", 2, 3, a=1, b=1), stage("long", 2, 8, a=3, b=1),
              stage("again", 2, 4, a=1, b=1)]  # fmt: skip
    mixture = StagedMixture(tmp_path, stages, batch_tokens=BATCH, seed=2)
    seen: Counter[int] = Counter()
    for of_stage in mixture.stages:
        seen.update(of_stage.samples(np.arange(of_stage.first, of_stage.n_samples))[:, 1:].ravel())
        assert {mixture.place_of(p)["epoch"] for p in range(of_stage.n_samples)} == {0}
    assert set(seen.values()) == {1} and sum(seen.values()) == 6 * BATCH
    assert [s.cursors_after.tolist() for s in mixture.stages] == [[24, 24], [64, 32], [88, 56]]


def test_later_stages_change_nothing_of_earlier_ones(tmp_path: Path) -> None:
    corpus(tmp_path, {"a": [50, 31, 39], "b": [60, 20]})
    first = stage("first", 3, 4, a=1, b=3)

    def samples_of_first(*later: StageDraws) -> list[list[int]]:
        mixture = StagedMixture(tmp_path, [first, *later], batch_tokens=BATCH, seed=1)
        return mixture.stages[0].samples(np.arange(mixture.stages[0].n_samples)).tolist()

    alone = samples_of_first()
    assert samples_of_first(stage("x", 9, 24, b=1), stage("y", 1, 1, a=1)) == alone
    other = StagedMixture(tmp_path, [first], batch_tokens=BATCH, seed=2)
    assert other.stages[0].samples(np.arange(other.n_samples)).tolist() != alone


def test_a_stage_reads_shards_that_the_seed_draws(tmp_path: Path) -> None:
    """Three of ten shards, and not the first ones, which may be the oldest."""
    corpus(tmp_path, {"a": [48] * 10})
    read = []
    for seed in range(4):
        mixture = StagedMixture(tmp_path, [stage("one", 6, 8, a=1)], batch_tokens=BATCH, seed=seed)
        spans = [span for p in range(mixture.n_samples) for span in mixture.documents_of(p)]
        shards = Counter(span.shard for span in spans if span.end > span.begin + 1)
        read.append(tuple(sorted(shards)))
        assert len(shards) == 3
    assert len(set(read)) > 1


def test_domains_have_lines_of_their_own(tmp_path: Path) -> None:
    documents = [[range(1, 21), range(21, 31)], [range(31, 41), range(41, 81)]]
    write_corpus(
        tmp_path, {"wiki": documents, "web": [[range(100, 150)]]}, {"wiki": 0.5, "web": 0.5}, 100,
        domains={"wiki": [["de", "en"], ["de", "en"]]},
        domain_shares={"wiki": {"de": 0.5, "en": 0.5}},
    )  # fmt: skip
    half, third = Fraction(1, 2), Fraction(1, 3)
    stages = [
        StageDraws("one", 3, 4, {"web": half, "wiki": half}, {"wiki": {"de": half, "en": half}}),
        StageDraws("two", 3, 6, {"wiki": Fraction(1)}, {"wiki": {"de": third, "en": 1 - third}}),
    ]
    stages = [stage_draws(one.described()) for one in stages]  # as a run's folder has them
    mixture = StagedMixture(tmp_path, stages, batch_tokens=BATCH, seed=1)
    tokens_of = {"de": [*range(1, 21), *range(31, 41)], "en": [*range(21, 31), *range(41, 81)]}
    predicted: Counter[int] = Counter()
    for of_stage, expected in zip(mixture.stages, [(20, 16), (44, 64)], strict=True):
        tokens_BT1 = of_stage.samples(np.arange(of_stage.first, of_stage.n_samples))
        predicted.update(tokens_BT1[:, 1:].ravel().tolist())
        for tokens, consumed in zip(tokens_of.values(), expected, strict=True):
            counts = [predicted[token] for token in tokens]
            assert sum(counts) == consumed and max(counts) - min(counts) <= 1


def test_packed_stages_read_each_packed_sample_once(tmp_path: Path) -> None:
    corpus(tmp_path / "data", {"a": [50, 31, 39], "b": [60]})
    stages = [stage("one", 2, 8, a=1, b=1), stage("two", 2, 8, a=1)]
    mixture = StagedMixture(tmp_path / "data", stages, batch_tokens=BATCH, seed=1,
                            packing=tmp_path / "tables")  # fmt: skip
    seen: Counter[int] = Counter()
    for of_stage in mixture.stages:
        tokens_BT1 = of_stage.samples(np.arange(of_stage.first, of_stage.n_samples))
        seen.update(tokens_BT1[tokens_BT1 != NO_TOKEN].tolist())
    assert set(seen.values()) == {1}
    with pytest.raises(ValueError, match="all stages need one sequence length, here are 4, 8"):
        StagedMixture(tmp_path / "data", [*stages, stage("three", 1, 4, b=1)], batch_tokens=BATCH,
                      seed=1, packing=tmp_path / "tables")  # fmt: skip


def test_the_state_knows_the_stages_that_have_begun(tmp_path: Path) -> None:
    corpus(tmp_path, {"a": [50, 31, 39], "b": [60]})
    one, two = stage("one", 2, 4, a=1, b=1), stage("two", 2, 8, a=1)

    def mixture(*stages: StageDraws, seed: int = 1) -> StagedMixture:
        return StagedMixture(tmp_path, stages, batch_tokens=BATCH, seed=seed)

    run = mixture(one, two)
    border, behind = run.state(12), run.state(13)
    assert mixture(one, stage("other", 1, 24, b=1)).position_in(border) == 12
    assert mixture(one).position_in(border) == 12
    assert mixture(one, two, stage("more", 1, 24, b=1)).position_in(behind) == 13
    with pytest.raises(ValueError, match="the run's stages up to the stage other was"):
        mixture(one, stage("other", 1, 24, b=1)).position_in(behind)
    with pytest.raises(ValueError, match="the run's seed"):
        mixture(one, two, seed=2).position_in(border)
    for bad in (one._replace(sequence_length=5), one._replace(n_steps=0)):
        with pytest.raises(ValueError, match=r"stage one: .* steps of 24 tokens are not 1 to 2"):
            mixture(bad)


def test_steps_and_places(tmp_path: Path) -> None:
    corpus(tmp_path, {"a": [24]})
    mixture = StagedMixture(
        tmp_path, [stage("one", 2, 4, a=1), stage("two", 3, 8, a=1)], batch_tokens=BATCH, seed=1
    )
    steps = [mixture.positions_of_step(step, BATCH) for step in range(1, 6)]
    assert [(s.start, s.stop) for s in steps] == [(0, 6), (6, 12), (12, 15), (15, 18), (18, 21)]
    assert mixture.place_of(11) == {"stage": "one", "epoch": 1}
    assert mixture.place_of(12) == {"stage": "two", "epoch": 2}
    for step in (0, 6):
        with pytest.raises(ValueError, match=f"step {step} of a run of the steps 1 to 5"):
            mixture.positions_of_step(step, BATCH)
    with pytest.raises(ValueError, match="a batch of 48 tokens"):
        mixture.positions_of_step(1, 48)
    with pytest.raises(ValueError, match="position 21 of 21 samples"):
        mixture.documents_of(21)
    with pytest.raises(ValueError, match="positions outside of the stage two"):
        mixture.stages[1].samples([11])
