"""Samples of sources with domains, compared with brute force over independently read tokens."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.samples.corpora import write_corpus
from training.data.loader import Loader
from training.data.mixture import Mixture, Validation
from training.data.streams import Stream

DOMAINS = ["de/head", "de/tail", "en/head", "en/tail", "fr"]


@st.composite
def corpora(draw):
    """Draw shards of one plain and two divided sources. All tokens are different, and count up.

    Returns the documents, their domains, the tokens of every stream, and the shares.
    """
    train, domains, tokens, first = {}, {}, {}, 1
    for source in ("books", "c4", "wikipedia"):
        train[source], domains[source] = [], []
        for _ in range(draw(st.integers(1, 4))):
            names = sorted(draw(st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=8)))
            documents = []
            for name in names:
                length = draw(st.integers(1, 9))
                documents.append(range(first, first + length))
                stream = Stream(source, None if source == "c4" else name)
                tokens.setdefault(stream, []).extend(documents[-1])
                first += length
            train[source].append(documents)
            domains[source].append(names)
    del domains["c4"]
    shares = {}
    for source in domains:
        there = [stream.domain for stream in tokens if stream.source == source]
        weights = {domain: draw(st.integers(0, 9)) for domain in there}
        weights[there[0]] += 1
        shares[source] = {name: w / sum(weights.values()) for name, w in weights.items()}
    weights = [draw(st.integers(1, 9)) for _ in train]
    proportions = {n: w / sum(weights) for n, w in zip(train, weights, strict=True)}
    return train, domains, tokens, proportions, shares


def exact(shares: dict[str, float]) -> dict[str, Fraction]:
    fractions = {name: Fraction(str(share)) for name, share in shares.items()}
    return {name: share / sum(fractions.values()) for name, share in fractions.items()}


@settings(max_examples=60, deadline=None)
@given(corpus=corpora(), length=st.integers(1, 12), samples=st.integers(1, 200), seed=st.integers())
def test_every_sample_of_every_epoch_of_every_domain_once(corpus, length, samples, seed) -> None:
    train, domains, tokens_of, proportions, shares = corpus
    with TemporaryDirectory() as name:
        write_corpus(Path(name), train, proportions, samples * length, domains=domains,
                     domain_shares=shares)  # fmt: skip
        mixture = Mixture(name, sequence_length=length, seed=seed)
        order = np.random.default_rng(1).permutation(samples)
        tokens_BT1 = np.empty((samples, length + 1), np.int64)
        tokens_BT1[order] = mixture.samples(order)
        draws = mixture.draws(np.arange(samples))

        drawn: Counter[Stream] = Counter()
        of_source: Counter[str] = Counter()
        epochs: dict[tuple[Stream, int], list[int]] = {}
        depth = {source: (len(of) - 1).bit_length() for source, of in shares.items()}
        for position in range(samples):
            key = mixture.streams[draws.stream[position]]
            stream = np.array(tokens_of[key])
            size = max(len(stream) // length, 1)
            epoch, sample = int(draws.epoch[position]), int(draws.sample[position])
            assert epoch == drawn[key] // size
            begin = (epoch * size + sample) * length
            expected = stream.take(range(begin, begin + length + 1), mode="wrap")
            assert np.array_equal(tokens_BT1[position], expected)
            epochs.setdefault((key, epoch), []).append(sample)
            drawn[key] += 1
            of_source[key.source] += 1
            if key.domain is not None:  # every prefix of the source's samples has the shares
                counts = mixture.samples_of_stream[mixture.streams.index(key)]
                total = mixture.samples_of_source[mixture.sources.index(key.source)]
                share = Fraction(of_source[key.source] * counts, total)
                assert abs(drawn[key] - share) <= max(depth[key.source] / 2, 1)
        for (key, epoch), seen in epochs.items():
            size = max(len(tokens_of[key]) // length, 1)
            assert len(set(seen)) == len(seen) and set(seen) <= set(range(size))
            assert len(seen) == size or epoch == (drawn[key] - 1) // size
        for source, share in exact(proportions).items():
            assert abs(of_source[source] - samples * share) < 1
            for domain, part in exact(shares[source]).items() if source in shares else ():
                assert abs(drawn[Stream(source, domain)] - of_source[source] * part) < 1


@settings(max_examples=20, deadline=None)
@given(corpus=corpora(), seed=st.integers())
def test_a_division_leaves_the_draws_of_sources_as_they_are(corpus, seed) -> None:
    train, domains, _, proportions, shares = corpus
    with TemporaryDirectory() as name:
        write_corpus(Path(name), train, proportions, 700, domains=domains, domain_shares=shares)
        divided = Mixture(name, sequence_length=7, seed=seed)
        write_corpus(Path(name), train, proportions, 700)
        whole = Mixture(name, sequence_length=7, seed=seed)
        positions = np.arange(100)
        sources = [
            [mixture.streams[stream].source for stream in mixture.draws(positions).stream]
            for mixture in (divided, whole)
        ]
        assert sources[0] == sources[1]
        of_c4 = [i for i, source in enumerate(sources[0]) if source == "c4"]
        assert np.array_equal(divided.samples(of_c4), whole.samples(of_c4))


def write(folder: Path, **more) -> None:
    documents = {"web": [[range(1, 40), range(40, 90)], [range(90, 100), range(100, 200)]]}
    named = {"web": [["de", "en"], ["de", "en"]]}
    write_corpus(folder, documents, {"web": 1.0}, 1600, validation={"web": [[range(500, 520)]]},
                 domains=named, domain_shares={"web": more or {"de": 0.7, "en": 0.3}})  # fmt: skip


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_order_and_resume_do_not_depend_on_ranks(tmp_path: Path, world_size: int) -> None:
    write(tmp_path)
    mixture = Mixture(tmp_path, sequence_length=10, seed=4)
    for start in (0, 56):
        batches = []
        for rank in range(world_size):
            loader = Loader(mixture, batch_samples=8, rank=rank, world_size=world_size)
            loader.load_state_dict(json.loads(json.dumps(mixture.state(start))))
            batches.append([tokens_BT1.numpy() for tokens_BT1 in loader])
        together = np.concatenate([part for parts in zip(*batches, strict=True) for part in parts])
        assert np.array_equal(together, mixture.samples(np.arange(start, 160)))


def test_documents_are_named_with_their_domain(tmp_path: Path) -> None:
    write(tmp_path)
    mixture = Mixture(tmp_path, sequence_length=10, seed=4)
    seen = set()
    for position in range(40):
        tokens = mixture.samples([position])[0]
        at = 0
        for span in mixture.documents_of(position):
            first = {"train0#0": 1, "train0#1": 40, "train1#0": 90, "train1#1": 100}
            begin = first[span.id.removeprefix("web/")] + span.begin
            assert (span.source, span.domain) == ("web", "de" if span.id[-1] == "0" else "en")
            expected = range(begin, begin + span.end - span.begin)
            assert tokens[span.sample_begin : span.sample_end].tolist() == list(expected)
            assert span.sample_begin == at
            at, _ = span.sample_end, seen.add(span.id)
        assert at == 11
    assert len(seen) == 4


def test_validation_takes_sources_whole(tmp_path: Path) -> None:
    write(tmp_path)
    validation = Validation(tmp_path, sequence_length=19)
    assert validation.n_samples == {"web": 1}
    assert validation.samples("web", [0]).tolist() == [list(range(500, 520))]


def test_a_domain_without_tokens_is_told(tmp_path: Path) -> None:
    write(tmp_path, de=0.5, en=0.4, fr=0.1)
    with pytest.raises(ValueError, match="web: its mixture samples fr, which has no tokens"):
        Mixture(tmp_path, sequence_length=10, seed=4)
