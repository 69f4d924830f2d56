"""Splits dealt out to processes of one machine: each once, the largest first, to who is free."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.output import whole_files
from pipeline.output.layout import PLAN_NAME, Shard, Split, plan_bytes, read_plan, read_shards
from pipeline.passes.dealing import TakeTurns, hands, size_of
from pipeline.passes.first.rounds import Round
from pipeline.passes.from_plan import FromPlan

SIZES = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture
def output(tmp_path: Path) -> str:
    plan = [
        Split("c4", i, f"/data/{i}", f"c4/{i}", 0, None, size, 0.0, i, i // 3, "documents")
        for i, size in enumerate(SIZES)
    ]
    whole_files.write_bytes(str(tmp_path), PLAN_NAME, plan_bytes(plan))
    return str(tmp_path)


def test_every_element_is_taken_once_and_the_largest_are_first(output):
    with whole_files.attempt(output):
        deal = TakeTurns(output)
        one, two = (deal.process(hand) for hand in hands(output, read_plan, [], 2))
        taken = [next(one), next(two), next(two), next(two), *one]
        assert [split.n_bytes for split in taken] == sorted(SIZES, reverse=True)
        assert len({split.split for split in taken}) == len(SIZES)
        assert list(two) == []


def test_a_pipeline_deals_anew(output):
    with whole_files.attempt(output):
        (hand,) = hands(output, read_shards, [], 1)
        for _ in range(2):
            numbers = [shard.shard for shard in TakeTurns(output).process(hand)]
            assert numbers == [1, 0, 2]


def test_the_size_of_an_element_is_that_of_its_splits(output):
    splits = list(read_plan(output))
    assert size_of((Round("c4", 0, 0, 8), splits[2])) == 4
    assert size_of((splits[4], 70)) == 5
    assert size_of(Shard("c4", 0, splits[:3])) == 3 + 1 + 4


def labels(pipeline: beam.Pipeline, output: str) -> str:
    _ = pipeline | FromPlan(output, read_plan)
    return str(pipeline.to_runner_api())


def test_only_processes_of_this_machine_take_turns(output):
    two, one = (PipelineOptions([f"--direct_num_workers={n}"]) for n in (2, 1))
    assert "TakeTurns" in labels(beam.Pipeline(FnApiRunner(), two), output)
    assert "TakeTurns" not in labels(beam.Pipeline(FnApiRunner(), one), output)
    assert "TakeTurns" not in labels(beam.Pipeline("SparkRunner", two), output)
    assert "TakeTurns" not in labels(beam.Pipeline(FnApiRunner(), two), "gs://bucket/out")


def test_an_element_that_is_listed_reaches_one_worker(output):
    options = PipelineOptions(["--direct_num_workers=2"])
    with whole_files.attempt(output):
        with beam.Pipeline(FnApiRunner(), options) as pipeline:
            numbers = pipeline | FromPlan(output, read_plan) | beam.Map(lambda split: split[1])
            _ = numbers | beam.combiners.ToList() | beam.Map(_write, output)
        assert Path(output, "numbers").read_text() == "01234567"


def _write(numbers: list[int], output: str) -> None:
    Path(output, "numbers").write_text("".join(map(str, sorted(numbers))))
