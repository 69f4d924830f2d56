"""Packed samples, compared with best fit as it is told and with tokens that are read apart."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.samples.corpora import plain_streams, write_corpus
from training.data.mixture import NO_TOKEN, Mixture
from training.data.packing import best_fit, pack, read_packed, write_packed


def rooms_by_best_fit(lengths: list[int], room: int) -> list[int]:
    """Return the room that is left in each sample, each part placed by comparing all samples."""
    left: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [(free, i) for i, free in enumerate(left) if free >= length]
        if fitting:
            left[min(fitting)[1]] -= length
        else:
            left.append(room - length)
    return sorted(left)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 40).flatmap(
    lambda room: st.tuples(st.just(room), st.lists(st.integers(1, room), max_size=120))
))  # fmt: skip
def test_samples_are_those_of_best_fit(drawn: tuple[int, list[int]]) -> None:
    room, lengths = drawn
    samples, n_samples = best_fit(np.array(lengths, np.int64), room)
    filled = np.bincount(samples, lengths, n_samples).astype(int)
    assert sorted((room - filled).tolist()) == rooms_by_best_fit(lengths, room)


@st.composite
def corpora(draw):
    """Draw two sources, one of them divided into domains. All tokens are different."""
    first, train, domains = 1, {}, {}
    for name in ("c4", "web"):
        shards, names = [], []
        for _ in range(draw(st.integers(1, 3))):
            lengths = draw(st.lists(st.integers(1, 30), min_size=1, max_size=8))
            documents = []
            for length in lengths:
                documents.append(range(first, first + length))
                first += length
            shards.append(documents)
            cut = draw(st.integers(0, len(documents)))
            names.append(["en"] * cut + ["fr"] * (len(documents) - cut))
        train[name] = shards
        if name == "web":
            domains[name] = names
    found = {domain for names in domains["web"] for domain in names}
    shares = {"web": {domain: 1 / len(found) for domain in found}}
    return train, domains, shares


@settings(max_examples=60, deadline=None)
@given(corpus=corpora(), length=st.integers(1, 12), seed=st.integers())
def test_every_prediction_within_documents_once_an_epoch(corpus, length, seed) -> None:
    train, domains, shares = corpus
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, train, {"c4": 0.5, "web": 0.5}, 400 * length, domains=domains,
                     domain_shares=shares)  # fmt: skip
        mixture = Mixture(folder, sequence_length=length, seed=seed, packing=folder / "packing")
        assert mixture.n_samples == 400 and mixture.is_packed
        order = np.random.default_rng(1).permutation(400)
        tokens_BT1 = np.empty((400, length + 1), np.int64)
        tokens_BT1[order] = mixture.samples(order)
        draws = mixture.draws(np.arange(400))
        documents = [list(d) for shards in train.values() for shard in shards for d in shard]
        document_of = {token: number for number, d in enumerate(documents) for token in d}
        seen: dict[tuple[int, int], Counter[tuple[int, int]]] = {}
        for position, row in enumerate(tokens_BT1.tolist()):
            n_tokens = row.index(NO_TOKEN) if NO_TOKEN in row else len(row)
            assert set(row[n_tokens:]) <= {NO_TOKEN} and n_tokens
            for whole in documents:  # those that fit are in a sample as they are, or not at all
                if len(whole) <= length + 1 and set(whole) & set(row):
                    at = row.index(whole[0])
                    assert row[at : at + len(whole)] == whole
            place = int(draws.stream[position]), int(draws.epoch[position])
            pairs = pairwise(row[:n_tokens])
            seen.setdefault(place, Counter()).update(
                (a, b) for a, b in pairs if document_of[a] == document_of[b]
            )
        for (stream, epoch), pairs in seen.items():
            own = mixture.streams[stream]
            of_stream = [
                d
                for number, shard in enumerate(train[own.source])
                for i, d in enumerate(shard)
                if own.domain is None or domains[own.source][number][i] == own.domain
            ]
            expected = {pair for d in of_stream for pair in pairwise(d)}
            assert set(pairs.values()) <= {1} and set(pairs) <= expected
            if (stream, epoch + 1) in seen:
                assert set(pairs) == expected


def test_documents_of_the_demo_are_whole(demo_run: Path, tmp_path: Path) -> None:
    length = 512
    mixture = Mixture(
        demo_run, sequence_length=length, seed=5, token_budget=200 * length, packing=tmp_path
    )
    tokens_BT1 = mixture.samples(np.arange(mixture.n_samples))
    streams = plain_streams(demo_run, "train")
    n_whole = 0
    for position in range(mixture.n_samples):
        row = tokens_BT1[position]
        filled = 0
        for span in mixture.documents_of(position):
            assert span.sample_begin == filled
            filled = span.sample_end
            part = row[span.sample_begin : span.sample_end]
            assert (span.begin == 0 or span.begin % length == 0) and len(part)
            n_whole += span.begin == 0 and part[-1] == 2
            stream = streams[span.source].astype("<u2").tobytes()
            assert part.astype("<u2").tobytes() in stream
        assert set(row[filled:].tolist()) <= {NO_TOKEN}
    assert n_whole > 20
    # Another process, or a run that goes on, finds the tables and reads the same.
    again = Mixture(
        demo_run, sequence_length=length, seed=5, token_budget=200 * length, packing=tmp_path
    )
    assert np.array_equal(again.samples([7, 3]), tokens_BT1[[7, 3]])
    assert again.position_in(mixture.state(12)) == 12
    plain = Mixture(demo_run, sequence_length=length, seed=5, token_budget=200 * length)
    with pytest.raises(ValueError, match=r"on other samples \(packing best_fit, here None\)"):
        plain.position_in(mixture.state(12))


def test_hardly_anything_is_filled_up() -> None:
    dice = np.random.default_rng(0)
    lengths = np.minimum(dice.lognormal(6, 1.2, 100_000).astype(np.int64) + 1, 50_000)
    packed = pack(np.cumsum(lengths) - lengths, lengths, 2048)
    assert 1 - packed.lengths.sum() / (packed.n_samples * 2049) < 0.001


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    write_packed(tmp_path / "t.npy", pack(np.array([0, 3]), np.array([3, 9]), 4))
    packed = read_packed(tmp_path / "t.npy")
    assert packed.lengths.tolist() == [5, 5, 3] and packed.parts(0) == [(3, 8)]
    data = (tmp_path / "t.npy").read_bytes()
    for damaged in (data[:-8], data[:50], b""):
        (tmp_path / "t.npy").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"t\.npy: damaged; remove it"):
            read_packed(tmp_path / "t.npy")
