"""Decontamination and Gopher's rules in a run of the demo, and their record in ``explain``."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml

import beam_runner
from pipeline.commands.main import main
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import statistics
from tests.support.plain import gopher as plain_gopher
from tests.support.runs import ROOT

SAMPLES = ROOT / "samples"
QUALITY = {**plain_gopher.QUALITY, "min_words": 60}
FILE = "c4-train.00000-of-00002.json.gz"


def write_recipe(folder: Path, evaluation_set: Path) -> Path:
    """Write the demo's recipe with filters for C4."""
    recipe = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    recipe["variables"] = {"data": str(SAMPLES / "data"), "models": str(SAMPLES / "models")}
    recipe["sources"]["c4"]["steps"] = [
        {"filter_gopher_repetition": plain_gopher.REPETITION},
        {"filter_gopher_quality": QUALITY},
        {
            "decontaminate": {
                "evaluation_sets": [str(evaluation_set)],
                "fields": ["question"],
                "n_gram_words": 13,
                "min_item_words": 8,
            }
        },
    ]
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def run(recipe: Path, output: Path) -> int:
    return beam_runner.main(
        ["--recipe", str(recipe), "--sources", "c4", "--output", str(output), "--workers", "1"]
    )


def test_explain_names_the_item_that_a_document_shares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = gzip.decompress((SAMPLES / "data" / "c4" / FILE).read_bytes()).split(b"\n")
    texts = [json.loads(line)["text"] for line in lines if line]
    number = next(i for i in range(10, 99) if not plain_gopher.quality_reason(texts[i], **QUALITY))
    words = texts[number].split()
    offset = sum(len(line) + 1 for line in lines[:number])
    questions = [{"question": "Short?"}, {"question": " ".join(words[20:50]).upper() + "?"}]
    evaluation_set = tmp_path / "quiz.jsonl"
    evaluation_set.write_text("\n".join(map(json.dumps, questions)))
    output = tmp_path / "out"
    assert run(write_recipe(tmp_path, evaluation_set), output) == 0

    identifier = f"c4/{FILE}#{offset}"
    found = explain(str(output), identifier)
    assert (found["dropped_by"], found["dropped_at"]) == ("contaminated", "decontaminate")
    told = json.loads(found["decisions"][-1]["columns"]["metadata"])["contaminated_by"]
    assert (told["file"], told["line"]) == (str(evaluation_set), 2)
    capsys.readouterr()
    assert main(["explain", str(output), identifier]) == 0
    printed = "".join(capsys.readouterr().out.replace("│", " ").split())
    assert "contaminated" in printed and "quiz.jsonl" in printed
    funnel = statistics(str(output))["sources"]["c4"]["funnel"]
    dropped = {(r["step"], r["reason"]) for r in funnel if r["outcome"] == "dropped"}
    assert ("decontaminate", "contaminated") in dropped
    assert ("filter_gopher_quality", "gopher_words") in dropped
    assert main(["verify", str(output)]) == 0


def test_a_bad_evaluation_set_stops_the_run_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation_set = tmp_path / "quiz.jsonl"
    evaluation_set.write_text('{"question": "Who?"}\nWho?\n')
    output = tmp_path / "out"
    assert run(write_recipe(tmp_path, evaluation_set), output) != 0
    told = capsys.readouterr().err
    where = "sources.c4.steps.decontaminate.evaluation_sets"
    assert f"{where}: {evaluation_set}, line 2: not JSON" in told
    assert not output.exists()
