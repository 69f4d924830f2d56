"""A run's folder is opened and left in one way, whatever the passes in it make."""

from __future__ import annotations

import json
import math

import pytest

from pipeline.errors import RunError
from pipeline.passes.session import opened
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from tests.support.runs import ROOT

NOWHERE = Execution(lambda work: pytest.fail("no pipeline was to be made"), False, 0)


def recipe(*settings: str) -> Recipe:
    return load_recipe(str(ROOT / "recipes" / "demo.yaml"), settings, ["c4"])


def test_it_knows_the_plan_and_what_lies_in_the_folder(tmp_path):
    with opened(recipe(), str(tmp_path), NOWHERE, start_over=False) as session:
        assert session.has("run.json") and not session.has("manifest.json")
        on_disk = [json.loads(line) for line in (tmp_path / "plan.jsonl").open()]
        assert on_disk == [split._asdict() for split in session.plan.splits]
        assert json.loads((tmp_path / "run.json").read_text()) == session.described


def test_what_a_run_needs_while_it_runs_goes_when_it_ends_well(tmp_path):
    def leave_work() -> None:
        (tmp_path / "work" / "half").mkdir(parents=True)
        (tmp_path / "error.txt").touch()

    with (
        pytest.raises(OSError, match="full"),
        opened(recipe(), str(tmp_path), NOWHERE, start_over=False),
    ):
        leave_work()
        raise OSError("full")
    assert (tmp_path / "work" / "half").exists() and (tmp_path / "error.txt").exists()
    with opened(recipe(), str(tmp_path), NOWHERE, start_over=False):
        assert (tmp_path / "work" / "half").exists()
    assert not (tmp_path / "work").exists() and not (tmp_path / "error.txt").exists()


def test_documents_that_are_to_stay_are_spared(tmp_path):
    def leave() -> None:
        (tmp_path / "work" / "half").mkdir(parents=True)
        for folder in ("documents/c4", "progress"):
            (tmp_path / "work" / folder).mkdir(parents=True)
            (tmp_path / "work" / folder / "a").touch()
        (tmp_path / "work" / "workers.log").touch()

    always = recipe("reading.keep_documents=always")
    with opened(always, str(tmp_path), NOWHERE, start_over=False):
        leave()
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["documents"]
    with opened(always, str(tmp_path), NOWHERE, start_over=False):
        assert (tmp_path / "work/documents/c4/a").exists()
    with opened(always, str(tmp_path), NOWHERE, start_over=True):
        assert not (tmp_path / "work/documents").exists()
        leave()
    with opened(recipe(), str(tmp_path), NOWHERE, start_over=False):
        assert (tmp_path / "work/documents/c4/a").exists()
    assert not (tmp_path / "work").exists()


def test_documents_of_a_run_that_the_folder_does_not_hold_go(tmp_path):
    (tmp_path / "work/documents/c4").mkdir(parents=True)
    (tmp_path / "work/documents/c4/split000000.arrow").touch()
    with opened(recipe(), str(tmp_path), NOWHERE, start_over=False):
        assert not (tmp_path / "work/documents").exists()


def test_a_second_one_waits_outside(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.output.output_folder.LOCK_SECONDS", 0.1)
    with (
        opened(recipe(), str(tmp_path), NOWHERE, start_over=False),
        pytest.raises(RunError, match="another run"),
        opened(recipe(), str(tmp_path), NOWHERE, start_over=True),
    ):
        pytest.fail("both are in")


def test_products_stay_until_it_starts_over(tmp_path):
    for start_over in (False, False, True):
        with opened(
            recipe(), str(tmp_path), NOWHERE, start_over=start_over, products=["made.txt"]
        ) as session:
            if start_over:
                assert not session.has("made.txt")
            (tmp_path / "made.txt").touch()


def test_the_opt_out_list_of_the_command_is_that_of_the_run(tmp_path):
    (tmp_path / "list.txt").write_text("example.org\n")
    output = tmp_path / "out"
    with opened(recipe(), str(output), NOWHERE, start_over=False):
        assert not (output / "opt_out.txt").exists()
    listed = recipe(f"opt_out={tmp_path / 'list.txt'}")
    with opened(listed, str(output), NOWHERE, start_over=False) as session:
        assert (output / "opt_out.txt").read_text() == "example.org\n"
        assert (
            json.loads((output / "run.json").read_text())["opt_out"] == session.described["opt_out"]
        )


def test_a_shuffle_that_does_not_fit_is_refused_before_the_folder_is_made(tmp_path):
    small = NOWHERE._replace(holds_shuffle_in_memory=True, memory_bytes=4)
    with (
        pytest.raises(RunError, match="has room for 1"),
        opened(recipe(), str(tmp_path / "out"), small, start_over=False),
    ):
        pytest.fail("it was opened")
    assert not (tmp_path / "out").exists()
    assert NOWHERE.shuffle_limit == math.inf
