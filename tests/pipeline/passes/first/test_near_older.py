"""Near-duplicates of documents of earlier runs: what goes, and that memory is bounded."""

from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.output import near_indexes
from pipeline.output.key_indexes import write_card, write_index_part
from pipeline.output.near_indexes import Card, minima_name, write_minima
from pipeline.passes.first import near_older
from pipeline.passes.first.near_older import MET, fallen_to_older, held_meetings, with_older
from transforms.dedup.key_files import REFERENCES, Rows
from transforms.dedup.near import BandPart, DeduplicateNear
from transforms.dedup.sketch_files import Minima

STEP = DeduplicateNear(0.5, 5, 4, 2, "first", max_neighbours=3, max_partners=4)
OF_SPLIT = 100
N_KEYS = 50


def minima_of_some(random: np.random.Generator, n: int) -> Minima:
    """Make minima that often agree."""
    return Minima(random.integers(0, 3, (n, STEP.n_minima), np.uint16), np.ones(n, np.uint32))


class Index:
    """An index of documents with random keys and minima, and what it has."""

    def __init__(
        self, folder: Path, n_splits: int, n_keys: int, seed: int = 0, of_split: int = OF_SPLIT
    ) -> None:
        random = np.random.default_rng(seed)
        output = str(folder)
        numbers = [s << 32 | d for s in range(n_splits) for d in range(of_split)]
        references = np.array(numbers, REFERENCES)
        keys = random.integers(0, n_keys, len(references), np.uint64)
        order = np.lexsort((references, keys))
        halves = np.array_split(order, 2)  # windows, of which a key may be in both
        for window, half in enumerate(halves):
            rows = Rows(keys[half], references[half])
            write_index_part(output, "c4", 0, window, 0, rows)
        self.minima = minima_of_some(random, len(references))
        for split in range(n_splits):
            rows_of_split = np.arange(split * of_split, (split + 1) * of_split)
            name = f"indexes/c4/step0/{minima_name(split)}"
            write_minima(output, name, [self.minima.take(rows_of_split)], STEP.n_minima)
        write_card(output, "c4", 0, {"unit": "DeduplicateNear", "made_with": {}})
        path = str(folder / "indexes" / "c4" / "step0" / "card.json")
        self.card = Card(path, path)
        self.of_key: dict[int, list[int]] = defaultdict(list)
        for key, reference in zip(keys.tolist(), references.tolist(), strict=True):
            self.of_key[key].append(reference)

    def is_near(self, own: Minima, row: int, reference: int) -> bool:
        """Compare a row with one of the documents."""
        mine = self.minima.minima[(reference >> 32) * OF_SPLIT + (reference & 0xFFFFFFFF)]
        return bool((own.minima[row] == mine).mean() > STEP.min_overlap)


@pytest.fixture
def indexes(tmp_path) -> list[Index]:
    return [Index(tmp_path / str(seed), 4 + seed, N_KEYS, seed) for seed in range(2)]


def part_of(random: np.random.Generator, n: int, n_keys: int, split: int) -> BandPart:
    """Make the keys of a split's documents, one each."""
    references = np.uint64(split << 32) + np.arange(n, dtype=np.uint64)
    sizes = np.ones(n, np.uint32)
    return BandPart(random.integers(0, n_keys, n, np.uint64), references, sizes, sizes)


def met_by_split(parts: list[BandPart], indexes: list[Index]) -> dict[int, list[bytes]]:
    met: dict[int, list[bytes]] = defaultdict(list)
    for split, data in with_older(parts, [one.card for one in indexes], STEP.max_neighbours):
        met[split].append(data)
    return met


def rows_in(packed: list[bytes]) -> list[tuple[int, int, int]]:
    return [row for data in packed for row in np.frombuffer(data, MET).tolist()]


def test_documents_meet_the_last_of_each_index_whatever_is_held_at_a_time(indexes, monkeypatch):
    random = np.random.default_rng(5)
    parts = [part_of(random, 300, N_KEYS + 9, split) for split in (2, 7, 2)]
    whole = met_by_split(parts, indexes)
    expected: dict[int, set[tuple[int, int, int]]] = defaultdict(set)
    for part in parts:
        for key, reference in zip(part.keys.tolist(), part.references.tolist(), strict=True):
            for number, index in enumerate(indexes):
                for older in sorted(index.of_key[key])[-STEP.max_neighbours :]:
                    expected[reference >> 32].add((reference & 0xFFFFFFFF, number, older))
    assert {split: set(rows_in(packed)) for split, packed in whole.items()} == expected
    monkeypatch.setattr(near_older, "HELD_MEETINGS", 10)
    monkeypatch.setattr(near_indexes, "HELD_DOCUMENTS", 2)
    few = met_by_split(parts, indexes)
    assert {split: set(rows_in(packed)) for split, packed in few.items()} == expected
    assert max(len(data) for packed in few.values() for data in packed) <= 10 * MET.itemsize


def test_meetings_are_there_once_in_each_part_that_is_held(monkeypatch):
    monkeypatch.setattr(near_older, "HELD_MEETINGS", 100)
    random = np.random.default_rng(3)
    met = np.zeros(5000, MET)
    met["document"], met["older"] = random.integers(0, 40, 5000), random.integers(0, 9, 5000)
    pieces = [met[start : start + 70].tobytes() for start in range(0, len(met), 70)]
    parts = list(held_meetings(iter(pieces)))
    assert len(parts) > 5 and max(map(len, parts)) <= 170
    for part in parts:
        assert part.tolist() == sorted(set(part.tolist()))
    assert {row for part in parts for row in part.tolist()} == set(met.tolist())
    monkeypatch.setattr(near_older, "HELD_MEETINGS", 1000)  # more than there are
    (only,) = held_meetings(iter(pieces))
    assert only.tolist() == sorted(set(met.tolist()))
    assert not list(held_meetings([]))


def test_what_goes_is_what_any_index_has_and_a_file_is_opened_once(tmp_path, indexes, monkeypatch):
    random = np.random.default_rng(6)
    own = minima_of_some(random, 300)
    write_minima(str(tmp_path), "own.minima", [own], STEP.n_minima)
    met = met_by_split([part_of(random, 300, N_KEYS, 2)], indexes)[2]
    opened: Counter[str] = Counter()

    @contextmanager
    def counted(path: str) -> Iterator[object]:
        opened[path] += 1
        with open_part(path) as file:
            yield file

    open_part = near_indexes.open_part
    monkeypatch.setattr(near_indexes, "open_part", counted)
    monkeypatch.setattr(near_indexes, "COMPARED_PAIRS", 7)
    arguments = STEP, [one.card for one in indexes], str(tmp_path / "own.minima")
    expected = {
        document
        for document, number, older in rows_in(met)
        if indexes[number].is_near(own, document, older)
    }
    assert set(fallen_to_older(*arguments, met).tolist()) == expected
    assert 20 < len(expected) < 280
    assert len(opened) > 8 and max(opened.values()) == 2  # the split's own, once for each index
    assert {path for path, n in opened.items() if n == 2} == {str(tmp_path / "own.minima")}
    monkeypatch.setattr(near_older, "HELD_MEETINGS", 50)
    assert set(fallen_to_older(*arguments, met).tolist()) == expected


def peak(function: Callable[..., object], *arguments: object) -> int:
    """Return the most bytes that a call had at a time."""
    function(*arguments)
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def look(part: BandPart, index: Index, most: int) -> None:
    for _ in with_older([part], [index.card], most):
        pass


def compare(met: np.ndarray, index: Index, own: Path) -> None:
    alike = replace(STEP, min_overlap=0.99)  # none is, so all are compared
    pieces = (met[start : start + 500].tobytes() for start in range(0, len(met), 500))
    assert not len(fallen_to_older(alike, [index.card], str(own), pieces))


@pytest.mark.slow
def test_memory_grows_neither_with_the_index_nor_with_a_bucket(tmp_path, monkeypatch):
    """Eight times as much is met as before, of an index eight times as large.

    The smaller one is larger than the blocks that are read at a time.
    """
    monkeypatch.setattr(near_older, "HELD_MEETINGS", 1 << 11)
    monkeypatch.setattr(near_indexes, "HELD_DOCUMENTS", 1 << 10)
    monkeypatch.setattr(near_indexes, "COMPARED_PAIRS", 1 << 9)
    random = np.random.default_rng(7)
    own = minima_of_some(random, 1000)
    own.minima[:] += 7
    write_minima(str(tmp_path), "own.minima", [own], STEP.n_minima)
    part = part_of(random, 1000, 30, 2)
    looking, comparing = [], []
    for times in (4, 32):
        index = Index(tmp_path / str(times), 4 * times, 30, of_split=5000)
        looking.append(peak(look, part, index, 50))
        met = np.zeros(4000 * times, MET)
        met["document"] = random.integers(0, 1000, len(met))
        splits = random.integers(0, 4 * times, len(met), np.uint64)
        met["older"] = splits << np.uint64(32) | random.integers(0, 5000, len(met), np.uint64)
        comparing.append(peak(compare, met, index, tmp_path / "own.minima"))
    assert looking[1] < 1.5 * looking[0], looking
    assert comparing[1] < 1.5 * comparing[0], comparing
