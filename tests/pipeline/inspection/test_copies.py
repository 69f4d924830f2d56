"""What ``explain`` names as the other copy, beside plain Python over all lines and documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.commands.main import main
from pipeline.inspection.browser.document import describe
from pipeline.inspection.document_rows import document_files
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import load_manifest
from pipeline.output.layout import read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.process import process_split
from pipeline.recipe.recipe import recipe_of_source
from tests.support.across_sources import MIN_OVERLAP, NEAR, shingles, write_recipe
from tests.support.plain.near import plain_overlap
from tests.support.runs import run_demo
from transforms.kernels.lines import paragraph_keys

pytestmark = pytest.mark.slow

ACROSS = "deduplicate_lines_across_sources"
STEPS: dict[str, list[Any]] = {
    "c4": [{"deduplicate_documents": {"keep": "first"}}, {"deduplicate_near": NEAR}],
    "commoncrawl": [
        {"drop_short": {"min_chars": 300}},
        {"deduplicate_lines": {"keep": "none", "window_files": 1}},
    ],
}


class Document(NamedTuple):
    """A document as it comes to a step."""

    id: str
    text: str

    @property
    def keys(self) -> list[int]:
        """What its lines are compared by."""
        keys: list[int] = paragraph_keys(pa.array([self.text], pa.string()))[0].tolist()
        return keys


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    """A run with exact and near deduplications within sources, and of lines across them."""
    folder = tmp_path_factory.mktemp("copies")
    lines = {"deduplicate_lines": {"sources": ["c4", "commoncrawl"], "keep": "first"}}
    recipe = Path(write_recipe(folder, [lines]))
    mapping = yaml.safe_load(recipe.read_text())
    for source, steps in STEPS.items():
        mapping["sources"][source]["steps"] = steps
    recipe.write_text(yaml.safe_dump(mapping))
    assert run_demo(folder / "out", "--recipe", str(recipe)) == 0
    return folder / "out"


def ahead_of(output: Path, source: str, step: int) -> list[Document]:
    """Return the documents of a source as they come to a step, in order."""
    mapping = json.loads((output / "run.json").read_text())["recipe"]
    recipe = recipe_of_source(mapping, source)
    made = []
    for split in read_plan(str(output)):
        if split.source == source:
            for batch in process_split(split, recipe, str(output), Tally(), until=step):
                made += map(Document, batch["id"].to_pylist(), batch["text"].to_pylist())
    return made


def dropped(output: Path, source: str, reason: str) -> list[str]:
    """Return the ids of the documents that were dropped for a reason."""
    paths = sorted((output / "shards" / source).glob("dropped-*.parquet"))
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return [row["id"] for row in rows if row["reason"] == reason]


def removed(told: dict[str, Any], step: str) -> list[dict[str, Any]]:
    """Return the lines that a step removed."""
    return [
        line
        for one in told["decisions"]
        if one["step"] == step
        for line in one.get("removed_lines", ())
    ]


def test_of_equal_documents_the_first_is_named_whether_it_was_noted_or_not(output):
    firsts: dict[str, str] = {}
    expected = {}
    for one in ahead_of(output, "c4", 0):
        if one.text in firsts:
            expected[one.id] = {"source": "c4", "id": firsts[one.text]}
        firsts.setdefault(one.text, one.id)
    went = dropped(output, "c4", "duplicate_document")
    assert sorted(went) == sorted(expected) and len(went) > 5
    for identifier in went[:4]:
        assert explain(str(output), identifier)["fell_to"] == [expected[identifier]]
    noted = sorted((output / "decisions" / "c4").glob("step0-*.survivors"))
    try:
        for path in noted:
            path.rename(path.with_suffix(".away"))
        for identifier in went[:2]:
            assert explain(str(output), identifier)["fell_to"] == [expected[identifier]]
        told = explain(str(output), went[0], search_seconds=0)
        assert "fell_to" not in told and told["dropped_by"] == "duplicate_document"
    finally:
        for path in noted:
            path.with_suffix(".away").rename(path)


def test_a_page_in_the_browser_names_what_is_noted(output):
    manifest = load_manifest(str(output))
    (file, *_) = document_files(str(output), manifest, source="c4", parts=["dropped"])
    reasons = [row["reason"] for row in pq.read_table(file.path).to_pylist()]
    number = reasons.index("duplicate_document")
    page = describe(str(output), "no tokens", file, number)
    (fell_to,) = explain(str(output), page["record"]["id"])["fell_to"]
    assert page["fell_to"] == f" of {fell_to['id']}"


def test_of_near_duplicates_one_that_is_alike_and_one_that_stays_are_named(output):
    texts = {one.id: one.text for one in ahead_of(output, "c4", 1)}
    left = {one.id for one in ahead_of(output, "c4", 2)}
    went = dropped(output, "c4", "near_duplicate")
    assert set(went) == set(texts) - left and len(went) > 5
    for identifier in went[:4]:
        fell_to = [one["id"] for one in explain(str(output), identifier)["fell_to"]]
        overlap = plain_overlap(shingles(texts[identifier]), shingles(texts[fell_to[0]]))
        assert overlap > MIN_OVERLAP and fell_to[-1] in left


def check_lines(output: Path, documents: list[Document], step: str, keep: str) -> int:
    """Compare the copies that are named of some documents' lines with the first of all lines."""
    places: dict[int, list[tuple[str, int]]] = {}
    for one in documents:
        for line, key in enumerate(one.keys):
            places.setdefault(key, []).append((one.id, line))
    n_copies = 0
    for one in documents[:: max(len(documents) // 12, 1)]:
        told = explain(str(output), one.id)
        assert "copies_not_found" not in told
        for line in removed(told, step):
            all_of_it = places[one.keys[line["line"]]]
            own = [place for place in all_of_it if place[0] == one.id]
            others = [place for place in all_of_it if place[0] != one.id]
            stays = keep == "first" or not others
            (identifier, number), *_ = all_of_it if keep == "first" else others or own
            assert line["copy"] == {
                "source": identifier.partition("/")[0], "id": identifier, "line": number,
                "stays": stays,
            }  # fmt: skip
            n_copies += 1
    return n_copies


def test_of_lines_without_any_copy_the_first_other_of_the_window_is_named(output):
    documents = ahead_of(output, "commoncrawl", 1)
    files = sorted({one.id.partition("#")[0] for one in documents})
    assert len(files) == 2
    for file in files:
        mine = [one for one in documents if one.id.startswith(f"{file}#")]
        assert check_lines(output, mine, "deduplicate_lines", "none") > 10


def test_of_lines_across_sources_the_one_that_stays_is_named(output):
    web, pages = ahead_of(output, "c4", 2), ahead_of(output, "commoncrawl", 2)
    assert check_lines(output, web + pages, ACROSS, "first") > 10


def test_the_search_ends_in_time_and_passes_over_what_is_gone(output, capsys):
    by_id = {one.id: one for one in ahead_of(output, "commoncrawl", 2)}
    for identifier in by_id:
        told = explain(str(output), identifier)
        copies = [line["copy"]["id"] for line in removed(told, ACROSS)]
        if any(one.startswith("c4/") for one in copies):
            break
    n_others = sum(one != identifier for one in copies)
    told = explain(str(output), identifier, search_seconds=0)
    assert told["copies_not_found"] == n_others + sum(
        "copy" not in line for line in removed(told, "deduplicate_lines")
    )
    assert main(["explain", str(output), identifier, "--search_seconds", "0"]) == 0
    assert "another copy that was not found in time" in capsys.readouterr().out
    assert main(["explain", str(output), identifier]) == 0
    printed = capsys.readouterr().out
    assert "other copy" in printed and "not found in time" not in printed
    inputs = output.parent / "c4"
    inputs.rename(inputs.with_suffix(".away"))
    try:
        assert explain(str(output), identifier)["copies_not_found"] > 0
    finally:
        inputs.with_suffix(".away").rename(inputs)
