"""Samples of documents, compared with a plain reservoir over all documents."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecipeError, RunError
from pipeline.models import reservoir
from pipeline.models import sample as sample_module
from pipeline.models.reservoir import LARGEST_HASH, Draw, candidates, smallest
from pipeline.models.sample import SampleSources, sample_documents
from pipeline.output import whole_files
from pipeline.output.layout import PLAN_NAME, Split, plan_bytes, read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.process import process_split
from pipeline.recipe.from_yaml import load_recipe
from pipeline.runners.choose import execution
from pipeline.runners.execution import Execution
from tests.support.runs import ROOT, run_demo
from transforms.documents import SCHEMA, documents
from transforms.kernels.lines import document_keys

pytestmark = pytest.mark.slow

DEMO = str(ROOT / "recipes" / "demo.yaml")
BUDGETS = {"commoncrawl": 60_000, "c4": 20_000, "books": 50_000, "stackexchange": 10_000_000}


def how(output: Path, workers: int = 1) -> Execution:
    options = argparse.Namespace(runner="DirectRunner", workers=workers, memory_bytes=1e9)
    return execution(options, [], str(output), load_recipe(DEMO))


def hash_of(identifier: str) -> int:
    return xxhash.xxh64_intdigest(identifier.encode())


@pytest.fixture(scope="module")
def every_document(tmp_path_factory) -> dict[str, list[tuple[int, dict[str, object]]]]:
    """All documents of the demo after all steps, in the order of their ids' hashes."""
    output = tmp_path_factory.mktemp("demo") / "out"
    assert run_demo(output, "--sources", ",".join(BUDGETS)) == 0
    recipe = load_recipe(DEMO, [], list(BUDGETS))
    found: dict[str, list[tuple[int, dict[str, object]]]] = {name: [] for name in BUDGETS}
    for split in read_plan(str(output)):
        if split.holds == "documents":
            for batch in process_split(split, recipe, str(output), Tally()):
                found[split.source] += [(hash_of(row["id"]), row) for row in batch.to_pylist()]
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}


def plain_reservoir(rows: list[tuple[int, dict[str, object]]], budget: int) -> list[object]:
    chosen, total = [], 0
    for _, row in rows:
        if total >= budget:
            break
        chosen.append(row)
        total += len(str(row["text"]).encode())
    return chosen


@pytest.fixture(scope="module")
def sampled(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("sample") / "out"
    sample_documents(load_recipe(DEMO), str(output), how(output), BUDGETS)
    return output


def test_a_sample_is_what_a_plain_reservoir_holds(sampled, every_document):
    samples = sample_documents(load_recipe(DEMO), str(sampled), how(sampled), BUDGETS)
    for name, sample in samples.items():
        table = pq.read_table(sample.path)
        assert table.schema.equals(SCHEMA)
        assert table.to_pylist() == plain_reservoir(every_document[name], BUDGETS[name])
        assert sample.documents == table.num_rows
        lengths = [len(text.encode()) for text in table["text"].to_pylist()]
        assert sample.text_bytes == sum(lengths)
        if sample.is_whole_source:
            assert sum(lengths) < BUDGETS[name]
            assert table.num_rows == len(every_document[name])
        else:
            assert sum(lengths[:-1]) < BUDGETS[name] <= sum(lengths)
    assert [s.is_whole_source for s in samples.values()] == [False, False, False, True]


@pytest.mark.slow
def test_the_same_bytes_from_two_processes(sampled, tmp_path):
    budgets = {"c4": BUDGETS["c4"]}
    sample_documents(load_recipe(DEMO), str(tmp_path), how(tmp_path, workers=2), budgets)
    for name in ("samples/c4.parquet", "samples/c4.json"):
        assert (tmp_path / name).read_bytes() == (sampled / name).read_bytes()


def test_nothing_but_the_sample_stays_and_it_is_not_made_again(sampled):
    before = {path: path.stat().st_mtime_ns for path in sampled.rglob("*.*")}
    assert {path.relative_to(sampled).parts[0] for path in before} == {
        "run.json", "plan.jsonl", "samples",
    }  # fmt: skip
    sample_documents(load_recipe(DEMO), str(sampled), how(sampled), BUDGETS)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_documents_of_the_opt_out_list_are_in_no_sample(sampled, tmp_path):
    first = pq.read_table(sampled / "samples/c4.parquet")["id"][0].as_py()
    (tmp_path / "list.txt").write_text(f"{first}\n")
    output, budgets = tmp_path / "out", {"c4": BUDGETS["c4"]}
    recipe = load_recipe(DEMO, [f"opt_out={tmp_path / 'list.txt'}"])
    sample_documents(recipe, str(output), how(output), budgets)
    ids = pq.read_table(output / "samples/c4.parquet")["id"].to_pylist()
    assert len(ids) > 5 and first not in ids
    with pytest.raises(RunError, match="opt_out"):
        sample_documents(load_recipe(DEMO), str(output), how(output), budgets)


def test_a_bound_that_was_too_low_is_raised(sampled, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_module, "OVERSAMPLING", 0.02)
    budgets = {"c4": BUDGETS["c4"]}
    tries = []
    made = SampleSources.__init__

    def noted(self, recipe_json, output, draws, name):
        tries.append(draws[0].bound / LARGEST_HASH)
        made(self, recipe_json, output, draws, name)

    monkeypatch.setattr(SampleSources, "__init__", noted)
    sample_documents(load_recipe(DEMO), str(tmp_path), how(tmp_path), budgets)
    assert len(tries) > 1 and tries == sorted(tries) and tries[-1] < 1
    name = "samples/c4.parquet"
    assert (tmp_path / name).read_bytes() == (sampled / name).read_bytes()


def test_documents_as_they_are_ahead_of_a_step(tmp_path):
    recipe = load_recipe(DEMO, ["models=/nowhere"], check_files=False)
    sample = sample_documents(
        recipe, str(tmp_path), how(tmp_path), {"commoncrawl": 1e9},
        until={"commoncrawl": "identify_language"},
    )["commoncrawl"]  # fmt: skip
    table = pq.read_table(sample.path)
    assert table.num_rows > 400 and table["language"].null_count == table.num_rows


def test_a_model_that_is_missing_is_told_with_what_makes_it(tmp_path):
    recipe = load_recipe(
        DEMO, ["sources.commoncrawl.steps.score_perplexity.lm=/no/en.arpa.bin"], check_files=False
    )
    output = tmp_path / "out"
    with pytest.raises(RecipeError, match=r"no file /no/en\.arpa\.bin.*'corpus train-lm' makes"):
        sample_documents(recipe, str(output), how(output), {"commoncrawl": 1_000})
    assert not output.exists()
    with pytest.raises(RecipeError, match="'corpus train-tokenizer' makes it"):
        load_recipe(DEMO, ["tokenizer.model=/no/tokenizer.model"])


@pytest.mark.parametrize(
    ("budgets", "until", "message"),
    [
        ({"c5": 10}, {}, "no source 'c5'; did you mean 'c4'"),
        ({"c4": 0}, {}, "above 0 bytes"),
        ({"c4": 10}, {"c4": "drop_shot"}, "no step 'drop_shot'"),
    ],
)
def test_mistakes_are_found_before_any_work(tmp_path, budgets, until, message):
    output = tmp_path / "out"
    with pytest.raises(RunError, match=message):
        sample_documents(load_recipe(DEMO), str(output), how(output), budgets, until=until)
    assert not output.exists()


def test_another_sample_is_refused_and_start_over_takes_it(tmp_path):
    output = tmp_path / "out"

    def draw(*settings: str, budget: int = 5_000, start_over: bool = False):
        recipe = load_recipe(DEMO, settings, check_files=False)
        return sample_documents(
            recipe, str(output), how(output), {"c4": budget}, start_over=start_over
        )["c4"]

    first = draw()
    with pytest.raises(RunError, match=r"sample_bytes\.c4 was 5000, is now 6000.*--start_over"):
        draw(budget=6_000)
    with pytest.raises(RunError, match=r"keep was \"first\", is now \"none\""):
        draw("sources.c4.steps.deduplicate_documents.keep=none")
    # Settings that the sample does not depend on may change.
    assert draw("tokenizer.model=/not/yet", "sources.github.steps=[]") == first
    assert draw(budget=20_000, start_over=True).text_bytes >= 20_000


@given(
    st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=60),
    st.integers(1, 4_000),
    st.integers(1, 2_000),
)
def test_candidates_hold_the_sample_in_any_cut(rows, budget, run_bytes):
    """Documents have any size, batches end anywhere, and runs have any size."""
    batches, pending = [], []
    for number, (size, ends_batch) in enumerate(rows):
        pending.append((f"c4/a#{number}", "x" * size))
        if ends_batch or number == len(rows) - 1:
            batches.append(documents(*map(list, zip(*pending, strict=True))))
            pending = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reservoir, "RUN_BYTES", run_bytes)
        found = list(candidates(iter(batches), Draw("c4", budget, LARGEST_HASH)))
    table = pa.Table.from_batches(found, reservoir.CANDIDATE_SCHEMA)
    order = smallest(table["hash"].to_numpy(), table["text_bytes"].to_numpy(), budget)
    everything = [
        (hash_of(f"c4/a#{i}"), {"id": f"c4/a#{i}", "text": "x" * size})
        for i, (size, _) in enumerate(rows)
    ]
    expected = plain_reservoir(sorted(everything, key=lambda row: row[0]), budget)
    assert table.select(["id", "text"]).take(pa.array(order)).to_pylist() == expected


def test_a_split_that_fills_the_budget_sends_little_more(monkeypatch):
    monkeypatch.setattr(reservoir, "RUN_BYTES", 10_000)
    batches = (
        documents([f"c4/a#{i}" for i in range(n, n + 100)], ["x" * 100] * 100)
        for n in range(0, 20_000, 100)
    )
    runs = list(candidates(batches, Draw("c4", 5_000, LARGEST_HASH)))
    assert sum(run.num_rows for run in runs) < 1_000  # of 20,000, of which 50 are in the sample


def test_hashes_are_xxh64_of_the_id():
    ids = ["c4/a.json#1", "é#2", ""]
    assert document_keys(pa.array(ids)).tolist() == [hash_of(one) for one in ids]


def test_the_graph_does_not_grow_with_the_input(tmp_path):
    recipe_json = json.dumps(load_recipe(DEMO).mapping)

    def graph(n_files: int) -> str:
        plan = [
            Split("c4", i, f"/data/c4/file{i}", f"c4/file{i}", 0, None, 10, 0.0, i, i, "documents")
            for i in range(n_files)
        ]
        whole_files.write_bytes(str(tmp_path), PLAN_NAME, plan_bytes(plan))
        pipeline = beam.Pipeline()
        draws = [Draw("c4", 1_000, LARGEST_HASH)]
        _ = pipeline | SampleSources(recipe_json, str(tmp_path), draws, "sample")
        return str(pipeline.to_runner_api())

    assert len(graph(1)) == pytest.approx(len(graph(2_000)), rel=0.005)
