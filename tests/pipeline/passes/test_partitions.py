"""What a key of a shuffle holds, which Spark holds in memory: bounded by the plan's partitions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import yaml

from pipeline.output.layout import Split
from pipeline.output.ledger import Tally
from pipeline.passes.estimates import (
    PARTITION_BYTES,
    shuffle_bytes,
    tasks_of,
    unpacked_bytes,
    window_of,
    window_sizes,
)
from pipeline.passes.fingerprint import chunks
from pipeline.passes.first_passes import MIN_PARTITIONS, waves
from pipeline.passes.plan import make_plan
from pipeline.passes.process import process_split
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from tests.support.runs import ROOT
from transforms.dedup.exact import fingerprint, partition_bounds
from transforms.dedup.near import DeduplicateNear

ON_SPARK = Execution(lambda _: beam.Pipeline(), False, 0)

MEGABYTE, GIGABYTE = 10**6, 10**9


def recipe_of(name: str) -> Recipe:
    path = ROOT / "recipes" / name
    variables = yaml.safe_load(path.read_text())["variables"]
    unset = [variable for variable, value in variables.items() if value is None]
    return load_recipe(str(path), [f"{one}=/{one}" for one in unset], check_files=False)


def large_plan(source: str, suffix: str, n_files: int, file_bytes: int) -> list[Split]:
    """The splits of a source that is downloaded whole, a file each."""
    return [
        Split(source, i, f"/data/{i}{suffix}", f"{source}/{i}{suffix}", 0, None, file_bytes, 0.0, i,
              i, "documents")
        for i in range(n_files)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "source", "suffix", "n_files", "file_bytes", "least"),
    [
        # Part of a dump of Common Crawl, in CCNet's windows, each of which takes 1,946 partitions.
        ("llama.yaml", "commoncrawl", ".warc.wet.gz", 6_400, 120 * MEGABYTE, 4 * 1_946),
        ("llama.yaml", "books", ".txt", 200_000, 500_000, MIN_PARTITIONS),
        ("fineweb.yaml", "commoncrawl", ".warc.gz", 6_400, 1 * GIGABYTE, 1_900),
    ],
)
def test_no_key_of_a_large_plan_holds_more_than_a_partition(
    tmp_path, recipe, source, suffix, n_files, file_bytes, least
):
    recipe = recipe_of(recipe)
    plan = large_plan(source, suffix, n_files, file_bytes)
    one = recipe.source(source)
    n_partitions = 0
    for wave in waves(recipe, plan, str(tmp_path), ON_SPARK):
        sizes: Counter[tuple[int, int]] = Counter()
        for split in plan:
            for step in one.shuffle_positions:
                sizes[step, window_of(one, step, split)] += unpacked_bytes(split)
        for round_ in wave:
            size = shuffle_bytes(one, round_.step, sizes[round_.step, round_.window])
            assert size / round_.n_partitions <= PARTITION_BYTES
            n_partitions += round_.n_partitions
    assert n_partitions >= least


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
    one = recipe_of(recipe).source(source)
    (split,) = large_plan(source, suffix, 1, file_bytes)
    (step,) = (s for s in one.steps if s.target is DeduplicateNear)
    near = step.deduplication
    assert isinstance(near, DeduplicateNear)
    typical = one.reader.typical
    text_bytes = unpacked_bytes(split) * typical.text_fraction
    n_documents = max(1, text_bytes / typical.document_bytes)
    assert n_documents * near.bands * near.max_neighbours * 24 <= most


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
    plan = large_plan(source, suffix, n_files, file_bytes)
    tasks = tasks_of(recipe, plan)
    assert tasks == (mine, n_files)
    one = recipe.source(source)
    for step in one.shuffle_positions:
        for size in window_sizes(one, plan, step).values():
            assert size / tasks.for_memory <= PARTITION_BYTES


def test_partitions_of_joined_records_are_sized_from_the_archives(tmp_path):
    archive = tmp_path / "data" / "stackexchange" / "stackoverflow.com-Posts.7z"
    archive.parent.mkdir(parents=True)
    with archive.open("wb") as file:
        file.write(b"7z\xbc\xaf\x27\x1c")
        file.truncate(20 * GIGABYTE)  # of a hundred of posts
    recipe = load_recipe(
        str(ROOT / "recipes" / "samples.yaml"),
        [f"data={tmp_path / 'data'}", "models=/models"], ["stackexchange"], check_files=False,
    )  # fmt: skip
    plan = make_plan(recipe)
    n_partitions = sum(split.holds == "documents" for split in plan)
    archives = [split for split in plan if split.holds == "records"]
    assert tasks_of(recipe, plan).n_splits == n_partitions
    assert tasks_of(recipe, archives * 3000).n_splits == 3000  # many small ones
    assert 100 * GIGABYTE / n_partitions <= recipe.reading.joined_part_bytes


def test_real_text_has_no_more_fingerprints_than_the_plan_says(shared_data: Path):
    recipe = load_recipe(
        str(ROOT / "recipes" / "samples.yaml"), [f"data={shared_data}", "models=/models"],
        ["commoncrawl", "c4"], check_files=False,
    )  # fmt: skip
    for split in make_plan(recipe):
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
