from __future__ import annotations

import datetime
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from pipeline.files import storage
from pipeline.readers.huggingface import read_huggingface
from tests.support.samples.reader_samples import edited, edits

TABLE = pa.table(
    {
        "text": [f"Text {number}\u2028é\n" for number in range(700)],
        "url": [f"http://a.example/{number}" if number % 2 else None for number in range(700)],
        "stars": list(range(700)),
        "unused": ["x"] * 700,
    }
)


def _read(data: bytes | io.BytesIO, name: str = "s/f", **changes: Any) -> list[dict[str, Any]]:
    options: dict[str, Any] = {
        "start": 0,
        "end": None,
        "batch_bytes": 1 << 12,
        "max_record_bytes": 1 << 20,
        "text_column": "text",
        "url_column": "url",
        "metadata_columns": ["stars"],
    }
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    rows = []
    for batch in read_huggingface(stream, name, **(options | changes)):
        batch.validate(full=True)
        rows += batch.to_pylist()
    return rows


def _parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **({"row_group_size": 300} | options))
    return out.getvalue()


def _stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    return out.getvalue()


def _file(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    return out.getvalue()


def _check(rows: list[dict[str, Any]], name: str = "s/f", first: int = 0) -> None:
    expected = TABLE.slice(first, len(rows)).to_pylist()
    assert [row["text"] for row in rows] == [value["text"] for value in expected]
    assert [row["url"] for row in rows] == [value["url"] for value in expected]
    assert [row["id"] for row in rows] == [f"{name}#{number}" for number in range(len(rows))]
    assert [json.loads(row["metadata"]) for row in rows] == [
        {"stars": value["stars"]} for value in expected
    ]
    assert not any(row["dropped_by"] for row in rows)


@pytest.mark.parametrize("form", [_parquet, _stream, _file])
def test_files_of_every_form(form: Any) -> None:
    rows = _read(form(TABLE))
    assert len(rows) == 700
    _check(rows)


def test_a_saved_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset(TABLE).save_to_disk(str(tmp_path), num_shards=3)
    count = 0
    for path in sorted(tmp_path.glob("*.arrow")):
        rows = _read(path.read_bytes(), name=f"s/{path.name}")
        _check(rows, f"s/{path.name}", count)
        count += len(rows)
    assert count == 700


def _write_shards(folder: Path) -> list[str]:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset(TABLE)
    for number in range(4):
        shard = whole.shard(4, number, contiguous=True)
        shard.to_json(folder / f"part-{number}.jsonl")
        shard.to_parquet(folder / f"part-{number}.parquet")
    return [
        f"path: json\ndata_files: {folder}/*.jsonl",
        f"path: parquet\ndata_files: '{folder}/part-[0-3].parquet'",
        f"path: {folder}\ndata_files: '*.parquet'",
    ]


def test_files_beside_a_descriptor_are_found_from_anywhere(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "data" / f"{name}.jsonl").write_text(f'{{"text": "of {name}"}}\n')
    one = tmp_path / "in" / "x.hf.yaml"
    for files in ("../data/*.jsonl", "[../data/a.jsonl, ../data/b.jsonl]"):
        one.write_text(f"path: json\ndata_files: {files}\nsplit: train")
        with storage.open_read(str(one)) as stream:
            read = read_huggingface(
                stream, "s/x.hf.yaml", start=0, end=None, batch_bytes=1 << 20,
                max_record_bytes=1 << 20, text_column="text", url_column=None, metadata_columns=[],
            )  # fmt: skip
            assert [text for batch in read for text in batch["text"].to_pylist()] == [
                "of a",
                "of b",
            ]


def test_descriptors(tmp_path: Path) -> None:
    for descriptor in _write_shards(tmp_path):
        name = "s/x.hf.yaml"
        whole = _read(f"{descriptor}\nsplit: train".encode(), name=name)
        assert len(whole) == 700
        _check(whole, name)
        texts = []
        for index in range(3):
            shard = f"{descriptor}\nsplit: train\nshard: {{index: {index}, of: 3}}"
            rows = _read(shard.encode(), name=name)
            assert rows == _read(shard.encode(), name=name)
            _check(rows, name, len(texts))
            texts += rows
        assert len(texts) == 700


@pytest.mark.parametrize(
    ("descriptor", "error"),
    [
        ("[", "not YAML"),
        ("- path", "a mapping with a path"),
        ("path: json\ncolumn: x\ntrust_remote_code: true", "column, trust_remote_code: not one of"),
        ("path: someone/something\nsplit: train", "revision: say which commit"),
        ("path: json\nshard: {index: 2, of: 2}", "shard: .* not of the form"),
        ("path: json\nshard: 3", "shard: 3 is not of the form"),
        ("path: json\ndata_files: FOLDER/*.jsonl", "split: say which of train"),
        ("path: json\ndata_files: FOLDER/*.jsonl\nsplit: train\nshard: {index: 0, of: 5}",
         "it has 4 files to share"),
    ],
)  # fmt: skip
def test_descriptors_that_say_what_cannot_be(descriptor: str, error: str, tmp_path: Path) -> None:
    _write_shards(tmp_path)
    with pytest.raises(ValueError, match=error):
        _read(descriptor.replace("FOLDER", str(tmp_path)).encode(), name="s/x.hf.yaml")


def test_a_damaged_file_of_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "b"}\n{"text": \n')
    descriptor = f"path: json\ndata_files: {tmp_path}/*.jsonl\nsplit: train"
    first, last = _read(descriptor.encode(), name="s/x.hf.yaml")
    assert first["text"] == "a"
    assert last["dropped_by"] == "damaged" and "JSON" in last["metadata"]


def test_rows_of_a_descriptor_that_do_not_fit_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "score": {"x": "y"}}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "b", "score": {"z": 1, "w": [2]}}\n')
    (tmp_path / "c.jsonl").write_text('{"text": "c", "score": "none"}\n')
    descriptor = f"path: json\ndata_files: {tmp_path}/*.jsonl\nsplit: train"
    rows = _read(descriptor.encode(), name="s/x.hf.yaml")
    assert rows[0]["text"] == "a" and rows[-1]["dropped_by"] == "damaged"
    assert json.loads(rows[-1]["metadata"])["error"]


def test_any_exception_of_rows_is_a_row_but_not_that_of_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    descriptor = f"path: json\ndata_files: {tmp_path}/a.jsonl\nsplit: train".encode()

    def raising(error: Exception) -> Any:
        def iterate(*_: Any, **__: Any) -> Any:
            raise error

        return iterate

    monkeypatch.setattr(datasets.IterableDataset, "iter", raising(TypeError("odd value")))
    (row,) = _read(descriptor, name="s/x.hf.yaml")
    assert row["dropped_by"] == "damaged" and "TypeError: odd value" in row["metadata"]
    for error in (ConnectionError("gone"), MemoryError()):
        wrapped = RuntimeError("no rows")
        wrapped.__cause__ = error
        monkeypatch.setattr(datasets.IterableDataset, "iter", raising(wrapped))
        with pytest.raises(RuntimeError):
            _read(descriptor, name="s/x.hf.yaml")


def test_texts_of_csv_that_pandas_takes_for_missing_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,url,score\nnull,NA,1\nNA,b,\nnan,c,3\n12,d,4\n"",e,5\n')
    descriptor = f"path: csv\ndata_files: {tmp_path}/a.csv\nsplit: train"
    rows = _read(descriptor.encode(), name="s/x.hf.yaml")
    assert [row["text"] for row in rows] == ["null", "NA", "nan", "12", ""]
    assert [row["url"] for row in rows] == ["NA", "b", "c", "d", "e"]
    assert [row["dropped_by"] for row in rows] == [None] * 4 + ["no_text"]


def test_rows_without_a_text() -> None:
    table = pa.table({"text": ["a", None, " \n", "x" * 99, ""], "stars": [1, 2, 3, 4, None]})
    rows = _read(_parquet(table), max_record_bytes=50)
    dropped_by = [row["dropped_by"] for row in rows]
    assert dropped_by == [None, "no_text", "empty", "record_too_large", "empty"]
    assert [row["id"] for row in rows] == [f"s/f#{number}" for number in range(5)]
    for column, error in (
        ("stars", "holds int64, not strings"),
        ("body", "no column 'body'; there"),
    ):
        rows = _read(_stream(table), text_column=column)
        assert {row["dropped_by"] for row in rows} == {"no_text"}
        assert all(error in row["metadata"] for row in rows)


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
)
def test_kinds_of_strings(kind: pa.DataType) -> None:
    values = ["a", None, "é" * 20, "a"]
    column = pa.array(values, pa.string())
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
    rows = _read(_stream(pa.table({"text": column, "url": column, "stars": column})))
    assert [row["text"] or None for row in rows] == [row["url"] for row in rows] == values
    assert json.loads(rows[2]["metadata"]) == {"stars": "é" * 20}


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    column = pa.array([b"good", b"bad \xff"], pa.binary()).view(pa.string())
    good, bad = _read(_stream(pa.table({"text": column, "url": column, "stars": column})))
    assert good["text"] == "good"
    assert (bad["text"], bad["url"]) == ("bad \ufffd",) * 2
    assert json.loads(bad["metadata"]) == {"stars": "bad \ufffd"}


def test_metadata_that_json_has_no_form_for() -> None:
    values = {
        "text": "x",
        "stars": {
            "when": datetime.datetime(2020, 1, 2),
            "n": [float("nan"), 1.5, None],
            "raw": b"a",
        },
    }
    (row,) = _read(_stream(pa.Table.from_pylist([values])))
    expected = {"when": "2020-01-02 00:00:00", "n": [None, 1.5, None], "raw": "b'a'"}
    assert json.loads(row["metadata"]) == {"stars": expected}


def test_damaged_files_keep_what_can_be_read() -> None:
    whole = _read(_parquet(TABLE))
    data = bytearray(_parquet(TABLE, compression="zstd"))
    column = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
    at = column.data_page_offset
    data[at : at + 200] = bytes(200)
    rows = _read(bytes(data))
    assert [rows[:300], rows[301:]] == [whole[:300], whole[600:]]
    assert rows[300]["dropped_by"] == "damaged"
    assert json.loads(rows[300]["metadata"])["rows"] == 300
    *rows, last = _read(_stream(TABLE)[:-5000])
    assert rows == whole[: len(rows)] and len(rows) in (300, 600)
    assert last["dropped_by"] == "damaged"


@pytest.mark.parametrize("data", [b"", b"{}", b"zzzzzzzzzzz", b"PK\3\4" * 9])
def test_other_files(data: bytes) -> None:
    (row,) = _read(data)
    assert row["dropped_by"] == "not_a_dataset"


def test_errors_of_the_stream_are_raised_and_streams_need_not_seek() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 20_000:
                raise TimeoutError("no answer")
            return super().read(size)

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    for form in (_parquet, _stream, _file):
        with pytest.raises(TimeoutError):
            _read(Broken(form(pa.concat_tables([TABLE] * 20))))
    _check(_read(Unseekable(_stream(TABLE))))


@pytest.mark.parametrize("form", [_parquet, _stream])
@settings(deadline=None, max_examples=100)
@given(changes=edits())
def test_any_damage_gives_rows(form: Any, changes: Any) -> None:
    data, _ = edited(form(TABLE.slice(0, 40)), changes)
    ids = [row["id"] for row in _read(data)]
    assert len(set(ids)) == len(ids)


def test_datasets_is_not_imported_with_the_reader() -> None:
    code = "import sys, pipeline.readers.huggingface; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
