"""Parts of fingerprints that are shuffled as they are, and by their places in files."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from pipeline.output import whole_files
from pipeline.output.layout import PLAN_NAME, plan_bytes, read_plan
from pipeline.passes.first.fingerprint import (
    DecidePartition,
    FingerprintSplit,
    Reference,
    read_fingerprints,
    read_part,
)
from pipeline.passes.first.first_passes import round_of, waves
from pipeline.passes.first.rounds import splits_of_rounds
from pipeline.passes.plan import Plan, make_plan
from pipeline.passes.process import cached_recipe
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT
from transforms.dedup.exact import partition_bounds

REFERENCE_BYTES = 8 * len(Reference._fields)


def by_tag(emitted: Any, into: dict[str, list[Any]]) -> None:
    for one in emitted:
        tagged = isinstance(one, beam.pvalue.TaggedOutput)
        into[one.tag if tagged else "main"].append(one.value if tagged else one)


def first_pass(output: str, recipe_json: str, *, by_reference: bool) -> dict[str, list[Any]]:
    """Return what the two steps of a pass over the demo's WET pages put out."""
    plan = Plan(cached_recipe(recipe_json), list(read_plan(output)))
    ((window,),) = waves(plan, output, math.inf)
    rounds = [round_of(window)._replace(n_partitions=5)]
    made: dict[str, list[Any]] = defaultdict(list)
    make = FingerprintSplit(recipe_json, output, "count", by_reference=by_reference)
    for element in splits_of_rounds(output, recipe_json, rounds):
        by_tag(make.process(element), made)
    parts = made.pop("main")
    assert len(parts) > 10
    assert all((len(part) == REFERENCE_BYTES) == by_reference for _, part in parts)
    groups: dict[Any, list[bytes]] = defaultdict(list)
    for key, part in parts:
        groups[key].append(part)
    decide = DecidePartition(recipe_json, output, by_reference=by_reference)
    for group in groups.items():
        by_tag(decide.process(group), made)
    return made


def planned(output: Path, monkeypatch: pytest.MonkeyPatch, *settings: str) -> str:
    """Write the plan of the demo's WET pages, in small chunks, and return the recipe as JSON."""
    monkeypatch.setattr("pipeline.passes.first.fingerprint.CHUNK_UNITS", 300)
    given = ["reading.batch_bytes=65536", *settings]
    recipe = load_recipe(str(ROOT / "recipes" / "demo.yaml"), given, ["commoncrawl"])
    whole_files.write_bytes(str(output), PLAN_NAME, plan_bytes(make_plan(recipe).splits))
    return json.dumps(recipe.mapping)


@pytest.mark.parametrize("keep", ["none", "first"])
def test_decisions_do_not_depend_on_how_parts_are_sent(tmp_path: Path, monkeypatch, keep: str):
    setting = f"sources.commoncrawl.steps.deduplicate_lines.keep={keep}"
    recipe_json = planned(tmp_path, monkeypatch, setting)
    sent, referenced = (
        first_pass(str(tmp_path), recipe_json, by_reference=choice) for choice in (False, True)
    )
    assert sent == referenced and sum(len(units) for _, units in sent["main"]) > 1000


def test_a_part_is_read_as_it_is_in_its_chunk(tmp_path: Path, monkeypatch):
    first_pass(str(tmp_path), planned(tmp_path, monkeypatch), by_reference=False)
    largest = max(tmp_path.rglob("*.fp"), key=lambda path: path.stat().st_size)
    name = largest.relative_to(tmp_path).as_posix()
    chunks = list(read_fingerprints(str(tmp_path), name))
    assert len(chunks) > 1
    for at, _, chunk in chunks:
        for start, stop in pairwise(partition_bounds(chunk.keys, 3).tolist()):
            reference = Reference(7, at, len(chunk.keys), start, stop)
            part = read_part(str(tmp_path), name, reference)
            assert part.split == 7 and part.keys.tolist() == chunk.keys[start:stop].tolist()
            assert part.firsts.tolist() == chunk.firsts[start:stop].tolist()
