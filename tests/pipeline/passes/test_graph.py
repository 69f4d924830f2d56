"""What the runner is given: a graph of constant size, without text in a shuffle."""

from __future__ import annotations

import json

import apache_beam as beam
import pytest

from pipeline.output import whole_files
from pipeline.output.layout import PLAN_NAME, Split, plan_bytes
from pipeline.passes.build import BuildShards
from pipeline.passes.fingerprint import FingerprintSplits
from pipeline.passes.join_records import JoinRecords
from pipeline.passes.rounds import Round
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT


def graph(output: str, n_files: int) -> str:
    plan = [
        Split("c4", i, f"/data/c4/file{i}", f"c4/file{i}", 0, None, 10, 0.0, i, i, "documents")
        for i in range(n_files)
    ]
    whole_files.write_bytes(output, PLAN_NAME, plan_bytes(plan))
    recipe_json = json.dumps(load_recipe(str(ROOT / "recipes" / "demo.yaml")).mapping)
    pipeline = beam.Pipeline()
    rounds = [Round("c4", 0, 0, 8)]
    _ = pipeline | JoinRecords(recipe_json, output, "stackexchange", "join")
    _ = pipeline | FingerprintSplits(recipe_json, output, rounds, "first")
    _ = pipeline | BuildShards(recipe_json, output)
    return str(pipeline.to_runner_api())


def test_the_graph_does_not_grow_with_the_input(tmp_path):
    one, many = graph(str(tmp_path), 1), graph(str(tmp_path), 2_000)
    assert len(one) == pytest.approx(len(many), rel=0.005)
    assert "file0" not in many


def test_expand_reads_as_labelled_verbs(tmp_path):
    made = graph(str(tmp_path), 1)
    for label in ("ListSplits", "SpreadSplits", "Fingerprint", "GroupByPartition", "Decide",
                  "GroupBySplit", "WriteDecisions", "ListMissingShards", "BuildShard"):  # fmt: skip
        assert label in made
