"""The size of a shuffle's keys, which Spark holds in memory. The plan's partitions bound it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.output.decisions import decision_name
from pipeline.output.layout import Split
from pipeline.output.ledger import Tally
from pipeline.passes.estimates import shuffle_bytes, unpacked_bytes, window_of
from pipeline.passes.first.fingerprint import chunks
from pipeline.passes.first.first_passes import waves
from pipeline.passes.plan import MIN_PARTITIONS, Plan, make_plan
from pipeline.passes.process import process_split
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import PARTITION_BYTES
from pipeline.runners.spark import tasks_of
from tests.support.runs import ROOT
from transforms.dedup.exact import fingerprint, partition_bounds
from transforms.dedup.near import DeduplicateNear

MEGABYTE, GIGABYTE = 10**6, 10**9


def recipe_of(name: str) -> Recipe:
    path = ROOT / "recipes" / name
    variables = yaml.safe_load(path.read_text())["variables"]
    unset = [variable for variable, value in variables.items() if value is None]
    return load_recipe(str(path), [f"{one}=/{one}" for one in unset], check_files=False)


def large_plan(recipe: Recipe, source: str, suffix: str, n_files: int, file_bytes: int) -> Plan:
    """Return the plan of a source that is downloaded whole, one split a file."""
    splits = [
        Split(source, i, f"/data/{i}{suffix}", f"{source}/{i}{suffix}", 0, None, file_bytes, 0.0, i,
              i, "documents")
        for i in range(n_files)
    ]  # fmt: skip
    return Plan(recipe, splits)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "source", "suffix", "n_files", "file_bytes", "least"),
    [
        # Part of a Common Crawl dump, in CCNet's windows of 1,946 partitions each.
        ("llama.yaml", "commoncrawl", ".warc.wet.gz", 6_400, 120 * MEGABYTE, 4 * 1_946),
        ("llama.yaml", "books", ".txt", 200_000, 500_000, MIN_PARTITIONS),
        ("fineweb.yaml", "commoncrawl", ".warc.gz", 6_400, 1 * GIGABYTE, 1_900),
    ],
)
def test_no_key_of_a_large_plan_holds_more_than_a_partition(
    tmp_path, recipe, source, suffix, n_files, file_bytes, least
):
    recipe = recipe_of(recipe)
    plan = large_plan(recipe, source, suffix, n_files, file_bytes)
    one = recipe.source(source)
    n_partitions = 0
    for wave in waves(plan, str(tmp_path), math.inf):
        sizes: Counter[tuple[int, int]] = Counter()
        for split in plan.splits:
            for step in one.shuffle_positions:
                sizes[step, window_of(one, step, split)] += unpacked_bytes(split)
        for window in wave:
            size = shuffle_bytes(one, window.step, sizes[window.step, window.number])
            assert size / window.n_partitions <= PARTITION_BYTES
            n_partitions += window.n_partitions
    assert n_partitions >= least


def test_windows_that_fit_go_together_and_those_that_are_decided_go_never(tmp_path):
    recipe = recipe_of("llama.yaml")
    plan = large_plan(recipe, "commoncrawl", ".warc.wet.gz", 6_400, 120 * MEGABYTE)
    ((key, windows),) = ((key, made) for key, made in plan.windows.items() if len(made) > 1)
    limit = 2 * max(window.shuffle_bytes for window in windows)
    made = list(waves(plan, str(tmp_path), limit))
    assert [window.number for wave in made for window in wave] == list(range(len(windows)))
    assert [len(wave) for wave in made] == [2] * (len(windows) // 2) + [1] * (len(windows) % 2)
    assert len(list(waves(plan, str(tmp_path), 1))) == len(windows), "each is made, whatever it is"
    for split in windows[0].splits:
        decided = tmp_path / decision_name(*key, split.split)
        decided.parent.mkdir(parents=True, exist_ok=True)
        decided.touch()
    left = [window.number for wave in waves(plan, str(tmp_path), math.inf) for window in wave]
    assert left == list(range(1, len(windows)))


@pytest.mark.parametrize(
    ("recipe", "source", "suffix", "file_bytes", "most"),
    [
        ("llama.yaml", "books", ".txt", 500_000, MEGABYTE),
        ("fineweb.yaml", "commoncrawl", ".warc.gz", GIGABYTE, 165 * MEGABYTE),
        ("dclm.yaml", "commoncrawl", ".warc.gz", GIGABYTE, 235 * MEGABYTE),
    ],
)
def test_pairs_of_a_split_stay_small_were_all_documents_alike(
    recipe, source, suffix, file_bytes, most
):
    recipe = recipe_of(recipe)
    one = recipe.source(source)
    (split,) = large_plan(recipe, source, suffix, 1, file_bytes).splits
    (step,) = (s for s in one.steps if s.target is DeduplicateNear)
    near = step.deduplication
    assert isinstance(near, DeduplicateNear)
    typical = one.reader.typical
    text_bytes = unpacked_bytes(split) * typical.text_fraction
    n_documents = max(1, text_bytes / typical.document_bytes)
    assert n_documents * near.bands * near.max_neighbours * 24 <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "source", "suffix", "n_files", "file_bytes", "mine"),
    [
        ("llama.yaml", "commoncrawl", ".warc.wet.gz", 6_400, 120 * MEGABYTE, 7_782),
        ("llama.yaml", "books", ".txt", 200_000, 500_000, 375),
        ("fineweb.yaml", "commoncrawl", ".warc.gz", 2_000, 1 * GIGABYTE, 2_836),
        ("fineweb.yaml", "commoncrawl", ".warc.gz", 1, 10_000, 1),
        ("llama.yaml", "wikipedia", ".xml.bz2", 20, 1 * GIGABYTE, 0),  # nothing is shuffled
    ],
)
def test_tasks_are_as_many_as_what_they_put_out_asks_for(
    recipe, source, suffix, n_files, file_bytes, mine
):
    recipe = recipe_of(recipe)
    plan = large_plan(recipe, source, suffix, n_files, file_bytes)
    tasks = tasks_of(plan)
    assert tasks == (mine, n_files)
    for step in recipe.source(source).shuffle_positions:
        for window in plan.windows[source, step]:
            assert window.shuffle_bytes / tasks.for_memory <= PARTITION_BYTES


def test_partitions_of_joined_records_are_sized_from_the_archives(tmp_path):
    archive = tmp_path / "data" / "stackexchange" / "stackoverflow.com-Posts.7z"
    archive.parent.mkdir(parents=True)
    with archive.open("wb") as file:
        file.write(b"7z\xbc\xaf\x27\x1c")
        file.truncate(20 * GIGABYTE)  # 20 GB of archive, about 100 GB of posts
    recipe = load_recipe(
        str(ROOT / "recipes" / "samples.yaml"),
        [f"data={tmp_path / 'data'}", "models=/models"], ["stackexchange"], check_files=False,
    )  # fmt: skip
    plan = make_plan(recipe)
    n_partitions = len(plan.documents)
    archives = [split for split in plan.splits if split.holds == "records"]
    assert tasks_of(plan).n_splits == n_partitions
    assert tasks_of(Plan(recipe, archives * 3000)).n_splits == 3000  # many small partitions
    assert 100 * GIGABYTE / n_partitions <= recipe.reading.joined_part_bytes


def test_real_text_has_no_more_fingerprints_than_the_plan_says(shared_data: Path):
    recipe = load_recipe(
        str(ROOT / "recipes" / "samples.yaml"), [f"data={shared_data}", "models=/models"],
        ["commoncrawl", "c4"], check_files=False,
    )  # fmt: skip
    for split in make_plan(recipe).splits:
        source = recipe.source(split.source)
        (step,) = source.shuffle_positions
        deduplicate = source.steps[step].deduplication
        batches = process_split(split, recipe, "unused", Tally(), until=step)
        found = 12 * sum(len(one.keys) for _, one in chunks(map(deduplicate.units, batches)))
        assert 0 < found <= shuffle_bytes(source, step, unpacked_bytes(split)), split.name


def test_hashes_fill_partitions_evenly():
    keys = np.random.default_rng(0).integers(0, 2**64, 1_000_000, np.uint64)
    bounds = partition_bounds(fingerprint(keys, np.arange(len(keys)), 0).keys, 100)
    assert np.diff(bounds).max() < 1.05 * len(keys) / 100
