"""Near-duplicates among real editions of books, and real articles, against published pairs."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from pipeline.readers.books import decode_book
from tests.support.plain.near import (
    BOOKS,
    batch_of,
    find_near_duplicates,
    plain_overlap,
    plain_shingles,
)
from transforms.gutenberg import without_frame

pytestmark = pytest.mark.slow


def test_real_books(shared_data: Path):
    folder = shared_data / "books"
    truth = json.loads((folder / "near_duplicate_pairs.json").read_text())
    names = sorted(path.name for path in folder.glob("*.txt"))
    texts = [without_frame(decode_book((folder / name).read_bytes())[0]) for name in names]
    batch = batch_of(texts, names)
    hashes, offsets = BOOKS.shingles(batch)
    of_name = {name: hashes[offsets[i] : offsets[i + 1]] for i, name in enumerate(names)}

    def overlap(a: str, b: str) -> float:
        return BOOKS.overlap(of_name[a], of_name[b])

    # The truth has the small print of the oldest editions still in their texts.
    of_truth = {frozenset(pair): value for value, *pair in truth}
    for pair, value in of_truth.items():
        a, b = sorted(pair)
        if not re.search("alice30|treas10|advsh10", a + b):
            assert overlap(a, b) == pytest.approx(value, abs=0.003), (a, b)
        assert overlap(a, b) > value - 0.003
    over = {frozenset(p) for p in combinations(names, 2) if overlap(*p) > 0.9}
    assert over == of_truth.keys()

    goes = find_near_duplicates([batch.slice(0, 20), batch.slice(20)], BOOKS)
    assert all(pair & goes for pair in of_truth)
    kept = set(names) - goes
    assert not any(pair <= kept for pair in of_truth)
    assert {name for name in names if not any(name in pair for pair in of_truth)} <= kept
    length = dict(zip(names, map(len, texts), strict=True))
    for name in goes:  # each for a partner that is longer, or as long and earlier
        partners = [other for pair in of_truth if name in pair for other in pair - {name}]
        assert any((length[p], name) > (length[name], p) for p in partners)
    # One file stays of each of the 14 books, and the listing that bears a book's name.
    assert len({re.match(r"pg\d+", name)[0] for name in kept}) == 14
    assert len(kept) == 15


def test_real_articles(shared_data: Path):
    folder = shared_data / "near_dup"
    lines = (folder / "minhash_articles_1000.train").read_text().splitlines()
    ids, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    truth = [
        line.split() for line in (folder / "minhash_articles_1000.truth").read_text().splitlines()
    ]
    assert len(ids) == 1000 and len(truth) == 10
    shingles = {i: plain_shingles(text, 5) for i, text in zip(ids, texts, strict=True)}
    planted = {tuple(pair): plain_overlap(*(shingles[i] for i in pair)) for pair in truth}
    over = {pair for pair, value in planted.items() if value > 0.9}
    assert len(over) == 10  # the least alike are at 0.96
    goes = find_near_duplicates([batch_of(texts, ids)], BOOKS)
    assert len(goes) == 10 and all(set(pair) & goes for pair in over)
