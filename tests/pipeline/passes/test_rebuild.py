"""Sources that have changed are built again in a run's folder, and others keep their shards."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from pipeline.output.layout import read_plan
from pipeline.output.output_folder import describe
from pipeline.passes.plan import make_plan
from pipeline.passes.rebuild import changed_sources
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT, digests, run_demo

pytestmark = pytest.mark.slow

DEMO = str(ROOT / "recipes" / "demo.yaml")
FEW = ["--sources", "commoncrawl,c4,stackexchange", "--workers", "1"]
LONGER = ["--set", "sources.commoncrawl.steps.drop_short.min_chars=301"]
TIED = """
deduplications:
  - deduplicate_documents: {sources: [c4, commoncrawl], keep: first}
"""


def results(output: Path) -> dict[str, str]:
    """Return the digests of all that does not hold times."""
    return {
        name: digest
        for name, digest in digests(output).items()
        if not name.startswith(("observed/", "report.html"))
    }


def changed(there: dict, at: Path, recipe_path: str = DEMO) -> dict[str, str]:
    """Ask what of a run's description is other than that of a recipe's run."""
    recipe = load_recipe(recipe_path, (), FEW[1].split(","))
    plan = make_plan(recipe).splits
    return changed_sources(there, describe(recipe, plan), recipe, str(at), plan)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("rebuilt") / "out"
    assert run_demo(output, *FEW) == 0
    return output


def test_in_doubt_a_source_is_built_again(finished) -> None:
    """Each thing that a source depends on, by a description in which it was another."""
    recipe = load_recipe(DEMO, (), FEW[1].split(","))
    now = describe(recipe, list(read_plan(str(finished))))
    everything = {"commoncrawl", "c4", "stackexchange"}

    def when(*keys: str, value: object) -> set[str]:
        there = copy.deepcopy(now)
        place = there
        for key in keys[:-1]:
            place = place[key]
        assert keys[-1] in place
        place[keys[-1]] = value
        return set(changed(there, finished))

    language_model = next(path for path in now["files"] if path.endswith("lid.176.ftz"))
    assert when("version", value="0.0.1") == everything
    assert when("code", "pipeline/passes/plan.py", value="other") == everything
    assert when("files", recipe.tokenizer.model, value="other") == everything
    assert when("recipe", "shards", "target_shard_tokens", value=7) == everything
    assert when("recipe", "sources", "c4", "steps", value=[]) == {"c4"}
    assert when("recipe", "sources", "c4", "proportion", value=0.5) == set()
    assert "commoncrawl" in when("files", language_model, value="other")
    assert "stackexchange" not in when("files", language_model, value="other")


def test_a_file_that_no_source_names_is_a_matter_of_all(finished) -> None:
    """As the tokenizer's is, where the recipe names the folder that it is in."""
    recipe = load_recipe(DEMO, (), FEW[1].split(","))
    plan = list(read_plan(str(finished)))
    now = describe(recipe, plan)
    now["recipe"]["tokenizer"]["model"] = str(Path(recipe.tokenizer.model).parent)
    assert changed_sources(now, now, recipe, str(finished), plan) == {}
    there = {**now, "files": {**now["files"], recipe.tokenizer.model: "other"}}
    again = changed_sources(there, now, recipe, str(finished), plan)
    assert set(again) == {"commoncrawl", "c4", "stackexchange"}


def test_sources_that_are_compared_are_built_again_together(finished, tmp_path) -> None:
    there = json.loads((finished / "run.json").read_text())
    path = tmp_path / "tied.yaml"
    path.write_text(Path(DEMO).read_text().replace("${recipe_dir}", str(ROOT / "recipes")) + TIED)
    assert set(changed(there, finished, str(path))) == {"c4", "commoncrawl"}
    recipe = load_recipe(str(path), (), FEW[1].split(","))
    tied = describe(recipe, list(read_plan(str(finished))))
    assert changed(tied, finished, str(path)) == {}
    tied["recipe"]["sources"]["c4"]["steps"] = []
    reasons = changed(tied, finished, str(path))
    assert reasons.keys() == {"c4", "commoncrawl"}
    assert reasons["commoncrawl"] == "it is compared with a source that has changed"


def test_where_nothing_can_be_kept_it_is_said_and_nothing_is_touched(
    finished, tmp_path, capsys
) -> None:
    before = digests(finished)
    assert (
        run_demo(finished, *FEW, "--set", "shards.target_shard_tokens=1000", "--rebuild_changed")
        == 2
    )
    error = capsys.readouterr().err
    assert "nothing can be kept: " in error and "--start_over begins anew" in error
    assert digests(finished) == before
    assert run_demo(tmp_path / "empty", *FEW, "--rebuild_changed") == 2
    assert "holds no run of which anything could be kept" in capsys.readouterr().err
    assert not (tmp_path / "empty").exists()


def test_one_source_is_built_again_and_the_folder_is_as_of_a_fresh_run(
    finished, tmp_path, capsys
) -> None:
    times = {path: path.stat().st_mtime_ns for path in (finished / "shards" / "c4").iterdir()}
    there = json.loads((finished / "run.json").read_text())
    assert changed(there, finished) == {}
    assert run_demo(finished, *FEW, *LONGER) == 2
    assert "--rebuild_changed to keep the sources" in capsys.readouterr().err
    assert run_demo(finished, *FEW, *LONGER, "--rebuild_changed") == 0
    printed = capsys.readouterr().out
    assert "kept, as nothing of theirs has changed: c4, stackexchange\n" in printed
    assert "built again: commoncrawl: " in printed and "min_chars was 300, is now 301" in printed
    assert run_demo(tmp_path / "fresh", *FEW, *LONGER) == 0
    assert results(finished) == results(tmp_path / "fresh")
    assert times == {path: path.stat().st_mtime_ns for path in times}

    capsys.readouterr()
    assert run_demo(finished, *FEW, *LONGER, "--rebuild_changed") == 0
    assert "nothing has changed: all sources are kept" in capsys.readouterr().out
    without = ["--sources", "commoncrawl,c4", "--workers", "1", *LONGER]
    assert run_demo(finished, *without, "--rebuild_changed") == 0
    assert "removed: stackexchange: " in capsys.readouterr().out
    assert not (finished / "shards" / "stackexchange").exists()
