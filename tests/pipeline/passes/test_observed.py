"""The records of dropped documents and of a run's work, compared with ``corpus explain``."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from pipeline.files.storage import json_bytes, sha256_of
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import statistics
from pipeline.inspection.verify import verify
from pipeline.output.layout import DROPPED_SCHEMA, read_shards, sealed
from pipeline.output.ledger import Tally
from pipeline.passes.process import process_split
from pipeline.passes.shards.observe_shard import LINE_BYTES, SAMPLE_CHARS, SAMPLES, LetterCounts
from pipeline.readers.batches import metadata_json
from pipeline.recipe.recipe import recipe_from_mapping
from tests.support.runs import run_demo
from transforms.documents import documents

pytestmark = pytest.mark.slow

ARGUMENTS = ["--sources", "commoncrawl", "--set", "shards.target_shard_tokens=50000"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("observed") / "out"
    assert run_demo(output, *ARGUMENTS) == 0
    return output


def dropped(output):
    return [
        row
        for path in sorted((output / "shards").rglob("dropped-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def observed(output):
    return [json.loads(path.read_text()) for path in sorted(output.glob("observed/*/*.json"))]


def test_every_shard_has_its_dropped_documents_in_the_order_of_the_input(run):
    files = sorted(run.glob("shards/commoncrawl/dropped-*.parquet"))
    assert len(files) == len(list(run.glob("ledger/commoncrawl/*.json"))) > 1
    assert all(pq.read_schema(path).names == DROPPED_SCHEMA.names for path in files)
    ids_in_order = [row["id"].split("!")[0].rpartition("#") for row in dropped(run)]
    order = [(file, int(number)) for file, _, number in ids_in_order]
    assert order == sorted(order)
    kept = {
        identifier
        for path in run.glob("shards/*/*.docs.parquet")
        for identifier in pq.read_table(path)["id"].to_pylist()
    }
    ids = {row["id"] for row in dropped(run)}
    assert len(ids) == len(dropped(run)) and not ids & kept
    funnel = statistics(str(run))["sources"]["commoncrawl"]["funnel"]
    entered = sum(row["documents"] for row in funnel if row["outcome"] == "in")
    assert len(ids) + len(kept) == entered


def test_a_dropped_document_has_the_step_and_scores_that_explain_tells(run):
    first = {}
    for row in dropped(run):
        first.setdefault((row["step"], row["reason"]), row)
    assert {"read", "drop_short", "deduplicate_lines", "identify_language",
            "bucket_by_perplexity"} == {step for step, _ in first}  # fmt: skip
    for (step, reason), row in first.items():
        if reason == "damaged":
            continue
        found = explain(str(run), row["id"])
        assert (found["dropped_at"], found["dropped_by"]) == (step, reason)
        assert row["chars"] == found["decisions"][-1]["characters_before"]
        known = {k: v for one in found["decisions"] for k, v in one["columns"].items()}
        for name in ("url", "language", "language_score", "perplexity", "bucket"):
            assert row[name] == known.get(name), name


def test_verify_compares_the_dropped_documents_with_the_ledger(run):
    """A file lacks a document, and the manifest is changed to fit it."""
    path = next(run.glob("shards/*/dropped-00000.parquet"))
    whole, manifest_whole = path.read_bytes(), (run / "manifest.json").read_bytes()
    try:
        pq.write_table(pq.read_table(path).slice(1), path)
        manifest = json.loads(manifest_whole)
        manifest["shards"][0]["dropped"]["files"][path.relative_to(run).as_posix()]["sha256"] = (
            sha256_of(str(path))
        )
        (run / "manifest.json").write_bytes(json_bytes(sealed(manifest)))
        problems = verify(str(run))
        assert len(problems) == 2 and all("dropped-00000.parquet" in line for line in problems)
        assert "-1 documents" in problems[0]
    finally:
        path.write_bytes(whole)
        (run / "manifest.json").write_bytes(manifest_whole)
    assert verify(str(run)) == []


def test_samples_are_documents_of_every_reason_as_they_were_ahead_of_the_step(run):
    reasons = {(row["step"], row["reason"]) for row in dropped(run)}
    for one in observed(run):
        headings = Counter((s["step"], s["reason"]) for s in one["samples"])
        assert set(headings) - {("write", "train"), ("write", "validation")} <= reasons
        assert max(headings.values()) == SAMPLES
        for heading in headings:
            hashes = [s["hash"] for s in one["samples"] if (s["step"], s["reason"]) == heading]
            assert hashes == sorted(hashes)
    sample = next(s for s in observed(run)[0]["samples"] if s["reason"] == "perplexity_tail")
    found = explain(str(run), sample["id"])
    assert found["text"][:SAMPLE_CHARS] == sample["text"] and len(found["text"]) == sample["chars"]
    assert sample["perplexity"] > 0 and sample["language"] == "en"


def test_removed_lines_are_those_that_are_missing_from_the_texts(run):
    """The lines of one shard's splits are counted again by a plain loop."""
    shard = next(read_shards(str(run)))
    recipe = recipe_from_mapping(json.loads((run / "run.json").read_text())["recipe"])
    counted: Counter[str] = Counter()
    lines = 0

    def observe(step, before, after):
        nonlocal lines
        if step == "deduplicate_lines":
            for old, new in zip(before["text"].to_pylist(), after["text"].to_pylist(), strict=True):
                removed = Counter(old.split("\n")) - Counter(new.split("\n") if new else [])
                lines += removed.total()
                for line, n in removed.items():
                    counted[line.strip().encode()[:LINE_BYTES].decode(errors="ignore")] += n

    for split in shard.splits:
        for _ in process_split(split, recipe, str(run), Tally(), observer=observe):
            pass
    del counted[""]
    one = observed(run)[0]
    assert max(len(line.encode()) for line in counted) > LINE_BYTES - 4  # some are cut
    listed = one["removed_lines"]["deduplicate_lines"]
    assert listed["items"][0]["count"] == counted.most_common(1)[0][1] > 20
    for item in listed["items"]:
        assert (item["count"], item["missed_at_most"]) == (counted[item["name"]], 0)
    assert listed["others_at_most"] == counted.most_common(len(listed["items"]) + 1)[-1][1]
    domains = one["domains"]["deduplicate_lines"]["items"]
    assert sum(item["removed_lines"] for item in domains) == lines


def test_times_and_memory_are_there_for_every_step(run):
    steps = json.loads((run / "run.json").read_text())["recipe"]["sources"]["commoncrawl"]["steps"]
    for one in observed(run):
        names = [row["step"] for row in one["steps"]]
        expected = {"read", "opt_out", "record", "tokenise", "write"}
        assert set(names) == expected | {next(iter(step)) for step in steps}
        by_name = {row["step"]: row for row in one["steps"]}
        assert min(by_name[name]["processor_seconds"] for name in ("read", "identify_language")) > 0
        assert by_name["read"]["text_bytes"] > by_name["write"]["text_bytes"] > 0
        assert 50e6 < one["worker_peak_bytes"] < 4e9


def test_guessed_encodings_and_lost_letters_of_kept_documents_are_counted():
    guessed = metadata_json({"title": "a", "encoding_guessed": True})
    quoted = metadata_json({"title": '"encoding_guessed": true'})
    texts = ["a\ufffdb\ufffd", "plain", "\ufffd", ""]
    batch = documents("abcd", texts, metadata=[guessed, quoted, None, guessed])
    counts = LetterCounts()
    counts.add(batch)
    counts.add(batch.slice(2, 1))
    counts.add(batch.slice(0, 0))
    assert counts.result() == {"encoding_guessed": 2, "documents_with_lost": 3, "lost": 4}


@pytest.mark.slow
def test_documents_that_opt_out_leave_what_was_observed_of_shards_that_stay(run, tmp_path):
    output = tmp_path / "out"
    assert run_demo(output, *ARGUMENTS) == 0
    before = observed(output)
    assert all(one["removed_lines"]["deduplicate_lines"]["items"] for one in before)
    gone = [
        next(s for s in one["samples"] if s.get("url") and s["step"] == step)
        for one, step in ((before[-1], "drop_short"), (before[0], "write"))
    ]
    (tmp_path / "list.txt").write_text(f"{gone[0]['id']}\n{gone[1]['url']}\n")
    assert run_demo(output, *ARGUMENTS, "--set", f"opt_out={tmp_path / 'list.txt'}") == 0
    assert verify(str(output)) == []
    left = {s["id"] for one in observed(output) for s in one["samples"]}
    assert not left & {one["id"] for one in gone} and len(left) > 20
    assert [r["reason"] for r in dropped(output) if r["id"] == gone[1]["id"]] == ["opted_out"]
    after = observed(output)
    lines = after[-1]["removed_lines"]["deduplicate_lines"]
    most = before[-1]["removed_lines"]["deduplicate_lines"]["items"][0]["count"]
    assert (lines["items"], lines["others_at_most"]) == ([], most)
    assert after[0]["removed_lines"]["deduplicate_lines"]["items"]
    # A longer list leaves the shards without further documents of it as they are.
    (tmp_path / "longer.txt").write_text(f"{gone[0]['id']}\n{gone[1]['url']}\nnowhere.example\n")
    assert run_demo(output, *ARGUMENTS, "--set", f"opt_out={tmp_path / 'longer.txt'}") == 0
    assert observed(output) == after
