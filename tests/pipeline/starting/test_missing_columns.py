"""Columns that a recipe names, and those that the records have."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main
from pipeline.recipe.from_yaml import load_recipe
from pipeline.starting.kinds import records_of
from pipeline.starting.missing_columns import missing_columns
from tests.support.runs import ROOT

DEMO = str(ROOT / "recipes" / "demo.yaml")
READER = "sources.c4.reader.json_lines"


def warnings(*settings: str) -> list[str]:
    return missing_columns(load_recipe(DEMO, settings, ["c4"]))


def test_a_column_that_no_record_has_is_told_with_the_nearest():
    assert warnings() == []
    settings = f"{READER}.text_field=txet", f"{READER}.metadata_fields=[timestamp, title]"
    text, more = warnings(*settings)
    assert text.startswith("c4: text_field 'txet': the first 100 records of ")
    assert text.endswith("have no such column; did you mean 'text'?")
    assert more.startswith("c4: metadata_fields 'title': ")
    assert more.endswith("; did you mean 'timestamp'?") or more.endswith("text, timestamp, url")


def test_a_dry_run_tells_it_and_goes_on(tmp_path, capsys):
    command = ["run", "--sources", "c4", "--set", f"{READER}.text_field=txet", "--dry_run"]
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    assert "warning: c4: text_field 'txet'" in capsys.readouterr().err


def test_a_pipe_is_not_read(tmp_path):
    (tmp_path / "c4").mkdir()
    os.mkfifo(tmp_path / "c4" / "a.json.gz")
    assert warnings(f"data={tmp_path}", f"{READER}.text_field=txet") == []


def test_json_that_nests_deep_is_left_to_the_run(tmp_path):
    (tmp_path / "a.json").write_text("[" * 200_000 + '\n{"text": "a"}\n')
    settings = [f"{READER}.text_field=txet", f"{READER}.url_field=null",
                f"{READER}.metadata_fields=[]", f"sources.c4.input=[{tmp_path}/*]"]  # fmt: skip
    (warning,) = warnings(*settings)
    assert warning.endswith("have no such column; did you mean 'text'?")


def test_a_look_holds_no_more_than_a_run_and_no_rows_are_no_error(tmp_path):
    path, schema = tmp_path / "a.parquet", pa.schema({"text": pa.string()})
    for texts, n_found in (([], 0), (["x" * 30_000_000] * 3, 1), (["a page"] * 200, 100)):
        pq.write_table(pa.table({"text": texts}, schema), path)
        assert len(records_of(str(path))) == n_found


@pytest.mark.parametrize("score", ["5", "-0.1"])
def test_a_score_outside_its_range_is_refused(tmp_path, capsys, score):
    setting = f"sources.commoncrawl.steps.identify_language.min_score={score}"
    assert main(["run", "--set", setting, "--output", str(tmp_path / "out")]) == 2
    told = f"min_score: expected a number from 0 to 1, found {score}"
    assert told in capsys.readouterr().err
