"""Samples of small corpora, compared with brute force over independently read tokens; the demo."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.runs import ROOT
from tests.support.samples.corpora import plain_streams, write_corpus
from training.data import streams
from training.data.mixture import NO_TOKEN, Mixture, Validation

NAMES = ["books", "c4", "github", "wikipedia"]


@st.composite
def corpora(draw):
    """Draw shards of documents for one to four sources. All tokens are different, and count up."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    weights = [draw(st.integers(1, 9)) for _ in names]
    lengths = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=4)
    train, first = {}, 1
    for name in names:
        shards = []
        for shard in draw(lengths.filter(lambda shards: sum(map(sum, shards)))):
            documents = []
            for length in shard:
                documents.append(range(first, first + length))
                first += length
            shards.append(documents)
        train[name] = shards
    proportions = {n: w / sum(weights) for n, w in zip(names, weights, strict=True)}
    return train, proportions


@settings(max_examples=60, deadline=None)
@given(corpus=corpora(), length=st.integers(1, 12), samples=st.integers(1, 150), seed=st.integers())
def test_every_sample_of_every_epoch_once(corpus, length, samples, seed) -> None:
    train, proportions = corpus
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, train, proportions, token_budget=samples * length + length - 1)
        tokens_of = plain_streams(folder, "train")
        mixture = Mixture(folder, sequence_length=length, seed=seed)
        assert mixture.n_samples == samples
        order = np.random.default_rng(1).permutation(samples)
        tokens_BT1 = np.empty((samples, length + 1), np.int64)
        tokens_BT1[order] = mixture.samples(order)
        draws = mixture.draws(np.arange(samples))

        drawn = Counter()
        epochs: dict[tuple[str, int], list[int]] = {}
        for position in range(samples):
            source = mixture.sources[draws.stream[position]]
            stream = tokens_of[source]
            size = max(len(stream) // length, 1)
            epoch, sample = int(draws.epoch[position]), int(draws.sample[position])
            assert epoch == drawn[source] // size
            begin = (epoch * size + sample) * length
            expected = stream.take(range(begin, begin + length + 1), mode="wrap")
            assert np.array_equal(tokens_BT1[position], expected)
            epochs.setdefault((source, epoch), []).append(sample)
            drawn[source] += 1
        for (source, epoch), seen in epochs.items():
            size = max(len(tokens_of[source]) // length, 1)
            assert len(set(seen)) == len(seen) and set(seen) <= set(range(size))
            assert len(seen) == size or epoch == (drawn[source] - 1) // size
        for source, share in proportions.items():
            exact = (
                samples * Fraction(str(share)) / sum(Fraction(str(s)) for s in proportions.values())
            )
            assert abs(drawn[source] - exact) < 1
        assert dict(zip(mixture.sources, mixture.samples_of_source, strict=True)) == {
            source: drawn[source] for source in mixture.sources
        }


def one_source(folder: Path, n_tokens: int, budget: int, **more) -> None:
    cuts = [0, n_tokens // 3, n_tokens // 2, n_tokens]
    shards = [[range(a, b)] for a, b in pairwise(cuts)]
    write_corpus(folder, {"c4": shards}, {"c4": 1.0}, budget, **more)


def test_every_token_is_predicted_equally_often(tmp_path: Path) -> None:
    one_source(tmp_path, 1000, 100_000)
    mixture = Mixture(tmp_path, sequence_length=7, seed=3)
    an_epoch = 1000 // 7
    for epochs in (1, 2, 50):
        tokens_BT1 = mixture.samples(np.arange(epochs * an_epoch))
        predicted = np.bincount(tokens_BT1[:, 1:].ravel(), minlength=1000)
        assert predicted.max() - predicted.min() <= 1


def test_orders_differ_between_epochs_seeds_and_sources(tmp_path: Path) -> None:
    shards = [[range(0, 1000)]]
    write_corpus(tmp_path, {"a": shards, "b": shards}, {"a": 0.5, "b": 0.5}, 8000)
    orders = []
    for seed in (0, 1):
        mixture = Mixture(tmp_path, sequence_length=10, seed=seed)
        draws = mixture.draws(np.arange(800))
        for source in (0, 1):
            for epoch in range(4):
                here = (draws.stream == source) & (draws.epoch == epoch)
                orders.append(tuple(draws.sample[here].tolist()))
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len(set(orders)) == 16


def test_tokens_of_four_bytes(tmp_path: Path) -> None:
    documents = [[[1, 70_000, 2], [1, 1_000_000, 2]]]
    write_corpus(tmp_path, {"c4": documents}, {"c4": 1.0}, 10, dtype=np.int32)
    (tokens_BT1,) = Mixture(tmp_path, sequence_length=5, seed=0).samples([0])
    assert tokens_BT1.tolist() == [1, 70_000, 2, 1, 1_000_000, 2]


def test_few_shards_are_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_OPEN_SHARDS", 2)
    shards = [[range(10 * i, 10 * i + 10)] for i in range(9)]
    write_corpus(tmp_path, {"c4": shards}, {"c4": 1.0}, 90)
    mixture = Mixture(tmp_path, sequence_length=15, seed=0)
    tokens_BT1 = mixture.samples(np.arange(6))
    assert sorted(tokens_BT1[:, 0].tolist()) == [0, 15, 30, 45, 60, 75]
    assert len(mixture._streams._mapped) == 2


def test_documents_of_samples_that_go_round(tmp_path: Path) -> None:
    shards = [
        [4, 0, 5, 1, 1, 0, 7, 2, 3, 0, 0, 3, 9],
        [2],
        [0, 1, 30, 1, 1],
    ]  # lengths of documents in tokens
    documents, starts, first = [], {}, 0
    for number, lengths in enumerate(shards):
        documents.append([])
        for i, length in enumerate(lengths):
            documents[-1].append(range(first, first + length))
            starts[f"c4/train{number}#{i}"] = first
            first += length
    write_corpus(tmp_path, {"c4": documents}, {"c4": 1.0}, 400)
    mixture = Mixture(tmp_path, sequence_length=6, seed=0)
    for position in range(mixture.n_samples):
        (tokens,) = mixture.samples([position])
        spans = mixture.documents_of(position)
        assert [s.sample_begin for s in spans] == [0, *(s.sample_end for s in spans[:-1])]
        assert spans[-1].sample_end == 7
        for span in spans:
            begin = starts[span.id]
            named = list(range(begin + span.begin, begin + span.end))
            assert tokens[span.sample_begin : span.sample_end].tolist() == named and named


def test_proportions_that_add_up_to_nearly_one(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    train = {name: [[range(10)]] for name in names}
    write_corpus(tmp_path, train, dict.fromkeys(names, 0.3333333), 10**12)
    mixture = Mixture(tmp_path, sequence_length=1, seed=0)
    assert sum(mixture.samples_of_source) == mixture.n_samples == 10**12
    assert max(mixture.samples_of_source) - min(mixture.samples_of_source) == 1


def test_validation_in_order_with_filling(tmp_path: Path) -> None:
    one_source(tmp_path, 50, 50, validation={"c4": [[range(100, 105)], [range(105, 117)]]})
    validation = Validation(tmp_path, sequence_length=5)
    assert validation.n_samples == {"c4": 4}  # 17 tokens, 16 predictions
    tokens_BT1 = validation.samples("c4", np.arange(6))
    assert tokens_BT1[:3].tolist() == [list(range(100 + 5 * i, 106 + 5 * i)) for i in range(3)]
    assert tokens_BT1[3].tolist() == [115, 116, *[NO_TOKEN] * 4]
    assert (tokens_BT1[4:] == NO_TOKEN).all()
    predicted = tokens_BT1[:, 1:]
    assert predicted[predicted != NO_TOKEN].tolist() == list(range(101, 117))


def test_a_token_alone_is_no_sample(tmp_path: Path) -> None:
    one_source(tmp_path, 50, 50, validation={"c4": [[range(1)]]})
    assert Validation(tmp_path, sequence_length=5).n_samples == {}


def test_state_of_another_order_is_refused(tmp_path: Path) -> None:
    one_source(tmp_path, 100, 1000)
    state = Mixture(tmp_path, sequence_length=5, seed=1).state(17)
    assert json.loads(json.dumps(state)) == state
    assert Mixture(tmp_path, sequence_length=5, seed=1).position_in(state) == 17
    for more, text in (
        ({"seed": 2}, "seed 1, here 2"),
        ({"sequence_length": 6}, "sequence length 5, here 6"),
        ({"token_budget": 999}, "token budget 1000, here 999"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            Mixture(tmp_path, **{"sequence_length": 5, "seed": 1, **more}).position_in(state)
        assert "\n" not in str(error.value)
    (tmp_path / "other").mkdir()
    one_source(tmp_path / "other", 101, 1000)
    with pytest.raises(ValueError, match="another corpus"):
        Mixture(tmp_path / "other", sequence_length=5, seed=1).position_in(state)


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no manifest\.json there"):
        Mixture(tmp_path, sequence_length=5, seed=1)
    one_source(tmp_path, 100, 1000)
    with pytest.raises(ValueError, match="sequence length of 0"):
        Mixture(tmp_path, sequence_length=0, seed=1)
    with pytest.raises(ValueError, match="makes 0 samples of 1001"):
        Mixture(tmp_path, sequence_length=1001, seed=1)
    mixture = Mixture(tmp_path, sequence_length=5, seed=1)
    for position in (-1, 200):
        with pytest.raises(ValueError, match="a mixture of 200 samples"):
            mixture.samples([position])
    write_corpus(tmp_path, {"c4": [[range(5)]]}, {"c4": 0.5, "books": 0.5}, 100)
    with pytest.raises(ValueError, match="samples books, which has no training tokens"):
        Mixture(tmp_path, sequence_length=5, seed=1)


@pytest.mark.parametrize("damage", ["no json", "", "[]", '{"format": "x"}', '{"a": 1}'])
def test_a_damaged_manifest(tmp_path: Path, damage: str) -> None:
    (tmp_path / "manifest.json").write_text(damage)
    with pytest.raises(ValueError, match=r"manifest\.json: ") as error:
        Mixture(tmp_path, sequence_length=5, seed=1)
    assert "\n" not in str(error.value)


def test_a_manifest_in_another_layout_says_the_same(tmp_path: Path) -> None:
    one_source(tmp_path, 100, 1000)
    before = Mixture(tmp_path, sequence_length=5, seed=1).samples(np.arange(200))
    path = tmp_path / "manifest.json"
    for indent in (None, 1, 4):
        path.write_text(json.dumps(json.loads(path.read_text()), indent=indent))
        after = Mixture(tmp_path, sequence_length=5, seed=1).samples(np.arange(200))
        assert np.array_equal(before, after)


def test_damaged_and_missing_shards_are_named(tmp_path: Path) -> None:
    one_source(tmp_path, 90, 1000)
    mixture = Mixture(tmp_path, sequence_length=5, seed=1)
    mixture.check_files()
    path = tmp_path / "shards" / "c4" / "train-00001.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    for read in (mixture.check_files, lambda: mixture.samples(np.arange(200))):
        with pytest.raises(ValueError, match=r"train-00001\.bin: 29 bytes, the manifest says 30"):
            read()
    path.unlink()
    with pytest.raises(ValueError, match=r"train-00001\.bin: not there"):
        mixture.samples(np.arange(200))
    path.write_bytes(whole)
    mixture.samples(np.arange(200))
    docs = path.with_name("train-00001.docs.parquet")
    docs.write_bytes(b"x" * docs.stat().st_size)
    with pytest.raises(ValueError, match=r"train-00001\.docs\.parquet: not readable"):
        for position in range(200):
            mixture.documents_of(position)


def test_the_demo(demo_run: Path) -> None:
    mixture = Mixture(demo_run, sequence_length=64, seed=5)
    mixture.check_files()
    manifest = json.loads((demo_run / "manifest.json").read_text())
    tokens_BT1 = mixture.samples(np.arange(mixture.n_samples))
    draws = mixture.draws(np.arange(mixture.n_samples))
    tokens_of = plain_streams(demo_run, "train")
    for i, source in enumerate(mixture.sources):
        sampled = manifest["sources"][source]["sampled_tokens"]
        assert abs(mixture.samples_of_source[i] * 64 - sampled) <= 64
        stream = tokens_of[source]
        here = draws.stream == i
        index = (draws.begin[here][:, None] + np.arange(65)) % len(stream)
        assert np.array_equal(tokens_BT1[here], stream[index])


def test_documents_of_the_demo(demo_run: Path) -> None:
    rows = {
        row["id"]: (path.with_name(path.name.replace(".docs.parquet", ".bin")), row)
        for path in demo_run.glob("shards/*/train-*.docs.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    mixture = Mixture(demo_run, sequence_length=100, seed=5)
    for position in range(0, mixture.n_samples, 50):
        (tokens,) = mixture.samples([position])
        spans = mixture.documents_of(position)
        assert sum(span.sample_end - span.sample_begin for span in spans) == 101
        for span in spans:
            path, row = rows[span.id]
            document = np.fromfile(path, "<u2", row["token_count"], offset=2 * row["token_offset"])
            part = tokens[span.sample_begin : span.sample_end]
            assert np.array_equal(document[span.begin : span.end], part)
            assert (span.url, span.shard) == (row["url"], str(path.relative_to(demo_run)))


def test_the_mixture_starts_light(demo_run: Path) -> None:
    code = (
        "import sys; from training.data.mixture import Mixture; "
        f"Mixture({str(demo_run)!r}, sequence_length=64, seed=0).samples(range(9)); "
        "heavy = ('torch', 'numba', 'pyarrow', 'fsspec', 'apache_beam', 'pipeline'); "
        "assert not [m for m in sys.modules if m.split('.')[0] in heavy]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
