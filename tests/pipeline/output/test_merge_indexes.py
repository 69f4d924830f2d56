"""Merged indexes: what they have, in files of any size, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands.main import main as corpus
from pipeline.output import merge_indexes
from pipeline.output.key_indexes import files_with, seen_before, write_card, write_index_part
from pipeline.output.near_indexes import Card, documents_with, minima_name, write_minima
from transforms.dedup.key_files import BLOCK_KEYS, COUNTS, REFERENCES, Rows, read_rows
from transforms.dedup.sketch_files import Minima

RANDOM = np.random.default_rng(12)
SPREAD = np.uint64(2**64 // 50_000)
"""Keys are multiples of it, so that they repeat and are of both partitions."""


def exact_index(output: Path, made_with: dict[str, int], n: int) -> tuple[str, Counter[int]]:
    """Write an index of counted keys in two windows and partitions; return what it has."""
    has: Counter[int] = Counter()
    for window in (0, 1):
        keys = np.unique(RANDOM.integers(0, 50_000, n, np.uint64)) * SPREAD
        counts = RANDOM.integers(1, 200, len(keys)).astype(COUNTS)
        has.update(dict(zip(keys.tolist(), counts.tolist(), strict=True)))
        first = keys < np.uint64(1 << 63)
        for partition, here in enumerate((first, ~first)):
            rows = Rows(keys[here], counts[here])
            write_index_part(str(output), "c4", 1, window, partition, rows)
    description = {
        "unit": "DeduplicateLines",
        "made_with": made_with,
        "sources": ["c4"],
        "run": "x",
    }
    write_card(str(output), "c4", 1, description)
    return str(output / "indexes" / "c4" / "step1"), has


def rows_in(folder: str) -> Rows:
    """Return all rows of a merged index, in the order of its files."""
    chunks = []
    for path in sorted(Path(folder).glob("*.keys")):
        with path.open("rb") as file:
            chunks += list(read_rows(file))
    return Rows(*(np.concatenate(column) for column in zip(*chunks, strict=True)))


def test_counts_of_all_indexes_and_windows_add_up_in_files_of_any_size(tmp_path, monkeypatch):
    monkeypatch.setattr(merge_indexes, "FILE_KEYS", 2 * BLOCK_KEYS)
    made = [exact_index(tmp_path / str(i), {}, n) for i, n in enumerate([30_000, 20_000, 9])]
    merged = str(tmp_path / "merged")
    card = merge_indexes.merge_indexes([folder for folder, _ in made], merged)
    expected = sum((has for _, has in made), Counter())
    rows = rows_in(merged)
    assert rows.keys.tolist() == sorted(expected)
    assert rows.values.tolist() == [min(255, expected[key]) for key in sorted(expected)]
    assert card["keys"] == len(expected) and len(card["files"]) > 1
    asked = np.arange(0, 50_000, 7, dtype=np.uint64) * SPREAD
    path = f"{merged}/card.json"
    assert seen_before([path], [path], asked).tolist() == [k in expected for k in asked.tolist()]
    assert len(list(files_with(path, path, asked))) == len(card["files"])
    assert not (tmp_path / "merged" / "work").exists()


def near_index(output: Path, n_splits: int) -> str:
    """Write an index of near-duplicates' keys, 20 documents a split."""
    references = np.array([s << 32 | d for s in range(n_splits) for d in range(20)], REFERENCES)
    keys = RANDOM.integers(0, 40, len(references), np.uint64)
    order = np.lexsort((references, keys))
    write_index_part(str(output), "c4", 1, 0, 0, Rows(keys[order], references[order]))
    for split in range(n_splits):
        minima = Minima(RANDOM.integers(0, 9, (20, 8), np.uint16), np.ones(20, np.uint32))
        folder = "indexes/c4/step1"
        write_minima(str(output), f"{folder}/{minima_name(split)}", [minima], 8)
    description = {"unit": "DeduplicateNear", "made_with": {}, "sources": ["c4"], "run": "x"}
    write_card(str(output), "c4", 1, description)
    return str(output / "indexes" / "c4" / "step1")


def test_documents_are_numbered_anew_and_known_by_where_they_were(tmp_path):
    folders = [near_index(tmp_path / str(i), n) for i, n in enumerate([2, 3])]
    one, two, three = (str(tmp_path / name) for name in ("one", "two", "three"))
    merge_indexes.merge_indexes(folders, one)
    folders.append(near_index(tmp_path / "2", 1))
    merge_indexes.merge_indexes([one, folders[2]], two)
    card = merge_indexes.merge_indexes(folders, three)
    assert [one["from"] for name, one in sorted(card["files"].items()) if "from" in one] == [
        [f"{folder}/card.json", split]
        for folder, n in zip(folders, [2, 3, 1], strict=True)
        for split in range(n)
    ]
    for name, of_file in card["files"].items():
        assert of_file == json.loads(Path(two, "card.json").read_text())["files"][name]
    keys = np.arange(40, dtype=np.uint64)
    path = f"{three}/card.json"
    places, documents = documents_with(Card(path, path), keys, 1000)
    expected = []
    for before, folder in zip([0, 2, 5], folders, strict=True):
        path = f"{folder}/card.json"
        of_one = zip(*documents_with(Card(path, path), keys, 1000), strict=True)
        expected += [(int(place), int(other) + (before << 32)) for place, other in of_one]
    assert [*zip(places.tolist(), documents.tolist(), strict=True)] == sorted(expected)
    _, last = documents_with(Card(f"{three}/card.json", f"{three}/card.json"), keys[:1], 2)
    assert last.tolist() == [other for place, other in sorted(expected) if place == 0][-2:]


def test_what_cannot_be_merged_is_told_in_one_line(tmp_path, capsys):
    exact, _ = exact_index(tmp_path / "a", {}, 50)
    other, _ = exact_index(tmp_path / "b", {"words": 2}, 50)
    near = near_index(tmp_path / "c", 1)

    def refused(expected: str, *folders: str, output: str = "new") -> None:
        assert corpus(["index", "merge", *folders, "--output", str(tmp_path / output)]) == 2
        told = capsys.readouterr().err.strip()
        assert expected in told and "\n" not in told

    refused("its made_with is {'words': 2}, that of", exact, other)
    refused("its unit is DeduplicateNear, that of", exact, near)
    refused("an index is given twice", exact, exact)
    refused("there is no card.json", exact, str(tmp_path))
    refused("it is not empty", exact, output="a")
    damaged = Path(near, minima_name(0))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    refused("damaged index: its SHA-256 is not that of the card", near)


def test_a_card_is_shown(tmp_path, capsys):
    folder = near_index(tmp_path / "c", 2)
    assert corpus(["index", "show", folder]) == 0
    told = capsys.readouterr().out
    assert "DeduplicateNear" in told and "40" in told
    assert corpus(["index", "show", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["keys"] == 40
    with pytest.raises(ValueError, match="no whole index"):
        merge_indexes.card_of(str(tmp_path))
