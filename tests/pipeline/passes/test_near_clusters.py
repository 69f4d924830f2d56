"""Sizes of clusters of near-duplicates: runs over one source and two, compared with union-find."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.commands.summary import print_summary
from pipeline.errors import RunError
from pipeline.inspection.manifest import load_manifest
from pipeline.inspection.verify import verify
from pipeline.output import whole_files
from pipeline.passes.first import cluster_turns
from pipeline.passes.first.rounds import Round, pairs_name
from pipeline.report.data import collect
from tests.support.across_sources import (
    MIN_OVERLAP,
    NEAR,
    documents_of,
    shingles,
    write_recipe,
    yaml_mapping,
)
from tests.support.plain.clusters import cluster_sizes
from tests.support.plain.near import plain_overlap
from tests.support.runs import digests, kill_when, run_demo, start
from tests.test_other_sources import kept

pytestmark = pytest.mark.slow

ORDER = ["c4", "commoncrawl"]
COUNTED = {**NEAR, "record": "cluster_size"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> str:
    """A recipe with chains of pages, and stars, within a source and across two."""
    folder = tmp_path_factory.mktemp("clusters")
    path = Path(write_recipe(folder, [{"deduplicate_near": {"sources": ORDER, **COUNTED}}]))
    rows = []
    for chain in range(3):
        words = [f"chain{chain}word{n}" for n in range(300)]
        rows += [" ".join(words[start : start + 100]) for start in range(0, 12 * chain + 12, 4)]
    lines = [json.dumps({"text": text, "url": "https://b.org"}) for text in rows]
    (folder / "c4" / "c4-train.00003-of-00004.json").write_text("\n".join(lines) + "\n")
    alone = json.dumps({"text": "A page that is like no other.", "url": "https://b.org"})
    (folder / "c4" / "c4-train.00004-of-00005.json").write_text(f"{alone}\n")
    raw = yaml.safe_load(path.read_text())
    domains = {"by": [{"metadata.cluster_size": [2, 4, 5]}], "weights": {"1": 2.0}}
    raw["sources"]["c4"]["domains"] = domains
    path.write_text(yaml.safe_dump(raw))
    return str(path)


@pytest.fixture(scope="module")
def output(recipe, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    assert run_demo(folder, "--recipe", recipe, workers=2) == 0
    return folder


def expected_sizes(recipe: str) -> dict[str, int]:
    """Return the size of every document's cluster, from all pairs."""
    mapping = yaml_mapping(Path(recipe))
    documents = [one for name in ORDER for one in documents_of(mapping, name)]
    return sizes_of([(one.id, shingles(one.text)) for one in documents])


def sizes_of(sets: list[tuple[str, set[int]]]) -> dict[str, int]:
    """Return the size of every document's cluster, from the shingles of all."""
    pairs: list[tuple[str, str]] = [(one, one) for one, _ in sets]
    for i, (one, mine) in enumerate(sets):
        for other, its in sets[:i]:
            fewer, more = sorted([len(mine), len(its)])
            if fewer > MIN_OVERLAP * more and plain_overlap(mine, its) > MIN_OVERLAP:
                pairs.append((one, other))
    return cluster_sizes(pairs)


def found_sizes(output: Path) -> dict[str, int]:
    rows = {i: row for name in ORDER for i, row in kept(output, name).items()}
    return {identifier: row["metadata"]["cluster_size"] for identifier, row in rows.items()}


def clusters(output: Path) -> dict[str, Any]:
    (file,) = (output / "decisions").rglob("*.clusters.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_sizes_are_those_of_union_find_over_all_pairs(recipe, output):
    assert verify(str(output)) == []
    expected = expected_sizes(recipe)
    found = found_sizes(output)
    assert found == {identifier: expected[identifier] for identifier in found}
    assert max(found.values()) == 9 and len(set(found.values())) > 4
    of_clusters = Counter(expected.values())
    noted = clusters(output)
    assert noted["clusters"] == sum(n // size for size, n in of_clusters.items() if size > 1)
    assert noted["documents"] == sum(n for size, n in of_clusters.items() if size > 1)
    assert noted["largest"] == 9 and noted["turns"] > 1
    assert noted["shuffle_bytes"] > noted["turns"] * 48 * noted["clusters"]


def test_turns_and_bytes_are_told_and_reported(output, capsys):
    noted = clusters(output)
    told = (
        f"clusters of c4, step 0: {noted['clusters']} of {noted['documents']} documents, the "
        f"largest of 9; {noted['turns']} turns shuffled {noted['shuffle_bytes']:,} bytes"
    )
    print_summary(load_manifest(str(output)), str(output), None)
    assert told in capsys.readouterr().out
    (reported,) = collect(str(output))["clusters"]
    assert reported == {"source": "c4", "step": 0, "window": 0, **noted}
    assert "Clusters of near-duplicates" in (output / "report.html").read_text()


def test_domains_are_told_apart_by_the_size_of_clusters(output):
    sizes = found_sizes(output)
    expected = Counter(
        sum(size >= cutoff for cutoff in (2, 4, 5))
        for identifier, size in sizes.items()
        if identifier.startswith("c4/")
    )
    domains = load_manifest(str(output))["sources"]["c4"]["domains"]
    found = {
        int(name): one["train_documents"] + one["validation_documents"]
        for name, one in domains.items()
    }
    assert found == dict(expected) and set(found) == {0, 1, 2, 3}


def test_a_run_that_was_stopped_goes_on_with_the_next_turn(
    recipe, output, tmp_path, monkeypatch, capsys
):
    """It has one worker where the other run had two, and makes the same bytes.

    Without a file of the turn before it stops, and says which.
    """
    made: list[int] = []

    def stop_behind_the_first(session, one, turn):
        if made:
            raise RunError("stopped")
        made.append(turn)
        return reports(session, one, turn)

    reports = cluster_turns._reports
    again = tmp_path / "again"
    monkeypatch.setattr(cluster_turns, "_reports", stop_behind_the_first)
    assert run_demo(again, "--recipe", recipe) == 2
    decisions = [path.stat().st_mtime_ns for path in sorted(again.rglob("*.bits"))]
    (state,) = again.rglob("state.json")
    assert json.loads(state.read_text())["turns"] == 1
    assert len(list((again / "work/clusters/pairs").rglob("*.pairs"))) == len(decisions)
    monkeypatch.setattr(cluster_turns, "_reports", reports)
    (part,) = again.rglob("turn001/part00000.pairs")
    part.rename(tmp_path / "away.pairs")
    capsys.readouterr()
    assert run_demo(again, "--recipe", recipe) == 1
    assert f"{part.relative_to(again)} is missing" in capsys.readouterr().err
    (tmp_path / "away.pairs").rename(part)
    assert run_demo(again, "--recipe", recipe) == 0
    assert [path.stat().st_mtime_ns for path in sorted(again.rglob("*.bits"))] == decisions
    assert digests(again) == digests(output) and clusters(again) == clusters(output)
    assert not (again / "work").exists()


def test_a_run_killed_in_a_turn_and_between_two_goes_on_to_the_same_bytes(recipe, output, tmp_path):
    killed = tmp_path / "killed"
    command = ["--output", str(killed), "--recipe", recipe, "--workers", "1"]
    folder = killed / "work/clusters/turns/c4/step0/window00000"
    state, first_turn = folder / "state.json", folder / "turn001"
    kill_when(start(*command), lambda: first_turn.is_dir() and any(first_turn.glob("*.json")))
    assert not state.exists() and list(killed.glob("decisions/*/*.bits"))
    kill_when(start(*command), state.exists)
    assert not (killed / "manifest.json").exists()
    assert run_demo(killed, "--recipe", recipe) == 0
    assert digests(killed) == digests(output) and clusters(killed) == clusters(output)


def test_a_missing_file_is_named_and_never_taken_for_no_pairs(tmp_path):
    one = Round("c4", 0, 0, 2)
    whole_files.write_bytes(str(tmp_path), pairs_name(("c4", 0, 0)), b"")
    reader = cluster_turns.ReadPairs(str(tmp_path), [one], {one[:3]: 1})
    assert not list(reader.process((one, pairs_name(("c4", 0, 0)))))
    with pytest.raises(ValueError, match=f"{pairs_name(('c4', 0, 1))} is missing"):
        list(reader.process((one, pairs_name(("c4", 0, 1)))))


def test_windows_have_clusters_of_their_own(recipe, tmp_path, capsys):
    steps = [{"deduplicate_near": {**COUNTED, "window_files": 1}}]
    options = "--sources", "c4", "--set", f"sources.c4.steps={steps}", "--set", "deduplications=[]"
    assert run_demo(tmp_path / "out", "--recipe", recipe, *options) == 0
    told = capsys.readouterr().out
    by_file: dict[str, list[tuple[str, set[int]]]] = {}
    for document in documents_of(yaml_mapping(Path(recipe)), "c4"):
        one = document.id, shingles(document.text)
        by_file.setdefault(document.id.split("#")[0], []).append(one)
    expected = [sizes_of(documents) for documents in by_file.values()]
    every = {identifier: size for sizes in expected for identifier, size in sizes.items()}
    rows = kept(tmp_path / "out", "c4")
    found = {i: row["metadata"]["cluster_size"] for i, row in rows.items()}
    assert found == {identifier: every[identifier] for identifier in found}
    files = sorted((tmp_path / "out" / "decisions").rglob("*.clusters.json"))
    largest = [json.loads(file.read_text())["largest"] for file in files]
    assert largest == [max(sizes.values()) for sizes in expected] and 1 in largest
    assert "clusters of c4, step 0, window 3: 3 of 18 documents, the largest of 9" in told
