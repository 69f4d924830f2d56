"""What the benchmark of peers counts and prints, and a short run of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.peer_systems.comparison import agreement
from benchmarks.peer_systems.near_truth import near_pairs
from benchmarks.peer_systems.table import page
from benchmarks.peer_systems.web_path import cutoffs, their_outcomes
from tests.support.runs import ROOT


def test_documents_are_counted_by_what_decided_first_where_they_went():
    here = {"a": "kept", "b": "kept", "c": "language", "d": "url", "e": "kept"}
    there = {"a": "kept", "b": "C4", "c": "kept", "d": "language", "f": "kept"}
    found = agreement("these", here, there)
    assert found.both == 1
    assert found.only_here == Counter({"C4": 1, "no text": 1})
    assert found.only_there == Counter({"language": 1, "no text": 1})


@pytest.mark.slow
def test_near_pairs_are_those_of_comparing_all():
    chance = random.Random(0)
    words = [f"w{i}" for i in range(400)]
    texts = {f"own{i}": chance.choices(words, k=chance.randrange(20, 200)) for i in range(40)}
    for i in range(60):
        made = list(texts[f"own{i % 40}"])
        for _ in range(chance.randrange(6)):
            made[chance.randrange(len(made))] = chance.choice(words)
        texts[f"copy{i}"] = made[chance.randrange(3) :]
    shingles = {
        name: {tuple(text[i : i + 5]) for i in range(len(text) - 4)} for name, text in texts.items()
    }
    expected = {
        (a, b)
        for a, b in combinations(texts, 2)
        if len(shingles[a] & shingles[b]) > 0.75 * len(shingles[a] | shingles[b])
    }
    found = near_pairs({name: " ".join(text) for name, text in texts.items()}, 0.75)
    assert len(expected) > 30 and set(found) == expected and len(found) == len(expected)


def test_pages_of_ccnet_fall_to_the_step_that_they_did_not_pass():
    ids = {f"f {i}": str(i) for i in range(5)}
    seen = {
        "read": ["f 0", "f 1", "f 2", "f 3"], "deduplicated": ["f 0", "f 1", "f 2"],
        "identified": ["f 0", "f 1"], "english": ["f 0", "f 1"], "kept": ["f 0"],
    }  # fmt: skip
    expected = {"0": "kept", "1": "perplexity", "2": "language", "3": "paragraphs", "4": "length"}
    assert their_outcomes({"seen": seen}, ids) == expected
    assert cutoffs() == [865.0, 1353.0]


def test_the_table_of_the_document_is_the_benchmarks():
    figures = json.loads((ROOT / "benchmarks" / "peers.json").read_text())
    assert page(figures) in (ROOT / "docs" / "performance.md").read_text()


@pytest.mark.slow
def test_peers_come_to_results_that_compare(
    tmp_path: Path, shared_data: Path, shared_models: Path
) -> None:
    figures_file = tmp_path / "figures.json"
    command = [
        sys.executable, str(ROOT / "benchmarks" / "peers.py"), "--quick", "--only", "minhash",
        "web_path", "tokens", "--json",
        str(figures_file), "--data", str(shared_data), "--models", str(shared_models),
    ]  # fmt: skip
    said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    figures = json.loads(figures_file.read_text())
    assert said == page(figures) + "\n"
    minhash, web_path, tokens = figures["comparisons"]
    assert [len(one["rows"]) for one in figures["comparisons"]] == [1, 1, 8]
    for row in (row for one in figures["comparisons"] for row in one["rows"]):
        assert row["documents"] > 10 and min(row["here"]["median"], row["peer"]["median"]) > 0

    def share(found: dict) -> float:
        alone = sum(found["only_here"].values()) + sum(found["only_there"].values())
        return found["both"] / (found["both"] + alone)

    assert share(minhash["agreements"][0]) > 0.9 and share(web_path["agreements"][0]) > 0.9
    here, there = [int(n.replace(",", "")) for n in _numbers(web_path["remarks"][0])]
    assert abs(here - there) < 0.01 * here
    for remark in tokens["remarks"][:2]:
        same, of = _numbers(remark)
        assert same == of, remark


def _numbers(text: str) -> list[str]:
    return [word.rstrip(".,") for word in text.split() if word[0].isdigit()]
