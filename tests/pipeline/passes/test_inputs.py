"""Inputs that change while a run works: it stops, names the file, and mixes nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import ChangedError
from pipeline.files import storage
from pipeline.inspection.explain import explain
from pipeline.output.layout import Split
from pipeline.passes.inputs import check_input, opened
from tests.support.changing import between_the_passes, command, errors, write_lines
from tests.support.runs import digests

OLD = [f"one sentence of number {i // 2}" for i in range(8)]
NEW = [f"one sentence of number {(i + 1) // 2}" for i in range(8)]
"""As many documents in as many bytes, of which others are equal."""


@pytest.fixture
def data(tmp_path) -> Path:
    """Two files, of which one comes to be rewritten."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_lines(folder / "a.json", OLD)
    write_lines(folder / "b.json", [f"another of number {i}" for i in range(4)])
    return folder


@pytest.mark.slow
def test_an_input_rewritten_between_the_passes_stops_the_run(tmp_path, data, capsys, monkeypatch):
    assert command(data, tmp_path / "undisturbed") == 0
    kept = tmp_path / "kept.json"
    shutil.copy2(data / "a.json", kept)
    between_the_passes(monkeypatch, lambda: write_lines(data / "a.json", NEW))
    assert (data / "a.json").stat().st_size == kept.stat().st_size
    capsys.readouterr()
    output = tmp_path / "out"
    assert command(data, output) == 1
    (said,) = errors(capsys.readouterr().err)
    assert said.startswith(f"error: the run stopped: the input {data}/a.json has changed since")
    assert "--start_over" in said and f"({output}/error.txt has more)" in said
    assert not list(output.glob("ledger/**/*.json")) and not list(output.glob("shards/**/*.bin"))

    assert command(data, output) == 2
    assert "input c4/a.json was written anew" in capsys.readouterr().err

    shutil.copy2(kept, data / "a.json")
    assert command(data, output) == 0, "it is as it was, so the run goes on"
    assert digests(output) == digests(tmp_path / "undisturbed")

    write_lines(data / "a.json", NEW)
    assert command(data, output, "--start_over") == 0


def test_an_input_that_went_away_between_the_passes_is_named(tmp_path, data, capsys, monkeypatch):
    between_the_passes(monkeypatch, lambda: (data / "b.json").unlink())
    assert command(data, tmp_path / "out") == 1
    assert (
        f"the input {data}/b.json has changed since it was planned: it is not there any more"
        in (capsys.readouterr().err)
    )


def rewrite(batch: pa.RecordBatch, *, path: str) -> pa.RecordBatch:
    """A user's step that rewrites the input as it is read."""
    write_lines(Path(path), NEW)
    return batch


def test_an_input_rewritten_while_it_is_read_stops_the_run(tmp_path, data, capsys):
    steps = f"[{{{__name__}.rewrite: {{path: {data}/a.json}}}}]"
    assert command(data, tmp_path / "out", steps=steps) == 1
    assert f"the input {data}/a.json has changed since" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("ledger/**/*.json"))


def test_a_run_is_not_explained_by_another_input(tmp_path, data):
    output = tmp_path / "out"
    assert command(data, output) == 0
    identifier = f"c4/a.json#{len(json.dumps({'text': OLD[0]})) + 1}"
    assert explain(str(output), identifier)["dropped_by"] == "duplicate_document"
    write_lines(data / "a.json", NEW)
    with pytest.raises(ChangedError, match=r"a\.json has changed since it was planned"):
        explain(str(output), identifier)


def split_of(path: str) -> Split:
    info = storage.local_info(path)
    return Split("c4", 0, path, "c4/a", 0, None, info.n_bytes, info.modified, 0, 0, "documents",
                 info.n_bytes)  # fmt: skip


def test_size_and_time_tell(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, ns=(10**18, 10**18))
    split = split_of(str(path))
    check_input(split)
    os.utime(path, ns=(10**18, 10**18 + 1000))
    with pytest.raises(ChangedError, match=r"it was of 2001-.* is of 2001-.*put it back"):
        check_input(split)
    path.write_bytes(b"three")
    with pytest.raises(ChangedError, match="it had 3 bytes, has 5"):
        check_input(split)
    os.utime(path, ns=(10**18, 10**18))
    with pytest.raises(ChangedError, match="it had 3 bytes, has 5"), opened(split):
        pytest.fail("it was opened")


def test_a_pipe_and_what_no_plan_has_measured_are_not_compared(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    check_input(split_of(str(path))._replace(modified=0.0, file_bytes=None))
    os.mkfifo(tmp_path / "pipe")
    check_input(split_of(str(tmp_path / "pipe"))._replace(modified=1.0))


def test_remote_files_are_compared_by_their_checksums(tmp_path, monkeypatch):
    sums = {"gs://b/a": "1f", "gs://b/c": "2e"}
    monkeypatch.setattr(storage, "checksum", sums.__getitem__)
    monkeypatch.setattr(storage, "exists", lambda path: path in sums)
    assert storage.checksums([*sums, "/here"]) == sums
    split = Split("c4", 0, "gs://b/a", "c4/a", 0, None, 3, 0.0, 0, 0, "documents", 3, "1f")
    check_input(split)
    sums["gs://b/a"] = "3d"
    with pytest.raises(ChangedError, match="its checksum was 1f, is 3d"):
        check_input(split)
    del sums["gs://b/a"]
    with pytest.raises(ChangedError, match="it is not there any more"):
        check_input(split)
