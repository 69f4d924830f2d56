"""Models that change while a run works: it stops, names the file, and mixes nothing."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import ChangedError
from pipeline.inspection.explain import explain
from tests.support.changing import arguments, between_the_passes, command, errors, write_lines
from tests.support.runs import ROOT, digests, start

MODELS = ROOT / "samples" / "models"
LANGUAGES = "[identify_language: {model: MODELS/lid.176.ftz, min_score: 0.1, languages: [en]}]"


@pytest.fixture
def data(tmp_path) -> Path:
    """Six files, of a shard each."""
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(6):
        write_lines(folder / f"{i}.json", [f"A page in English, of number {i}, as many are."])
    return folder


@pytest.fixture
def models(tmp_path) -> Path:
    """Copies of the models, which the test may change."""
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


def other(path: Path) -> None:
    """Put another model at a path: one that is read as such, and gives other results."""
    path.write_bytes((MODELS / "en.sp.model").read_bytes())


@pytest.mark.slow
def test_a_tokenizer_replaced_between_the_passes_stops_the_run(
    tmp_path, data, models, capsys, monkeypatch
):
    given = f"tokenizer.model={models}/tokenizer.model"
    assert command(data, tmp_path / "undisturbed", "--set", given) == 0
    path = models / "tokenizer.model"
    between_the_passes(monkeypatch, lambda: other(path))
    assert command(data, tmp_path / "out", "--set", given) == 1
    (said,) = errors(capsys.readouterr().err)
    assert said.startswith(f"error: the run stopped: {path} has changed since the run began: ")
    assert not list((tmp_path / "out").glob("ledger/**/*.json"))
    assert command(data, tmp_path / "out", "--set", given) == 2
    assert f"model.{path} was " in capsys.readouterr().err
    shutil.copyfile(MODELS / "tokenizer.model", path)
    assert command(data, tmp_path / "out", "--set", given) == 0, "it is again what it was"
    assert digests(tmp_path / "out") == digests(tmp_path / "undisturbed") | {
        "run.json": digests(tmp_path / "out")["run.json"]  # it has the time of the model
    }


def spoil(batch: pa.RecordBatch, *, path: str) -> pa.RecordBatch:
    """A user's step that writes to a model which the step ahead of it has loaded."""
    with Path(path).open("ab") as file:
        file.write(b"x")
    return batch


def test_a_model_that_changes_while_a_split_is_processed_stops_the_run(
    tmp_path, data, models, capsys
):
    path = models / "lid.176.ftz"
    steps = f"{LANGUAGES[:-1]}, {{{__name__}.spoil: {{path: {path}}}}}]".replace(
        "MODELS", str(models)
    )
    shutil.rmtree(data)
    data.mkdir()
    write_lines(data / "0.json", ["A page in English, which is the only one."])
    assert command(data, tmp_path / "out", steps=steps) == 1
    assert f"{path} has changed since the run began" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("ledger/**/*.json"))


@pytest.mark.slow
def test_a_model_with_a_new_time_is_the_same_model(tmp_path, data, models, monkeypatch):
    path = models / "tokenizer.model"
    between_the_passes(monkeypatch, lambda: os.utime(path, (1e9, 1e9)))
    assert command(data, tmp_path / "out", "--set", f"tokenizer.model={path}") == 0
    os.utime(path, (1.1e9, 1.1e9))
    assert command(data, tmp_path / "out", "--set", f"tokenizer.model={path}") == 0


def test_a_run_is_not_explained_by_another_model(tmp_path, data, models):
    output = str(tmp_path / "out")
    steps = LANGUAGES.replace("MODELS", str(models))
    assert command(data, Path(output), steps=steps) == 0
    assert explain(output, "c4/1.json#0")["kept"]
    (models / "lid.176.ftz").write_bytes(b"x")
    with pytest.raises(ChangedError, match=r"lid\.176\.ftz has changed since the run began"):
        explain(output, "c4/1.json#0")


@pytest.mark.slow
def test_workers_stop_at_a_tokenizer_that_was_replaced(tmp_path, data, models):
    path = models / "tokenizer.model"
    output = tmp_path / "out"
    given = arguments(
        data, output, "--workers", "2", "--set", f"tokenizer.model={path}",
        "--set", "shards.target_shard_tokens=1", steps="[tests.support.runs.slow: {seconds: 1}]",
    )  # fmt: skip
    process = start(*given)
    deadline = time.monotonic() + 120
    while not list(output.glob("ledger/**/*.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    other(path)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    (line,) = errors(said.decode())
    assert line.startswith(f"error: the run stopped: {path} has changed since the run began: ")
    made = json.loads((output / "run.json").read_bytes())["files"]
    assert list(made) == [str(path)] and len(list(output.glob("ledger/**/*.json"))) < 6
