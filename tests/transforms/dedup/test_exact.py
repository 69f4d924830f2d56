"""Exact deduplication against a brute-force one over plain strings."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.passes.first.fingerprint import chunks
from transforms.dedup import exact as deduplicate
from transforms.dedup.exact import (
    DeduplicateDocuments,
    DeduplicateLines,
    Part,
    cluster_sizes,
    counts_of,
    counts_of_keys,
    decide_with_firsts,
    distinct_keys,
    pack,
    partition_bounds,
    unpack,
)
from transforms.documents import documents
from transforms.kernels.lines import keep_lines

Corpus = list[list[str]]  # splits of documents


def batch_of(texts: list[str]):
    return documents([f"s/f#{i}" for i in range(len(texts))], texts)


def shuffled(corpus: Corpus, keep: str, n_partitions: int, batch: int, step=DeduplicateLines):
    """Deduplicate as the two passes do, without Beam; returns the surviving texts by split."""
    one = step(keep=keep)
    parts: dict[int, list[bytes]] = defaultdict(list)
    dropped: dict[int, list[int]] = defaultdict(list)
    for split, texts in enumerate(corpus):
        batches = [batch_of(texts[i : i + batch]) for i in range(0, len(texts), batch)]
        for _, chunk in chunks(one.units(b) for b in batches):
            dropped[split] += chunk.repeats.tolist()
            bounds = partition_bounds(chunk.keys, n_partitions)
            for p in range(n_partitions):
                here = slice(bounds[p], bounds[p + 1])
                if here.start < here.stop:
                    parts[p].append(pack(Part(split, chunk.keys[here], chunk.firsts[here])))
    for packed in parts.values():
        read = map(unpack, reversed(packed))
        for gone in decide_with_firsts(read, keep, named=False):
            dropped[gone.split] += gone.units.tolist()
    result = []
    for split, texts in enumerate(corpus):
        whole = batch_of(texts)
        units = one.count(whole)
        kept = np.ones(units[-1], bool)
        kept[dropped[split]] = False
        after = one.apply(whole, units, kept)
        rows = zip(after["text"].to_pylist(), after["dropped_by"].to_pylist(), strict=True)
        result.append([None if reason else text for text, reason in rows])
    return result


def brute_force_lines(corpus: Corpus, keep: str):
    """CCNet's rule for lines, from its description, on lists of strings."""
    holders = defaultdict(set)
    for s, texts in enumerate(corpus):
        for d, text in enumerate(texts):
            for line in text.split("\n"):
                holders[line].add((s, d))
    result = []
    for s, texts in enumerate(corpus):
        result.append([])
        for d, text in enumerate(texts):
            seen, lines = set(), []
            for line in text.split("\n"):
                shared = len(holders[line]) > 1
                mine = keep == "first" and min(holders[line]) == (s, d)
                if line not in seen and (not shared or mine):
                    lines.append(line)
                seen.add(line)
            result[-1].append("\n".join(lines) if lines else None)
    return result


WORDS = st.sampled_from(["a", "b", "c", "long line", "", "d", "e", "other"])
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map("\n".join)
CORPORA = st.lists(st.lists(TEXTS, max_size=6), min_size=1, max_size=4)


@pytest.mark.parametrize("keep", ["none", "first"])
@settings(max_examples=150, deadline=None)
@given(corpus=CORPORA, n_partitions=st.integers(1, 5), batch=st.integers(1, 3))
def test_lines_as_brute_force(keep, corpus, n_partitions, batch):
    assert shuffled(corpus, keep, n_partitions, batch) == brute_force_lines(corpus, keep)


@pytest.mark.parametrize("keep", ["none", "first"])
def test_chunks_within_a_split_change_nothing(keep, monkeypatch):
    rng = np.random.default_rng(3)
    corpus = [
        ["\n".join("x" * int(i) for i in rng.integers(0, 400, 5)) for _ in range(60)]
        for _ in range(3)
    ]
    whole = shuffled(corpus, keep, 3, 4)
    monkeypatch.setattr("pipeline.passes.first.fingerprint.CHUNK_UNITS", 7)
    assert shuffled(corpus, keep, 3, 4) == whole == brute_force_lines(corpus, keep)


@settings(max_examples=80, deadline=None)
@given(corpus=CORPORA, keep=st.sampled_from(["none", "first"]))
def test_documents_as_brute_force(corpus, keep):
    flat = [text for texts in corpus for text in texts]
    seen, expected = set(), []
    for texts in corpus:
        expected.append([])
        for text in texts:
            goes = flat.count(text) > 1 if keep == "none" else text in seen
            expected[-1].append(None if goes else text)
            seen.add(text)
    assert shuffled(corpus, keep, 3, 2, DeduplicateDocuments) == expected


def test_partitions_cover_the_whole_range_of_keys():
    keys = np.sort(np.random.default_rng(0).integers(0, 2**64, 10_000, np.uint64))
    bounds = partition_bounds(keys, 8)
    assert bounds[0] == 0 and bounds[-1] == len(keys) and (np.diff(bounds) > 1_000).all()
    extremes = np.array([0, 2**64 - 1], np.uint64)
    assert partition_bounds(extremes, 4).tolist() == [0, 1, 1, 1, 2]


def test_a_window_of_no_files_is_refused():
    with pytest.raises(ValueError, match="window_files"):
        DeduplicateLines(keep="none", window_files=0)


def test_units_of_a_split_are_bounded():
    with pytest.raises(AssertionError):
        deduplicate.fingerprint(
            np.zeros(2, np.uint64), np.zeros(2, np.int64), deduplicate.MAX_UNITS - 1
        )


@given(st.lists(st.tuples(st.text(alphabet="ab\né", max_size=12), st.integers(0))))
def test_one_text_is_cut_as_a_column_is(documents):
    texts = [text for text, _ in documents]
    masks = [[bits >> i & 1 == 1 for i in range(text.count("\n") + 1)] for text, bits in documents]
    offsets = np.cumsum([0, *map(len, masks)])
    kept = np.array([stays for mask in masks for stays in mask], bool)
    column = keep_lines(pa.array(texts, pa.string()), offsets, kept).to_pylist()
    cut = DeduplicateLines(keep="none").cut
    assert [cut(t, np.array(m)) for t, m in zip(texts, masks, strict=True)] == column


@given(
    st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=5),
    st.sets(st.integers(0, 12)),
    st.sampled_from(["none", "first"]),
)
def test_units_that_an_earlier_run_has_go_and_others_fall_to_the_first(splits, earlier, keep):
    chunks_of = [
        deduplicate.fingerprint(np.array(keys, np.uint64), np.arange(len(keys)), 0)
        for keys in splits
    ]
    parts = [Part(i, one.keys, one.firsts) for i, one in enumerate(chunks_of) if len(one.keys)]
    keys = distinct_keys(parts).tolist()
    older = np.array([key in earlier for key in keys], bool)
    everywhere = [(i, unit) for i, keys in enumerate(splits) for unit in range(len(keys))]
    gone, fell_to = set(), {}
    for i, one in enumerate(chunks_of):
        gone |= {(i, int(unit)) for unit in one.repeats}
        for unit, first in zip(one.repeats.tolist(), one.repeated.tolist(), strict=True):
            assert first == splits[i].index(splits[i][unit])
    for decided in decide_with_firsts(reversed(parts), keep, older):
        gone |= {(decided.split, int(unit)) for unit in decided.units}
        firsts = zip(decided.first_splits.tolist(), decided.first_units.tolist(), strict=True)
        for unit, first in zip(decided.named.tolist(), firsts, strict=True):
            fell_to[decided.split, unit] = first
    key_of = {place: splits[place[0]][place[1]] for place in everywhere}
    places_of = {key: [p for p in everywhere if key_of[p] == key] for key in keys}
    expected = set()
    for key, places in places_of.items():
        stays = key not in earlier and (keep == "first" or len(places) == 1)
        expected |= set(places[1:] if stays else places)
    assert gone == expected
    assert not earlier & {key_of[place] for place in fell_to}
    assert all(first == places_of[key_of[place]][0] for place, first in fell_to.items())
    if keep == "first":
        among_splits = {p for p in gone if splits[p[0]].index(key_of[p]) == p[1]}
        assert set(fell_to) == {p for p in among_splits if key_of[p] not in earlier}


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 9), min_size=1)), max_size=6))
def test_clusters_are_counted_over_chunks_and_splits(chunks_of_splits):
    units: dict[int, list[int]] = {}
    parts = []
    for split, keys in chunks_of_splits:
        before = units.setdefault(split, [])
        chunk = deduplicate.fingerprint(
            np.array(keys, np.uint64), np.arange(len(keys)), len(before)
        )
        parts.append(pack(Part(split, chunk.keys, chunk.firsts, counts_of(chunk))))
        before += keys
    everywhere = [(split, unit) for split in sorted(units) for unit in range(len(units[split]))]
    expected: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for split, unit in everywhere:
        expected[units[split][unit]].append((split, unit))
    found = {
        (cluster.split, unit): size
        for cluster in cluster_sizes(map(unpack, reversed(parts)))
        for unit, size in zip(cluster.units.tolist(), cluster.sizes.tolist(), strict=True)
    }
    assert found == {places[0]: len(places) for places in expected.values() if len(places) > 1}


@given(st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=5))
def test_the_units_of_each_key_are_counted_over_all_chunks(splits):
    chunks_of = [
        deduplicate.fingerprint(np.array(keys, np.uint64), np.arange(len(keys)), 0)
        for keys in splits
    ]
    parts = [
        Part(i, one.keys, one.firsts, deduplicate.counts_of(one))
        for i, one in enumerate(chunks_of)
        if len(one.keys)
    ]
    made = zip(distinct_keys(parts).tolist(), counts_of_keys(parts).tolist(), strict=True)
    assert dict(made) == Counter(key for keys in splits for key in keys)
