"""The steps on the first records of each source, as ``--dry_run`` tries them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.commands.main import main
from pipeline.passes.plan import make_plan
from pipeline.recipe.from_yaml import load_recipe
from pipeline.starting import trial
from pipeline.starting.trial import Trial, try_recipe
from tests.support.runs import ROOT

DEMO = str(ROOT / "recipes" / "demo.yaml")


def tried(*settings: str, source: str = "c4") -> Trial:
    recipe = load_recipe(DEMO, settings, [source])
    (made,) = try_recipe(recipe, make_plan(recipe, with_checksums=False))
    return made


def written(folder: Path, texts: list[str]) -> str:
    """Write texts where the demo's C4 is read from, and return the setting."""
    (folder / "c4").mkdir(parents=True)
    rows = [{"text": text, "url": "https://a.example/", "timestamp": "t"} for text in texts]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "c4" / "a.json").write_text(lines)
    return f"data={folder}"


STEPS = "sources.c4.steps=[{drop_short: {min_chars: 5}}, deduplicate_documents: {keep: first}]"
INPUT = "sources.c4.input=[${data}/c4/*.json]"


def test_drops_are_counted_and_shown_by_step(tmp_path):
    data = written(tmp_path, ["a page of text", "", "abc", "another page", "de", "abc"])
    made = tried(data, INPUT, STEPS)
    assert (made.read, made.kept, made.left_out) == (6, 2, ["deduplicate_documents"])
    assert made.drops == {("drop_short", "too_short"): 3, ("read", "empty"): 1}
    example = made.examples["drop_short", "too_short"]
    assert example.text == "abc" and example.id.startswith("c4/a.json#")


def test_a_hundred_records_are_read_of_many(tmp_path, monkeypatch):
    data = written(tmp_path, [f"page {i} " * 100 for i in range(20_000)])
    given = []
    plain = trial.read_split

    def watched(*arguments):
        for batch in plain(*arguments):
            given.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(trial, "read_split", watched)
    made = tried(data, INPUT, STEPS)
    assert made.read == made.kept == 100 and sum(given) < 2_000


def test_time_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", -1.0)
    monkeypatch.setattr(trial, "BATCH_BYTES", 1_000)
    made = tried(written(tmp_path, [f"page {i} " * 100 for i in range(300)]), INPUT, STEPS)
    assert made.is_cut_short and 0 < made.read < 100


def test_a_pipe_is_left_to_the_run(tmp_path):
    (tmp_path / "c4").mkdir()
    os.mkfifo(tmp_path / "c4" / "a.json.gz")
    made = tried(f"data={tmp_path}")
    assert made.read == 0 and str(tmp_path / "c4" / "a.json.gz") in made.left_out


def test_questions_are_joined_with_the_answers_that_were_read():
    made = tried(source="stackexchange")
    assert made.kept > 0 and made.drops["read", "answer_without_question"] == 1


def test_a_step_that_raises_is_told_and_so_is_what_others_do(tmp_path, capsys, monkeypatch):
    (tmp_path / "own_steps_that_raise.py").write_text(
        "def fail(batch):\n    raise KeyError('no such thing')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    steps = "sources.c4.steps=[own_steps_that_raise.fail: {}]"
    data = written(tmp_path / "data", ["a \x1b[31m page", "abc"])
    command = ["run", "--sources", "c4", "--output", str(tmp_path / "out"), "--dry_run"]
    settings = [word for setting in (data, INPUT, steps) for word in ("--set", setting)]
    assert main([*command, *settings]) == 1
    printed = capsys.readouterr().out
    assert "a run would stop: the step own_steps_that_raise.fail of source c4" in printed
    settings[-1] = "sources.c4.steps=[{drop_short: {min_chars: 50}}]"
    assert main([*command, *settings]) == 0
    printed = capsys.readouterr().out
    assert "of the first 2 records, 0 are kept" in printed
    assert "2  drop_short: too_short, such as c4/a.json#" in printed
    assert "a ␛[31m page" in printed and "\x1b" not in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", ["commoncrawl", "commoncrawl_warc", "github", "wikipedia"])
def test_every_record_of_the_samples_ends_somewhere(source):
    made = tried(source=source)
    assert made.read == made.kept + sum(made.drops.values()) and made.error is None
    assert made.examples.keys() == made.drops.keys()
