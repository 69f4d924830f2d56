"""The plan of a run, which depends on the inputs and the recipe alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.compute as pc
import pytest

from pipeline.errors import RecipeError
from pipeline.output.layout import plan_bytes, read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.plan import make_plan
from pipeline.passes.process import process_split
from pipeline.recipe.from_yaml import load_recipe
from transforms.dedup.exact import FINGERPRINT_BYTES_PER_UNIT

ROOT = Path(__file__).resolve().parents[3]


def recipe_over(folder: Path, *settings: str):
    models = ROOT / "samples" / "models"
    given = [f"data={folder}", f"models={models}", f"tokenizer.model={models}/tokenizer.model"]
    path = str(ROOT / "recipes" / "samples.yaml")
    return load_recipe(path, [*given, *settings], ["c4"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c4" / "deep").mkdir(parents=True)
    (tmp_path / "c4" / "b.json.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 50))
    (tmp_path / "c4" / "a.jsonl").write_bytes(b'{"text": "yyyyyyyyyy"}\n' * 1000)
    (tmp_path / "c4" / "deep" / "c.json").write_bytes(b'{"text": "z"}\n')
    (tmp_path / "c4" / "README.md").write_text("no input")
    return tmp_path


def test_files_are_sorted_and_named_below_the_pattern(folder):
    splits = make_plan(recipe_over(folder)).splits
    assert [s.name for s in splits] == ["c4/a.jsonl", "c4/b.json.gz", "c4/deep/c.json"]
    assert [s.split for s in splits] == [0, 1, 2]


def test_a_large_plain_file_is_cut_and_a_compressed_one_is_not(folder):
    splits = make_plan(recipe_over(folder, "reading.split_bytes=5000")).splits
    cuts = [(s.start, s.end) for s in splits if s.name == "c4/a.jsonl"]
    assert cuts == [(0, 5000), (5000, 10000), (10000, 15000), (15000, 20000), (20000, 23000)]
    splits = make_plan(recipe_over(folder, "reading.split_bytes=10")).splits
    assert [(s.start, s.end) for s in splits if s.name == "c4/b.json.gz"] == [(0, None)]


def test_splits_fill_shards_up_to_the_target(folder):
    settings = "reading.split_bytes=5000", "shards.target_shard_tokens=5000"
    plan = make_plan(recipe_over(folder, *settings))  # half a token a byte: 10,000 bytes a shard
    assert [s.shard for s in plan.splits] == [0, 0, 1, 1, 2, 2, 2]


def test_the_plan_survives_its_file(folder, tmp_path):
    plan = make_plan(recipe_over(folder))
    (tmp_path / "plan.jsonl").write_bytes(plan_bytes(plan.splits))
    again = make_plan(recipe_over(folder))
    assert list(read_plan(str(tmp_path))) == plan.splits == again.splits


def test_no_input_is_a_mistake_that_is_told(tmp_path):
    with pytest.raises(RecipeError, match=r"samples\.yaml: sources\.c4\.input: no file matches"):
        make_plan(recipe_over(tmp_path))


def test_two_files_of_one_name_are_refused(folder):
    pattern = f"[{folder}/c4/*.jsonl, {folder}/c4/deep/*.jsonl]"
    (folder / "c4" / "deep" / "a.jsonl").write_bytes(b"{}\n")
    with pytest.raises(RecipeError, match=r"would both be called c4/a\.jsonl"):
        make_plan(recipe_over(folder, f"sources.c4.input={pattern}"))


def test_descriptors_need_a_package_that_is_named_before_work_starts(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    columns = "{text_column: text, url_column: null, metadata_columns: []}"
    reads = f"sources.c4.reader={{huggingface: {columns}}}"
    recipe = recipe_over(folder, reads, f"sources.c4.input=[{folder}/c4/*]")
    assert make_plan(recipe)
    (folder / "c4" / "d.hf.yaml").write_text("path: json")
    error = r"sources\.c4\.input: c4/d\.hf\.yaml: datasets is not installed; run pip install '.\[hu"
    with pytest.raises(RecipeError, match=error):
        make_plan(recipe)


def test_the_estimate_counts_files_and_the_shuffle(folder):
    recipe = recipe_over(folder)
    expected = make_plan(recipe).estimate(recipe.source("c4"))
    assert (expected.files, expected.splits, expected.shards) == (3, 3, 1)
    assert expected.shuffle_bytes == expected.largest_window_bytes > 0
    (folder / "c4" / "d.json").write_bytes(b'{"text": "another"}\n' * 1000)
    recipe = recipe_over(folder, "sources.c4.steps.deduplicate_documents.window_files=1")
    windowed = make_plan(recipe).estimate(recipe.source("c4"))
    assert windowed.largest_window_bytes < windowed.shuffle_bytes


@pytest.mark.parametrize(
    ("source", "choice", "is_kept"),
    [
        ("wikipedia", "auto", True),
        ("arxiv", "auto", False),  # a single pass reads it
        ("commoncrawl", "auto", False),
        ("stackexchange", "always", False),
        ("wikipedia", "never", False),
        *(
            (source, "always", True)
            for source in ("wikipedia", "books", "arxiv", "commoncrawl_warc")
        ),
    ],
)
def test_the_estimate_has_the_documents_that_are_kept(source, choice, is_kept, tmp_path):
    """It is on the safe side of what the demo's documents take, which are few."""
    recipe = load_recipe(
        str(ROOT / "recipes" / "demo.yaml"), [f"reading.keep_documents={choice}"], [source]
    )
    plan = make_plan(recipe)
    estimated = plan.estimate(recipe.sources[0]).kept_bytes
    assert bool(estimated) == is_kept
    if is_kept:
        until = min([*recipe.sources[0].shuffle_positions, len(recipe.sources[0].steps)])
        for split in plan.splits:
            list(process_split(split, recipe, str(tmp_path), Tally(), until=until, keeps=True))
        taken = sum(path.stat().st_size for path in tmp_path.rglob("*.arrow"))
        overhead = 20_000 * len(plan.splits)  # of small files, which have an index too
        assert estimated / 5 < taken < estimated + overhead


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("commoncrawl", ["wet/goose3.warc.wet.gz", "wet/readability.warc.wet.gz"]),
        ("commoncrawl_warc", ["warc/goose3.warc.gz"]),
    ],
)
def test_the_estimate_of_a_shuffle_is_on_the_safe_side_of_real_pages(
    source, files, shared_data, shared_models
):
    paths = [f"{shared_data}/commoncrawl/{name}" for name in files]
    given = [f"data={shared_data}", f"models={shared_models}", f"sources.{source}.input={paths}"]
    recipe = load_recipe(str(ROOT / "recipes" / "samples.yaml"), given, [source])
    plan = make_plan(recipe)
    (step,) = recipe.source(source).shuffle_positions
    lines = sum(
        pc.sum(pc.add(pc.count_substring(batch["text"], "\n"), 1)).as_py()
        for split in plan.splits
        for batch in process_split(split, recipe, "", Tally(), until=step)
    )
    estimated = plan.estimate(recipe.source(source)).shuffle_bytes
    assert 1 < estimated / (lines * FINGERPRINT_BYTES_PER_UNIT) < 2.5
