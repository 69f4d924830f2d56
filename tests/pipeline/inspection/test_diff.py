"""Differences between two runs, compared with plain sets of their documents."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from pipeline.commands.main import main
from pipeline.inspection.diff import ABSENT, OTHER_TOKENS
from tests.support.plain.shards import plain_documents, plain_dropped
from tests.support.runs import run_demo

pytestmark = pytest.mark.slow


def outcomes(output):
    """Map every document to its outcome, with the tokens of kept documents."""
    found = {
        row["id"]: (f"dropped by {row['step']}: {row['reason']}", None)
        for row in plain_dropped(output)
    }
    for document in plain_documents(output):
        part = document.shard.split("/")[1].rpartition("-")[0]
        found[document.row["id"]] = (f"kept in {part}", document.ids)
    return found


def plain_changes(first, second):
    """Compare two runs: ids by source, outcome before and after; the number of equal documents."""
    one, two = outcomes(first), outcomes(second)
    changes, alike = {}, Counter()
    for identifier in {*one, *two}:
        was, tokens = one.get(identifier, (ABSENT, None))
        now, new_tokens = two.get(identifier, (ABSENT, None))
        if None not in (tokens, new_tokens) and tokens != new_tokens:
            now = OTHER_TOKENS
        source = identifier.partition("/")[0]
        if was == now:
            alike[source] += 1
        else:
            changes.setdefault((source, was, now), set()).add(identifier)
    return changes, alike


def diff(capsys, first, second, *more):
    status = main(["diff", str(first), str(second), "--json", *more])
    answer = json.loads(capsys.readouterr().out)
    assert status == (0 if answer["same"] else 1)
    return answer


def check(capsys, first, second):
    changes, alike = plain_changes(first, second)
    answer = diff(capsys, first, second, "--ids")
    found = {(c["source"], c["first"], c["second"]): c["ids"] for c in answer["changes"]}
    assert {key: set(ids) for key, ids in found.items()} == changes
    assert all(len(ids) == len(set(ids)) for ids in found.values())
    assert all(c["documents"] == len(c["ids"]) for c in answer["changes"])
    assert Counter(answer["alike"]) == alike
    examples = diff(capsys, first, second)["changes"]
    assert [c["documents"] for c in examples] == [c["documents"] for c in answer["changes"]]
    assert all(len(c["ids"]) == min(3, c["documents"]) for c in examples)
    return found, answer


def test_one_threshold_changed_and_sources_left_out(demo_run, changed_demo_run, capsys):
    found, answer = check(capsys, demo_run, changed_demo_run)
    short = "dropped by drop_short: too_short"
    assert ("commoncrawl", "kept in train", short) in found
    assert ("c4", "kept in train", ABSENT) in found
    assert any("drop_short.min_chars was 300, is now 900" in line for line in answer["run"])
    assert "recipe.sources.c4 is gone" in answer["run"]
    check(capsys, changed_demo_run, demo_run)


def test_lines_of_ids_are_all_the_changes(demo_run, changed_demo_run, capsys):
    assert main(["diff", str(demo_run), str(changed_demo_run), "--ids", "--source", "commoncrawl"])
    lines = [tuple(line.split("\t")) for line in capsys.readouterr().out.splitlines()]
    changes, _ = plain_changes(demo_run, changed_demo_run)
    assert len(lines) == len(set(lines))
    assert set(lines) == {
        (was, now, identifier)
        for (source, was, now), ids in changes.items()
        for identifier in ids
        if source == "commoncrawl"
    }


def test_a_run_is_the_same_as_itself(demo_run, capsys, monkeypatch):
    answer = diff(capsys, demo_run, demo_run)
    assert answer["same"] and not answer["changes"] and not answer["run"]
    monkeypatch.setattr("pipeline.inspection.diff._are_same", lambda *_: False)
    assert diff(capsys, demo_run, demo_run) == answer  # reads and compares all documents
    assert sum(answer["alike"].values()) == len(outcomes(demo_run))


@pytest.mark.slow
def test_other_shards_other_parts_and_other_tokens(demo_run, tmp_path, capsys, monkeypatch):
    """Shards cut elsewhere, a larger validation part, and a step that changes text otherwise."""
    monkeypatch.setattr("pipeline.inspection.diff.COMPARED_TOKENS", 900)
    output = tmp_path / "out"
    assert run_demo(
        output, "--sources", "commoncrawl,stackexchange,books",
        "--set", "shards.target_shard_tokens=40000", "--set", "shards.validation_fraction=0.2",
        "--set", "sources.commoncrawl.steps.deduplicate_lines.keep=first",
    ) == 0  # fmt: skip
    capsys.readouterr()  # discards the output of the run
    whole = check(capsys, demo_run, output)
    monkeypatch.setattr("pipeline.inspection.diff.JOINED_DOCUMENTS", 150)
    found, _ = check(capsys, demo_run, output)
    assert {key: sorted(ids) for key, ids in found.items()} == {
        key: sorted(ids) for key, ids in whole[0].items()
    }
    kinds = {key[1:] for key in found}
    assert ("kept in train", "kept in validation") in kinds
    assert ("kept in train", OTHER_TOKENS) in kinds


def test_a_run_without_record_of_dropped_documents(demo_run, changed_demo_run, tmp_path, capsys):
    old = tmp_path / "old"
    shutil.copytree(demo_run, old)
    manifest = json.loads((old / "manifest.json").read_text())
    for shard in manifest["shards"]:
        del shard["dropped"]
    (old / "manifest.json").write_text(json.dumps(manifest))
    answer = diff(capsys, old, changed_demo_run, "--source", "commoncrawl")
    changes, _ = plain_changes(demo_run, changed_demo_run)
    key = ("commoncrawl", "kept in train", "dropped by drop_short: too_short")
    assert {c["second"]: c["documents"] for c in answer["changes"] if c["first"] == key[1]} == {
        key[2]: len(changes[key])
    }
    assert {c["first"] for c in answer["changes"]} == {"kept in train", "not kept"}


def test_an_input_written_anew_with_the_same_bytes_is_no_difference(demo_run, tmp_path, capsys):
    later = tmp_path / "later"
    shutil.copytree(demo_run, later)
    plan = [json.loads(line) for line in (later / "plan.jsonl").read_text().splitlines()]
    plan[0]["modified"] += 60
    (later / "plan.jsonl").write_text("".join(json.dumps(split) + "\n" for split in plan))
    assert main(["diff", str(demo_run), str(later)]) == 0


def test_mistakes_are_told_in_one_line(demo_run, tmp_path, capsys):
    for arguments in ([str(tmp_path)], [str(demo_run), "--source", "nothing"]):
        assert main(["diff", str(demo_run), *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
