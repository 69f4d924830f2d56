"""The graph that the runner gets: its size is constant, and no text is in a shuffle."""

from __future__ import annotations

import json

import apache_beam as beam
import pytest
from apache_beam.coders import Coder, StrUtf8Coder, VarIntCoder, registry
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipeline.output import whole_files
from pipeline.output.layout import PLAN_NAME, Split, plan_bytes
from pipeline.passes.first.fingerprint import FingerprintSplits
from pipeline.passes.first.join_records import JoinRecords
from pipeline.passes.first.near_duplicates import FindNearDuplicates
from pipeline.passes.first.rounds import Round
from pipeline.passes.shards.build import BuildShards
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT
from transforms.dedup.exact import MAX_UNITS

pytestmark = pytest.mark.slow


def pipeline_of(output: str, n_files: int) -> beam.Pipeline:
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
    _ = pipeline | FindNearDuplicates(recipe_json, output, rounds, "first")
    _ = pipeline | BuildShards(recipe_json, output)
    return pipeline


def graph(output: str, n_files: int) -> str:
    return str(pipeline_of(output, n_files).to_runner_api())


class Groupings(PipelineVisitor):
    """Collects the coders of what is grouped by key, by the groupings' labels."""

    def __init__(self) -> None:
        self.coders: dict[str, Coder] = {}

    def visit_transform(self, node: AppliedPTransform) -> None:
        if isinstance(node.transform, beam.GroupByKey):
            (grouped,) = node.inputs
            self.coders[node.full_label] = registry.get_coder(grouped.element_type)

    enter_composite_transform = visit_transform


def test_the_graph_does_not_grow_with_the_input(tmp_path):
    one, many = graph(str(tmp_path), 1), graph(str(tmp_path), 2_000)
    assert len(one) == pytest.approx(len(many), rel=0.005)
    assert "file0" not in many


def test_expand_reads_as_labelled_verbs(tmp_path):
    made = graph(str(tmp_path), 1)
    for label in ("ListSplits", "SpreadSplits", "Fingerprint", "GroupByPartition", "Decide",
                  "GroupBySplit", "WriteDecisions", "ListMissingShards", "BuildShard"):  # fmt: skip
        assert label in made


def test_the_same_key_has_the_same_bytes_on_any_runner(tmp_path):
    groupings = Groupings()
    pipeline_of(str(tmp_path), 1).visit(groupings)
    shuffles = {label: c for label, c in groupings.coders.items() if "Spread" not in label}
    assert len(shuffles) == 8
    for label, coder in shuffles.items():
        key, _ = coder.coders()
        assert all(type(one) in (StrUtf8Coder, VarIntCoder) for one in key.coders()), label
        assert key.is_deterministic(), label
        assert key == key.as_deterministic_coder(label)  # Beam takes no other in its place


def test_keys_of_pairs_hold_any_reference_to_a_document(tmp_path):
    groupings = Groupings()
    pipeline_of(str(tmp_path), 1).visit(groupings)
    key, _ = groupings.coders["FindNearDuplicates/GroupByPair"].coders()
    last = (MAX_UNITS - 1) << 32 | 0xFFFFFFFF
    assert key.decode(key.encode(("wiki/é", 3, 0, last))) == ("wiki/é", 3, 0, last)
