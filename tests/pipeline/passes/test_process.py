"""Processing of a split: steps that raise, and files without documents."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.output.ledger import LEDGER_SCHEMA, Tally, ledger_warnings
from pipeline.passes.plan import make_plan
from pipeline.passes.process import StepError, process_split, read_split
from pipeline.recipe.from_yaml import load_recipe
from pipeline.runners.stops import note_stop

ROOT = Path(__file__).resolve().parents[3]


def raise_at_bad(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A user's step, which raises for one document."""
    if any("bad" in text for text in batch["text"].to_pylist()):
        raise KeyError("x")
    return batch


def recipe_over(folder: Path, steps: str = "[]"):
    settings = [
        f"data={ROOT / 'samples' / 'data'}", f"models={ROOT / 'samples' / 'models'}",
        f"sources.c4.input=[{folder}/*]", f"sources.c4.steps={steps}",
    ]  # fmt: skip
    return load_recipe(str(ROOT / "recipes" / "demo.yaml"), settings, ["c4"])


def test_a_step_that_raises_is_told_with_its_record(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    lines = [json.dumps({"text": f"text {i}" + " bad" * (i == 37)}) + "\n" for i in range(60)]
    (data / "a.json").write_text("".join(lines))
    record = f"c4/a.json#{sum(map(len, lines[:37]))}"
    recipe = recipe_over(data, f"[{__name__}.raise_at_bad]")
    (split,) = make_plan(recipe).splits
    with pytest.raises(StepError) as caught:
        list(process_split(split, recipe, str(tmp_path), Tally()))
    told = f"step {__name__}.raise_at_bad of source c4, file {data}/a.json, record {record}"
    assert f"the {told}: KeyError: 'x'" == str(caught.value)
    for error in (
        caught.value,
        RuntimeError(f"Traceback:\n x\npipeline.passes.process.StepError: {caught.value} "
                     "[while running 'BuildShard-ptransform-33']"),
    ):  # fmt: skip
        line = note_stop(str(tmp_path), error)
        assert line.startswith(f"error: the run stopped: {caught.value} (")
        assert line.endswith("the same command goes on from here")


def test_a_reader_that_raises_is_told_with_source_and_file(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.json").write_text('{"text": "a"}\n')
    recipe = recipe_over(data)
    (split,) = make_plan(recipe).splits
    source = recipe.source("c4")

    def raising(error):
        def read(*_, **__):
            yield from ()
            raise error

        return dataclasses.replace(source, reader=source.reader._replace(read=read))

    with pytest.raises(StepError) as caught:
        list(read_split(split, raising(TypeError("odd\nvalue")), recipe.reading, str(tmp_path)))
    told = f"the reader of source c4, file {data}/a.json: TypeError: odd value"
    assert str(caught.value) == told
    assert note_stop(str(tmp_path), caught.value).startswith(f"error: the run stopped: {told} (")
    with pytest.raises(ConnectionError):
        list(read_split(split, raising(ConnectionError()), recipe.reading, str(tmp_path)))


def test_files_that_hold_nothing_are_seen(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.json").write_text('{"text": "x"}\n')
    (data / "b.json").touch()
    (data / "c.json.gz").write_bytes(gzip.compress(b""))
    (data / "d.json.gz").touch()
    recipe = recipe_over(data)
    rows = []
    for split in make_plan(recipe).splits:
        tally = Tally()
        list(process_split(split, recipe, str(tmp_path), tally))
        where = {"source": "c4", "file": split.name, "split": split.split, "shard": 0}
        rows += [{**where, **row} for row in tally.rows()]
    damaged = [row["file"] for row in rows if row["reason"] == "damaged"]
    assert damaged == ["c4/d.json.gz"], "a whole gzip file has a header at least"
    ledger = pa.Table.from_pylist(rows, LEDGER_SCHEMA)
    counts = {"train_documents": 0, "validation_documents": 0}
    assert ledger_warnings(ledger, {"sources": {"c4": counts}, "files": {}}) == [
        "c4: 2 of 4 files held nothing: c4/b.json, c4/c.json.gz",
        "c4: none of its 2 records is a document that was kept",
    ]
