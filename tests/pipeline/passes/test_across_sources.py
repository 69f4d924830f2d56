"""Deduplications across sources: runs over CommonCrawl and a C4 that is made of its pages."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.errors import RunError
from pipeline.inspection.dropped_texts import texts_when_dropped
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import statistics
from pipeline.inspection.verify import verify
from pipeline.passes.plan import make_plan
from pipeline.recipe.from_yaml import load_recipe
from tests.support.across_sources import (
    NEAR,
    documents_of,
    lines_left,
    without_copies,
    without_near,
    write_recipe,
    yaml_mapping,
)
from tests.support.edited_recipes import refused
from tests.support.runs import digests, run_demo
from tests.test_other_sources import kept

pytestmark = pytest.mark.slow

ORDER = ["c4", "commoncrawl"]
DEDUPLICATIONS = [
    {"deduplicate_documents": {"sources": ORDER, "keep": "first"}},
    {"deduplicate_near": {"sources": ORDER, **NEAR}},
    {"deduplicate_lines": {"sources": ORDER, "keep": "first"}},
]
STEPS = [f"{next(iter(one))}_across_sources" for one in DEDUPLICATIONS]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> str:
    """A recipe with all three kinds."""
    return write_recipe(tmp_path_factory.mktemp("across"), DEDUPLICATIONS)


@pytest.fixture(scope="module")
def output(recipe, tmp_path_factory) -> Path:
    """A run of it."""
    folder = tmp_path_factory.mktemp("run") / "out"
    assert run_demo(folder, "--recipe", recipe) == 0
    return folder


def dropped(output: Path, source: str, step: str) -> list[dict[str, Any]]:
    """Return the rows of the documents that a step dropped."""
    files = sorted((output / "shards" / source).glob("dropped-*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return [row for row in rows if row["step"] == step]


def test_what_is_kept_is_what_plain_python_keeps(recipe, output):
    mapping = yaml_mapping(Path(recipe))
    sources = [documents_of(mapping, name) for name in ORDER]
    after_copies, copies = without_copies(sources)
    after_near, near = without_near(after_copies)
    lines = lines_left(after_near)
    for name, documents, left in zip(ORDER, after_near, lines, strict=True):
        ids = {one.id for one in documents}
        found = [{row["id"] for row in dropped(output, name, step)} for step in STEPS]
        of_source = [{i for i in some if i.startswith(f"{name}/")} for some in (copies, near)]
        assert found == [*of_source, ids - set(left)]
        chars = {identifier: row["chars"] for identifier, row in kept(output, name).items()}
        assert chars == {identifier: len(text) for identifier, text in left.items()}
    of_common_crawl = [i for i in copies if i.startswith("commoncrawl/")]
    assert sum(copies[i].startswith("c4/") for i in of_common_crawl) > 20
    assert sum(i.startswith("commoncrawl/") for i in near) > 20
    assert 5 < sum(i.startswith("c4/") for i in copies) < 30


def test_the_ledger_balances_and_names_the_steps(output):
    assert not verify(str(output))
    for name, source in statistics(str(output))["sources"].items():
        steps = list(dict.fromkeys(row["step"] for row in source["funnel"]))
        own = ["read", "drop_short"] if name == "commoncrawl" else ["read"]
        assert [one for one in steps if one != "deduplicate_lines_across_sources"] == [
            *own, *STEPS[:2], "write"
        ]  # fmt: skip


def test_explain_names_what_a_document_fell_to(recipe, output):
    mapping = yaml_mapping(Path(recipe))
    after_copies, copies = without_copies([documents_of(mapping, name) for name in ORDER])
    _, near = without_near(after_copies)
    for identifier in [*list(copies)[:2], list(copies)[-1]]:
        expected = copies[identifier]
        fell_to = explain(str(output), identifier)["fell_to"]
        assert fell_to == [{"source": expected.partition("/")[0], "id": expected}]
    for identifier in [next(iter(near)), list(near)[-1]]:
        fell_to = [one["id"] for one in explain(str(output), identifier)["fell_to"]]
        assert fell_to[0] in near[identifier] and fell_to[-1] not in near
    (stays, *_) = kept(output, "c4")
    assert "fell_to" not in explain(str(output), stays)


def test_texts_of_dropped_documents_are_as_the_step_found_them(recipe, output):
    mapping = yaml_mapping(Path(recipe))
    texts = {one.id: one.text for name in ORDER for one in documents_of(mapping, name)}
    for step in STEPS:
        rows = dropped(output, "commoncrawl", step)[:3]
        found = texts_when_dropped(str(output), "commoncrawl", 0, {r["id"]: step for r in rows})
        assert found == {row["id"]: texts[row["id"]] for row in rows}


def test_two_workers_make_the_same_bytes_and_so_does_a_run_that_goes_on(recipe, output, tmp_path):
    again = tmp_path / "again"
    assert run_demo(again, "--recipe", recipe, workers=2) == 0
    assert digests(again) == digests(output)
    for name in ("manifest.json", "ledger.parquet", "ledger", "decisions/commoncrawl"):
        path = again / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run_demo(again, "--recipe", recipe) == 0
    assert digests(again) == digests(output)


def test_the_other_order_keeps_the_other_source_and_copies_are_counted(recipe, tmp_path):
    other = ["commoncrawl", "c4"]
    counted = {"sources": other, "keep": "first", "record": "cluster_size"}
    one_kind = [{"deduplicate_documents": counted}]
    mapping = yaml_mapping(Path(recipe))
    assert (
        run_demo(tmp_path / "out", "--recipe", recipe, "--set", f"deduplications={one_kind}") == 0
    )
    sources = [documents_of(mapping, name) for name in other]
    left, _ = without_copies(sources)
    sizes = Counter(one.text for documents in sources for one in documents)
    assert len(set(sizes.values())) > 2
    for name, documents in zip(other, left, strict=True):
        found = {
            identifier: row["metadata"]["cluster_size"]
            for identifier, row in kept(tmp_path / "out", name).items()
        }
        assert found == {one.id: sizes[one.text] for one in documents}


def test_a_source_of_an_earlier_run_is_preferred_by_its_index(recipe, tmp_path):
    def run(name: str, source: str, **more: Any) -> Path:
        entry = {"deduplicate_documents": {"sources": [source], "keep": "first", **more}}
        options = "--recipe", recipe, "--sources", source, "--set", f"deduplications={[entry]}"
        assert run_demo(tmp_path / name, *options) == 0
        return tmp_path / name

    earlier = run("earlier", "c4", index=True)
    card = f"{earlier}/indexes/c4/step0/card.json"
    later = run("later", "commoncrawl", against=[card])
    left, fell = without_copies([documents_of(yaml_mapping(Path(recipe)), name) for name in ORDER])
    assert set(kept(later, "commoncrawl")) == {one.id for one in left[1]}
    of_earlier = next(i for i in fell if i.startswith("commoncrawl/") and fell[i].startswith("c4/"))
    assert explain(str(later), of_earlier)["fell_to"] == [{"index": card}]


def test_a_shuffle_across_sources_that_does_not_fit_is_refused(recipe):
    plan = make_plan(load_recipe(recipe))
    largest = max(one.shuffle_bytes for windows in plan.windows.values() for one in windows)
    plan.check_shuffle(largest)
    with pytest.raises(RunError, match="sources c4, commoncrawl: deduplicate_lines_across_sources"):
        plan.check_shuffle(largest - 1)


def test_the_list_shrinks_to_the_sources_that_are_chosen(recipe):
    one = load_recipe(recipe, sources=["commoncrawl"])
    assert [step.name for step in one.source("commoncrawl").steps] == ["drop_short", *STEPS]
    assert one.source("commoncrawl").places(3) == (("commoncrawl", 3),)
    neither = load_recipe(
        recipe,
        [f"deduplications={[{'deduplicate_documents': {'sources': ['c4'], 'keep': 'first'}}]}"],
        ["commoncrawl"],
    )
    assert [step.name for step in neither.source("commoncrawl").steps] == ["drop_short"]


def entry(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of a recipe: a list with one deduplication that is not quite right."""
    right = {"sources": ["c4", "commoncrawl"], "keep": "first"}
    given = {key: value for key, value in {**right, **changes}.items() if value is not None}

    def change(raw: dict[str, Any]) -> None:
        raw["deduplications"] = [{"deduplicate_documents": given}]

    return change


def test_mistakes_in_the_list_are_told(tmp_path):
    place = "deduplications[0].deduplicate_documents"
    refused(tmp_path, entry(sources=None), f"{place}.sources: expected a list of sources")
    refused(tmp_path, entry(sources=[]), f"{place}.sources: expected a list of sources")
    refused(tmp_path, entry(sources=["c4", "book"]), "no source 'book'", "books")
    refused(tmp_path, entry(sources=["c4", "c4"]), f"{place}.sources: c4 is given twice")
    refused(tmp_path, entry(window_files=3), f"{place}.window_files: there are no windows")
    refused(tmp_path, entry(keep="last"), f"{place}.keep")
    refused(tmp_path, entry(keep="none", record="cluster_size"), f"{place}: record: of documents")
    refused(tmp_path, entry(kep="first"), f"{place}: unknown key 'kep'")
    refused(
        tmp_path, lambda raw: raw.update(deduplications={"a": 1}), "deduplications: expected a list"
    )
    refused(
        tmp_path,
        lambda raw: raw.update(deduplications=[{"deduplicate": {}}]),
        "deduplications[0]: 'deduplicate' is none of deduplicate_documents",
    )
    refused(
        tmp_path,
        lambda raw: raw.update(deduplications=["deduplicate_documents"]),
        "deduplications[0]: expected 'name: {parameters}'",
    )
    twice = {"deduplicate_documents": {"sources": "all", "keep": "first"}}
    refused(
        tmp_path,
        lambda raw: raw.update(deduplications=[twice, twice]),
        "deduplications[1]: commoncrawl is in another deduplicate_documents of the list already",
    )
