"""Near-duplicates against brute force over plain sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain.near import (
    BOOKS,
    batch_of,
    chance_to_meet,
    find_near_duplicates,
    plain_overlap,
    plain_shingles,
)
from transforms.dedup.near import (
    BandPart,
    DeduplicateNear,
    Meetings,
    band_parts,
    numbers_in_pairs,
    pack,
    rows_by_split,
    unpack,
)
from transforms.dedup.sketch_files import Minima

EVERY_PAIR = replace(  # finds pairs over 0.2 surely
    BOOKS, bands=200, rows=1, shingle_words=2, max_neighbours=1000, max_partners=1000
)


def plain_losers(texts: list[str], step: DeduplicateNear) -> set[str]:
    """Compare every document with every other one."""
    shingles = [plain_shingles(text, step.shingle_words) for text in texts]
    goes = set()
    for a, b in combinations(range(len(texts)), 2):
        if plain_overlap(shingles[a], shingles[b]) > step.min_overlap:
            b_is_preferred = step.prefer == "longest" and len(texts[b]) > len(texts[a])
            goes.add(str(a if b_is_preferred else b))
    return goes


def shuffled_losers(
    splits: list[list[str]], step: DeduplicateNear, n_partitions: int, batch: int, seed: int
) -> set[tuple[int, int]]:
    """Do as the passes do: parts of many batches, packed, by partition, in any order."""
    random = np.random.default_rng(seed)
    parts: dict[int, list[bytes]] = {}
    shingles: dict[int, np.ndarray] = {}
    for split, texts in enumerate(splits):
        for first in range(0, len(texts), batch):
            some = batch_of(texts[first : first + batch])
            hashes, offsets = step.shingles(some)
            for i in range(some.num_rows):
                shingles[split << 32 | first + i] = hashes[offsets[i] : offsets[i + 1]]
            for partition, part in band_parts(step.sketch(some), split, first, n_partitions):
                parts.setdefault(partition, []).append(pack(part))
    met: dict[int, list[np.ndarray]] = {}
    for packed in parts.values():
        random.shuffle(packed)
        for pairs in step.meetings(map(unpack, packed)):
            for split, rows in rows_by_split(pairs[:, 0]):
                met.setdefault(split, []).append(pairs[rows])
    goes = set()
    for of_split in met.values():
        random.shuffle(of_split)
        same, chosen = step.choose(np.concatenate(of_split))
        goes |= set(same[:, 0].tolist())
        goes |= {a for a, b in chosen.tolist() if step.is_near(shingles[a], shingles[b])}
    return {(reference >> 32, reference & 0xFFFFFFFF) for reference in goes}


WORDS = st.lists(st.sampled_from(["a", "B", "cat", "1", "x-C", "a'b"]), max_size=30).map(" ".join)


@st.composite
def corpora(draw: st.DrawFn) -> list[str]:
    """Texts, and others made of them by a few changes."""
    texts = draw(st.lists(WORDS, min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 12))):
        words = draw(st.sampled_from(texts)).split()
        if words:
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(["dog", "cat", ""]))
        texts.append(draw(st.sampled_from([" ", ", ", "\n"])).join(words))
    return texts


@settings(max_examples=150, deadline=None)
@given(corpora(), st.sampled_from([0.5, 0.6, 0.9]), st.sampled_from(["longest", "first"]))
def test_agrees_with_comparing_all_pairs(texts: list[str], min_overlap: float, prefer: str):
    step = replace(EVERY_PAIR, min_overlap=min_overlap, prefer=prefer)
    assert find_near_duplicates([batch_of(texts)], step) == plain_losers(texts, step)


@settings(max_examples=100, deadline=None)
@given(corpora(), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99), st.integers(0, 20))
def test_partitions_batches_and_order_do_not_matter(
    texts: list[str], n_partitions: int, batch: int, seed: int, cut: int
):
    step = replace(EVERY_PAIR, min_overlap=0.6, bands=30, rows=2)  # does not find all pairs
    whole = find_near_duplicates([batch_of(texts)], step)
    splits = [texts[:cut], texts[cut:]]
    goes = shuffled_losers(splits, step, n_partitions, batch, seed)
    numbers = {str(split * min(cut, len(texts)) + number) for split, number in goes}
    assert numbers == whole


def test_short_documents_and_those_without_words():
    texts = ["one two", "One, two!", "one three", "", "...", "...", " "]
    assert find_near_duplicates([batch_of(texts)], BOOKS) == plain_losers(texts, BOOKS) == {"0"}


def test_preference():
    near = [
        "a b c d e f g h i j k l m n",
        "a b c d e f g h i j k l m n!",
        "a b c d e f g h i j k l m n",
    ]
    assert find_near_duplicates([batch_of(near)], BOOKS) == {"0", "2"}
    assert find_near_duplicates([batch_of(near)], replace(BOOKS, prefer="first")) == {"1", "2"}


def test_a_chain_leaves_its_most_preferred_document():
    words = [f"w{i}" for i in range(1000)]
    chain = [" ".join(words[: 1000 - 60 * i]) for i in range(4)]
    batch = batch_of(chain)
    hashes, offsets = BOOKS.shingles(batch)
    sets = [hashes[offsets[i] : offsets[i + 1]] for i in range(4)]
    over = {p for p in combinations(range(4), 2) if BOOKS.overlap(*(sets[i] for i in p)) > 0.9}
    assert over == {(0, 1), (1, 2), (2, 3)}
    assert find_near_duplicates([batch], BOOKS) == {"1", "2", "3"}


def met_by(step: DeduplicateNear, parts: Iterable[BandPart]) -> np.ndarray:
    return np.concatenate([np.zeros((0, 3), np.uint64), *step.meetings(parts)])


def test_large_buckets_make_few_pairs_and_leave_one_document():
    step = replace(BOOKS, max_neighbours=3, max_partners=2)
    texts = [
        f"{'the same words in every one of these documents ' * 3}{'.' * (i % 7)}"
        for i in range(500)
    ]
    parts = [part for _, part in band_parts(step.sketch(batch_of(texts)), 0, 0, 1)]
    met = met_by(step, parts)
    assert len(met) == step.bands * (497 * 3 + 2 + 1)
    same, pairs = step.choose(met)
    assert len(same) == 499 and not len(pairs)
    assert find_near_duplicates([batch_of(texts)], step) == {str(i) for i in range(500)} - {"6"}


def test_equal_minima_decide_only_where_they_can_hardly_be_chance():
    batch = batch_of(["a b c d e f", "a b c d e f", "a b c d e x"])
    of_one = replace(BOOKS, bands=1, rows=1, shingle_words=1, min_overlap=0.5)
    parts = [part for _, part in band_parts(of_one.sketch(batch), 0, 0, 1)]
    same, pairs = of_one.choose(met_by(of_one, parts))
    assert not len(same) and [1, 0] in pairs.tolist()
    many = replace(of_one, bands=20)  # 0.5 ** 20 is just under a millionth
    parts = [part for _, part in band_parts(many.sketch(batch), 0, 0, 1)]
    same, pairs = many.choose(met_by(many, parts))
    assert same.tolist() == [[1, 0]] and pairs.tolist() == [[2, 0], [2, 1]]


def test_a_document_is_compared_with_those_it_meets_in_the_smallest_buckets():
    met = [[9, 5, 400]] * 3 + [[9, 4, 50]] + [[9, 6, 100]] * 2 + [[9, 3, 1000]] * 19 + [[8, 1, 70]]
    met += [[7, 2, 9000]] * 20 + [[7, 1, 2]] * 19
    for seed in range(5):
        random = np.random.default_rng(seed)
        same, pairs = replace(BOOKS, max_partners=2).choose(
            random.permutation(np.array(met, np.uint64))
        )
        assert same.tolist() == [[7, 2]]
        assert pairs.tolist() == [[8, 1], [9, 4], [9, 6]]
    same, pairs = BOOKS.choose(np.zeros((0, 3), np.uint64))
    assert same.shape == (0, 2) and pairs.shape == (0, 2)


def pages_of_a_template(
    random: np.random.Generator, n_pages: int, n_repeats: int, shared: float = 0.85
) -> list[str]:
    """Pages of which most is the same in all; some once more, with two words changed."""
    template = [f"template{i}" for i in range(round(200 * shared))]
    own = 200 - len(template)
    pages = []
    for _ in range(n_pages):
        n_words = round(own * random.uniform(0.6, 1.4))
        pages.append(template + [f"own{word:013}" for word in random.integers(0, 1 << 40, n_words)])
    for original in random.integers(0, n_pages, n_repeats):
        repeat = list(pages[original])
        for place in random.integers(0, len(repeat), 2):
            repeat[place] = f"own{random.integers(1 << 40):013}"
        pages.append(repeat)
    return [" ".join(pages[i]) for i in random.permutation(len(pages))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prefer", "shared", "min_overlap", "least"),
    [
        ("longest", 0.85, 0.8, 0.98),
        ("longest", 0.9, 0.85, 0.98),  # the template alone is just under the overlap
        ("first", 0.75, 0.8, 0.98),
        ("first", 0.85, 0.8, 0.98),
    ],
)
def test_neighbours_in_large_buckets_are_those_that_are_alike(
    prefer: str, shared: float, min_overlap: float, least: float
):
    step = replace(BOOKS, min_overlap=min_overlap, prefer=prefer)
    batch = batch_of(pages_of_a_template(np.random.default_rng(0), 1000, 200, shared))
    (part,) = (part for _, part in band_parts(step.sketch(batch), 0, 0, 1))
    _, sizes = np.unique(part.keys, return_counts=True)
    assert sizes.max() > 20 * step.max_neighbours
    everything = replace(step, max_neighbours=len(batch), max_partners=len(batch))
    all_pairs = find_near_duplicates([batch], everything)
    found = find_near_duplicates([batch], step)
    assert len(all_pairs) > 150 and found <= all_pairs
    assert len(found) >= least * len(all_pairs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("max_neighbours", "prefer"), [(1, "longest"), (8, "longest"), (600, "longest"), (8, "first")]
)
def test_pairs_of_a_document_and_of_a_chunk_are_bounded(
    monkeypatch, max_neighbours: int, prefer: str
):
    step = replace(BOOKS, min_overlap=0.8, max_neighbours=max_neighbours, prefer=prefer)
    sketch = step.sketch(batch_of(pages_of_a_template(np.random.default_rng(1), 500, 500)))
    parts = [part for _, part in band_parts(sketch, 3, 0, 1)]
    whole = met_by(step, parts)
    for side in (0, 1) if prefer == "longest" else (0,):  # many meet the shortest
        times = np.bincount((whole[:, side] & 0xFFFFFFFF).astype(int))
        assert times.max() <= step.bands * max_neighbours
    monkeypatch.setattr("transforms.dedup.near.CHUNK_PAIRS", 500)
    chunks = list(step.meetings(parts))
    assert len(chunks) > 1 and max(map(len, chunks)) <= max(500, max_neighbours)
    assert np.concatenate(chunks).tolist() == whole.tolist()


REFERENCES = st.tuples(st.integers(0, 3) | st.just(2**32 - 1), st.integers(0, 4)).map(
    lambda one: one[0] << 32 | one[1]
)


@given(st.lists(REFERENCES))
def test_documents_are_divided_by_split(references: list[int]):
    found = {split: rows.tolist() for split, rows in rows_by_split(np.array(references, np.uint64))}
    assert found == {
        split: [row for row, one in enumerate(references) if one >> 32 == split]
        for split in {one >> 32 for one in references}
    }


@given(st.lists(st.tuples(REFERENCES, REFERENCES)))
def test_the_documents_of_a_split_are_found_in_its_pairs(pairs: list[tuple[int, int]]):
    numbers, rows = numbers_in_pairs(np.array(pairs, np.uint64).reshape(-1, 2), 2)
    assert list(zip(numbers.tolist(), rows.tolist(), strict=True)) == sorted(
        (one & 0xFFFFFFFF, row) for row, pair in enumerate(pairs) for one in pair if one >> 32 == 2
    )


def test_documents_of_a_bucket_meet_those_just_ahead_in_preference():
    def part(
        references: list[int], shingles: list[int], chars: list[int], key: int = 7
    ) -> BandPart:
        return BandPart(
            np.full(len(references), key, np.uint64),
            np.array(references, np.uint64),
            np.array(shingles, np.uint32),
            np.array(chars, np.uint32),
        )

    def in_buckets(met: Meetings) -> list[list[int]]:
        """Leave the shingles of the preferred document out, which is ahead."""
        assert set((met[:, 2] >> np.uint64(32)).tolist()) <= {96, 98, 99, 100}
        return [[a, b, both & 0xFFFFFFFF] for a, b, both in met.tolist()]

    parts = [part([4, 1], [96, 98], [500, 700]), part([2, 9], [100, 50], [600, 900])]
    in_all = [[2, 1, 4], [4, 1, 4], [4, 2, 4]]  # 9 has too few shingles to be like any
    for order in (parts, parts[::-1]):
        assert sorted(in_buckets(met_by(BOOKS, order))) == in_all
        one = replace(BOOKS, max_neighbours=1)  # 9, 1, 2, 4 by length
        assert sorted(in_buckets(met_by(one, order))) == [[2, 1, 4], [4, 2, 4]]
        first = replace(BOOKS, prefer="first", max_neighbours=2)  # 1, 2, 4, 9
        assert sorted(in_buckets(met_by(first, order))) == in_all
    others = [part([3, 5], [96, 96], [9, 9], 6), part([6], [96], [9], 8), *parts]
    assert sorted(in_buckets(met_by(BOOKS, others))) == [*in_all, [5, 3, 2]]
    by_length = [part([4, 1], [99, 98], [700, 500])]
    assert met_by(BOOKS, by_length).tolist() == [[1, 4, 99 << 32 | 2]]
    assert met_by(BOOKS, []).shape == (0, 3)


def test_signatures_agree_as_often_as_the_overlap_says():
    hashes = replace(BOOKS, bands=4000, rows=1, shingle_words=1)
    words = [f"w{i}" for i in range(3000)]
    for shared in (0.5, 0.9):
        n = round(1000 * (1 + shared) / 2)  # sets of n words with n + n - 1000 in common
        keys = hashes.sketch(
            batch_of([" ".join(words[:n]), " ".join(words[1000 - n : 1000])])
        ).band_keys
        overlap = (2 * n - 1000) / 1000
        expected_error = (overlap * (1 - overlap) / 4000) ** 0.5
        assert abs((keys[0] == keys[1]).mean() - overlap) < 4 * expected_error


@pytest.mark.slow
def test_pairs_are_found_as_often_as_the_curve_says():
    assert chance_to_meet(BOOKS, 0.9) > 0.9999
    random = np.random.default_rng(1)
    for overlap, step in ((0.9, BOOKS), (0.8, BOOKS), (0.7, BOOKS), (0.7, replace(BOOKS, bands=5))):
        texts = []
        n_pairs, size = 2000, 190
        kept = round(2 * size * overlap / (1 + overlap))
        for _ in range(n_pairs):
            words = random.integers(0, 1 << 60, 2 * size - kept).astype(str)
            texts += [" ".join(words[:size]), " ".join(words[-size:])]
        step = replace(step, shingle_words=1)
        keys = step.sketch(batch_of(texts)).band_keys
        found = (keys[::2] == keys[1::2]).any(axis=1).mean()
        true_overlap = kept / (2 * size - kept)
        expected = chance_to_meet(step, true_overlap)
        assert abs(found - expected) <= 4 * (expected * (1 - expected) / n_pairs) ** 0.5 + 1e-9


def test_minima_estimate_the_overlap_with_the_error_that_is_stated():
    step = DeduplicateNear(0.6, 1, 14, 8, "first", 1, 1)
    random = np.random.default_rng(8)
    overlap, n = 0.7, 400
    texts = []
    for _ in range(n):
        words = [f"w{word}" for word in random.integers(10**9, size=170)]
        texts += [" ".join(words[:100] + words[100:121]), " ".join(words[:100] + words[121:143])]
    sketch = step.sketch(batch_of(texts))
    minima = Minima(sketch.minima, sketch.shingles.astype(np.uint32))
    a, b = minima.take(np.arange(0, 2 * n, 2)), minima.take(np.arange(1, 2 * n, 2))
    estimates = (a.minima == b.minima).mean(axis=1)
    error = (overlap * (1 - overlap) / step.n_minima) ** 0.5
    assert abs(estimates.mean() - overlap) < 4 * error / n**0.5
    assert 0.85 < estimates.std() / error < 1.15
    assert (step.are_near(a, b) == (estimates > 0.6)).all()
    assert step.told_on_card["standard_error_at_most"] == pytest.approx(error, rel=0.1)


def test_minima_of_texts_of_unlike_lengths_are_not_near():
    step = DeduplicateNear(0.6, 1, 14, 8, "first", 1, 1)
    minima = np.ones((2, 112), np.uint16)
    a, b = np.array([59, 61], np.uint32), np.array([100, 100], np.uint32)
    assert step.are_near(Minima(minima, a), Minima(minima, b)).tolist() == [False, True]


@pytest.mark.parametrize(
    "wrong", [{"min_overlap": 1.0}, {"min_overlap": -0.1}, {"bands": 0}, {"window_files": 0}]
)
def test_wrong_parameters_are_named(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(BOOKS, **wrong)


def test_the_decision_is_applied_by_document():
    batch = batch_of(["a", "b", "c"])
    assert BOOKS.count(batch).tolist() == [0, 1, 2, 3]
    after = BOOKS.apply(batch, BOOKS.count(batch), np.array([True, False, True]))
    assert after["dropped_by"].to_pylist() == [None, "near_duplicate", None]


def test_what_clusters_shuffle_counts_where_it_is_more_than_the_bands() -> None:
    few = DeduplicateNear(0.8, 2, 2, 4, "first", 3, 5)
    assert few.shuffle_bytes(10_000, 100) == 100 * 2 * 24
    counted = DeduplicateNear(0.8, 2, 2, 4, "first", 3, 5, record="cluster_size")
    assert counted.records_sizes and counted.shuffle_bytes(10_000, 100) == 100 * 5 * 48
    many = DeduplicateNear(0.8, 2, 20, 4, "first", 3, 5, record="cluster_size")
    assert many.shuffle_bytes(10_000, 100) == 100 * 20 * 24
