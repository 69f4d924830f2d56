"""A third kind of deduplication touches nothing but its own file: the passes and looks take it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from pipeline.errors import RunError
from pipeline.inspection.dropped_texts import texts_when_dropped
from pipeline.inspection.explain import explain
from pipeline.passes.first.deduplications import FIRST_PASSES, first_pass_of
from pipeline.passes.first.fingerprint import FingerprintSplits
from pipeline.passes.first.near_duplicates import FindNearDuplicates
from tests.support.edited_recipes import refused
from tests.support.runs import run_demo
from tests.support.third_deduplication import REASON, DeduplicateTitles
from tests.test_other_sources import kept
from transforms.dedup.deduplication import Deduplication
from transforms.dedup.exact import DeduplicateLines
from transforms.registry import DEDUPLICATIONS, STEPS

PAGES = [
    ["One title\nfirst text", "Other title\nsecond text"],
    ["One title\nx", "One title\nthird"],
]
STEP = "[{tests.support.third_deduplication.DeduplicateTitles: {keep: first, min_chars: 5}}]"


def test_a_deduplication_of_ones_own_is_run_and_looked_at(tmp_path):
    data, output = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for i, pages in enumerate(PAGES):
        lines = (json.dumps({"text": page, "url": "https://a.org"}) + "\n" for page in pages)
        (data / f"{i}.json").write_text("".join(lines))
    settings = {"sources.c4.input": f"['{data}/*.json']", "sources.c4.steps": STEP}
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    assert run_demo(output, "--sources", "c4", *options) == 0
    short, third = "c4/1.json#0", [i for i in kept(output, "c4") if i.startswith("c4/1")]
    assert len(kept(output, "c4")) == 3 and third == [third[0]] != [short]

    told = explain(str(output), third[0])
    assert told["text"] == "third"
    copy = {"source": "c4", "id": "c4/0.json#0", "stays": True}
    removed = [{"line": 0, "text": "One title", "reason": REASON, "copy": copy}]
    assert [one.get("removed_lines") for one in told["decisions"][:2]] == [None, removed]

    told = explain(str(output), short)
    assert told["dropped_by"] == "too_short"
    step = told["dropped_at"]
    assert texts_when_dropped(str(output), "c4", 0, {short: step}) == {short: "One title\nx"}


def test_every_named_kind_has_a_first_pass():
    assert first_pass_of(DeduplicateTitles(keep="none", min_chars=0)) is FingerprintSplits
    assert first_pass_of(DeduplicateLines(keep="none")) is FingerprintSplits
    for name in DEDUPLICATIONS:
        assert set(STEPS[name].__mro__) & set(FIRST_PASSES), name
    assert {FingerprintSplits, FindNearDuplicates} == set(FIRST_PASSES.values())


def test_a_kind_without_a_first_pass_is_told():
    @dataclass(frozen=True)
    class Nameless(Deduplication):
        def shuffle_bytes(self, text_bytes, document_bytes):
            return 0

        def apply(self, batch, units, kept):
            return batch

    with pytest.raises(RunError, match=r"Nameless .* pipeline/passes/first/deduplications.py"):
        first_pass_of(Nameless())


def test_a_class_that_is_no_deduplication_is_refused(tmp_path):
    step = "tests.support.third_deduplication.NoDeduplication"
    refused(
        tmp_path, lambda raw: raw["sources"]["c4"].update(steps=[step]),
        "sources.c4.steps[0]", "NoDeduplication' is no Deduplication",
    )  # fmt: skip
