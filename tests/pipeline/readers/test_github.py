from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.github import read_bigquery_github, read_repositories
from tests.support.samples.reader_samples import edited, edits, tar_of

LIMITS: dict[str, Any] = {"start": 0, "end": None, "batch_bytes": 1 << 20}
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software without
restriction. The above copyright notice and this permission notice shall be included."""


def rows_of(read, data: bytes | io.IOBase, **changes: Any) -> list[dict[str, Any]]:
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    rows = []
    options = LIMITS | {"max_record_bytes": 1 << 20} | changes
    for batch in read(stream, "s/f", **options):
        batch.validate(full=True)
        for row in batch.to_pylist():
            rows.append(row | {"metadata": json.loads(row["metadata"] or "{}")})
    return rows


def a_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {"id": f"{number:040x}", "repo_name": f"a/b{number % 3}", "ref": "refs/heads/main"}
    row |= {"path": f"src/f {number}.py", "size": "9", "binary": False, "copies": "1"}
    return row | {"content": f"x = {number}\n" * (number + 1), "license": "mit"} | changes


def json_file(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet_file(rows: list[dict[str, Any]], group_rows: int, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=group_rows, **options)
    return out.getvalue()


ROWS = [a_row(number) for number in range(12)]
JSON, PARQUET = json_file(ROWS), parquet_file(ROWS, 3)


@pytest.fixture(scope="module")
def real(shared_data) -> tuple[bytes, list[dict[str, Any]]]:
    data = gzip.decompress((shared_data / "github" / "bq_github_open.jsonl.gz").read_bytes())
    return data, [json.loads(line) for line in data.split(b"\n") if line]


def test_real_files_are_read_alike_from_every_format(real) -> None:
    data, values = real
    rows = rows_of(read_bigquery_github, gzip.compress(data, 1), max_record_bytes=1 << 24)
    assert len(rows) == len(values) == 1665
    for row, value in zip(rows, values, strict=True):
        assert row["dropped_by"] == ("not_text" if value["binary"] else None)
        assert row["text"] == (value["content"] or "")
        assert row["metadata"]["repository"] == value["repo_name"]
        assert row["metadata"]["path"] == value["path"]
        assert row["metadata"]["licence"] == value["license"]
    assert rows == rows_of(read_bigquery_github, data, max_record_bytes=1 << 24)
    in_parquet = rows_of(read_bigquery_github, parquet_file(values, 300), max_record_bytes=1 << 24)
    assert [row.pop("id") for row in in_parquet] == [f"s/f#{i}" for i in range(1665)]
    assert in_parquet == [{key: row[key] for key in row if key != "id"} for row in rows]


def test_the_licences_of_real_repositories_are_those_of_their_licence_files(real) -> None:
    files = {
        f"{value['repo_name']}/{value['path']}": (value["content"] or "\0").encode()
        for value in real[1]
    }
    rows = rows_of(read_repositories, gzip.compress(tar_of(files), 1), max_record_bytes=1 << 24)
    assert [row["text"] for row in rows] == [value["content"] or "" for value in real[1]]
    found = {
        row["metadata"]["repository"]: row["metadata"].get("licence", "unknown") for row in rows
    }
    stated = {value["repo_name"]: value["license"] for value in real[1]}
    # The archive of this one holds no licence file, and those of two name another variant or more.
    assert found.pop("webrecorder/pywb") == "unknown"
    assert stated.pop("webrecorder/pywb") == "gpl-3.0"
    assert (found.pop("saffsd/langid.py"), stated.pop("saffsd/langid.py")) == (
        "bsd-2-clause",
        "bsd-3-clause",
    )
    assert stated.pop("kpu/kenlm") in found.pop("kpu/kenlm").split(" AND ")
    assert found == stated


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 6000), max_size=5), st.booleans())
def test_splits_give_the_documents_of_the_whole(cuts: list[int], parquet: bool) -> None:
    data = PARQUET if parquet else JSON
    edges = sorted({0, *cuts, len(data)})
    rows = []
    for start, end in zip(edges, [*edges[1:-1], None], strict=False):
        rows += rows_of(read_bigquery_github, data, start=start, end=end)
    assert rows == rows_of(read_bigquery_github, data)
    assert [row["text"] for row in rows] == [row["content"] for row in ROWS]


def test_splits_at_the_very_beginning_of_a_record() -> None:
    groups = pq.ParquetFile(io.BytesIO(PARQUET)).metadata
    begins = [groups.row_group(i).column(0).dictionary_page_offset for i in range(4)]
    lines = [JSON.index(json.dumps(row).encode()) for row in ROWS]
    for data, places in ((PARQUET, begins), (JSON, lines)):
        whole = rows_of(read_bigquery_github, data)
        for at in (place + step for place in places for step in (-1, 0, 1) if place + step > 0):
            rows = rows_of(read_bigquery_github, data, end=at)
            assert rows + rows_of(read_bigquery_github, data, start=at) == whole, at


def test_a_row_of_bigquery() -> None:
    (row,) = rows_of(read_bigquery_github, json_file([ROWS[1]]))
    assert row["id"] == "s/f#0"
    assert row["url"] == "https://github.com/a/b1/blob/main/src/f%201.py"
    assert row["metadata"] == {
        "repository": "a/b1",
        "path": "src/f 1.py",
        "licence": "mit",
        "language": "Python",
    }


@pytest.mark.parametrize("write", [json_file, lambda rows: parquet_file(rows, 5)])
@pytest.mark.parametrize(
    ("changes", "dropped_by"),
    [
        ({"binary": True, "content": None}, "not_text"),
        ({"binary": True}, "not_text"),
        ({"content": "a\0b"}, "not_text"),
        ({"content": None}, "no_text"),
        ({"content": " \n"}, "empty"),
        ({"content": "x" * (2 << 20)}, "record_too_large"),
        ({"content": "\ufeffmarked"}, None),
        ({"content": "\ufffd as published"}, None),
        ({"repo_name": None, "path": None, "license": None, "ref": None}, None),
    ],
)
def test_rows_that_give_no_text(write, changes: dict[str, Any], dropped_by: str | None) -> None:
    rows = rows_of(read_bigquery_github, write([ROWS[0], a_row(5, **changes), ROWS[1]]))
    assert [row["dropped_by"] for row in rows] == [None, dropped_by, None]
    wanted = changes.get("content") or a_row(5)["content"]
    assert rows[1]["text"] == ("" if dropped_by else wanted.removeprefix("\ufeff"))


def test_bytes_that_are_not_utf8() -> None:
    line = b'{"path": "a.c", "content": "caf\xe9"}\n'
    assert rows_of(read_bigquery_github, line)[0]["dropped_by"] == "not_text"
    table = pa.table({"path": ["a.c"], "content": pa.array([b"caf\xe9"])})
    out = io.BytesIO()
    pq.write_table(table, out)
    assert rows_of(read_bigquery_github, out.getvalue())[0]["dropped_by"] == "not_text"
    strings = table.set_column(1, "content", table["content"].combine_chunks().view(pa.string()))
    out = io.BytesIO()
    pq.write_table(strings, out)
    assert rows_of(read_bigquery_github, out.getvalue())[0]["dropped_by"] == "not_text"
    (row,) = rows_of(read_repositories, tar_of({"a/b/c.c": b"caf\xe9"}))
    assert row["dropped_by"] == "not_text"


def test_streams_that_cannot_seek() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise AssertionError("not to be called")

    whole = rows_of(read_bigquery_github, JSON)
    assert rows_of(read_bigquery_github, Unseekable(JSON)) == whole
    assert rows_of(read_bigquery_github, Unseekable(zstandard.compress(JSON))) == whole
    later = rows_of(read_bigquery_github, Unseekable(JSON), start=500)
    assert later == rows_of(read_bigquery_github, JSON, start=500) != []
    with pytest.raises(ValueError, match="s/f: a Parquet file needs"):
        rows_of(read_bigquery_github, Unseekable(PARQUET))
    with pytest.raises(ValueError, match="read twice"):
        rows_of(read_repositories, Unseekable(tar_of({})))


def test_an_error_of_the_stream_is_raised() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100:
                raise OSError("the disk is gone")
            return super().read(size)

    with pytest.raises(OSError, match="the disk is gone"):
        rows_of(read_bigquery_github, Failing(PARQUET))


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(edits(), st.sampled_from(["json", "parquet", "tar"]), st.booleans())
def test_any_damage_gives_rows_and_no_error(changes, form: str, compressed: bool) -> None:
    data = {"json": JSON, "parquet": PARQUET, "tar": TAR}[form]
    if compressed:
        data = gzip.compress(data, mtime=0)
    read = read_repositories if form == "tar" else read_bigquery_github
    rows = rows_of(read, edited(data, changes)[0])
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)


def test_damage_to_parquet_costs_one_row_group() -> None:
    values = [a_row(number, content=f"row {number} " * 50) for number in range(9)]
    data = parquet_file(values, 3, compression="none", use_dictionary=False)
    at = data.index(b"row 4 ")
    bad = data[: at - 20] + b"\xff" * 16 + data[at - 4 :]
    rows = rows_of(read_bigquery_github, bad)
    kept = [row["text"] for row in rows if not row["dropped_by"]]
    assert {value["content"] for value in values[:3] + values[6:]} <= set(kept)
    whole = rows_of(read_bigquery_github, data[:-20])
    assert [(row["id"], row["dropped_by"]) for row in whole] == [("s/f#0!damage", "damaged")]


FILES = {f"a/b{i % 2}/f{i}.c": f"int f{i};\n".encode() * 30 * i for i in range(1, 7)}
FILES |= {"a/b0/LICENSE": MIT.encode()}
TAR = tar_of(FILES)


@pytest.mark.parametrize(
    "form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT], ids=str
)
def test_archives_of_each_form(form: int) -> None:
    deep = "a/b0/" + "/".join(["folder"] * 18) + "/" + "n" * 90 + ".c"
    files = {deep: b"deep", **FILES}
    if form != tarfile.USTAR_FORMAT:
        files |= {"a/b0/" + "m" * 300 + ".py": b"long", "a/b0/é.c": b"accent"}
    data = tar_of(files, form)
    rows = rows_of(read_repositories, data)
    assert [row["text"].encode() for row in rows] == list(files.values())
    paths = [f"{row['metadata']['repository']}/{row['metadata']['path']}" for row in rows]
    assert paths == list(files)
    for row in rows:
        licence = "mit" if row["metadata"]["repository"] == "a/b0" else None
        assert row["metadata"].get("licence") == licence
    assert rows == rows_of(read_repositories, gzip.compress(data))
    assert rows == rows_of(read_repositories, zstandard.compress(data))
    assert rows[:3] == rows_of(read_repositories, data.rstrip(b"\0") + TAR[:0])[:3]


def test_entries_that_are_refused() -> None:
    out = io.BytesIO()
    entries = [
        ("a/b/../../../etc/passwd", tarfile.REGTYPE, "unsafe_path"),
        ("/a/b/absolute", tarfile.REGTYPE, "unsafe_path"),
        ("a/b/new\nline", tarfile.REGTYPE, "unsafe_path"),
        ("a//b/c", tarfile.REGTYPE, "unsafe_path"),
        ("readme", tarfile.REGTYPE, "no_repository"),
        ("a/b", tarfile.DIRTYPE, "not_a_file"),
        ("a/b/link", tarfile.SYMTYPE, "link"),
        ("a/b/hard", tarfile.LNKTYPE, "link"),
        ("a/b/fifo", tarfile.FIFOTYPE, "not_a_file"),
        ("./a/b/good.c", tarfile.REGTYPE, None),
    ]
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, kind, _ in entries:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"text"))
    rows = rows_of(read_repositories, out.getvalue())
    assert [row["dropped_by"] for row in rows] == [reason for *_, reason in entries]
    assert [row["text"] for row in rows] == [""] * 9 + ["text"]


def test_all_licences_of_a_repository_count() -> None:
    notice = b"Licensed under the Apache License, Version 2.0"
    files = {"a/b/LICENSE-MIT": MIT.encode(), "a/b/LICENSE-APACHE": notice, "a/b/x.c": b"x"}
    files |= {"a/c/COPYING": b"All mine.", "a/c/LICENSE.md": MIT.encode(), "a/c/x.c": b"x"}
    files |= {"a/d/lib/LICENSE": MIT.encode(), "a/d/x.c": b"x"}
    rows = rows_of(read_repositories, tar_of(files))
    found = {row["metadata"]["repository"]: row["metadata"].get("licence") for row in rows}
    assert found == {"a/b": "apache-2.0 AND mit", "a/c": "mit AND unknown", "a/d": None}


def test_damage_in_an_archive_costs_the_file_it_is_in() -> None:
    names = list(FILES)
    at = TAR.index(FILES[names[3]])
    headless = TAR[: at - 512] + b"\1" * 512 + TAR[at:]
    rows = rows_of(read_repositories, headless)
    assert [row["text"].encode() for row in rows if not row["dropped_by"]] == [
        content for name, content in FILES.items() if name != names[3]
    ]
    assert [row["dropped_by"] for row in rows if row["dropped_by"]] == ["damaged"]
    shifted = TAR[: at + 100] + TAR[at + 300 :]
    rows = rows_of(read_repositories, shifted)
    texts = [row["text"].encode() for row in rows]
    assert all(content in texts for name, content in FILES.items() if name not in names[3:5])
    (row,) = rows_of(read_repositories, b"not an archive " * 100)
    assert (row["dropped_by"], row["metadata"]["skipped_bytes"]) == ("damaged", 1500)


@pytest.mark.slow
def test_large_files_and_headers_are_passed_over_in_bounded_memory() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, size in (("a/b/huge.c", 1 << 28), ("a/b/small.c", 5)):
            info = tarfile.TarInfo(path)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)) if size > 5 else io.BytesIO(b"small"))
    data = gzip.compress(out.getvalue(), 1)
    del out
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    data += gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    tracemalloc.start()
    rows = rows_of(read_repositories, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["dropped_by"] for row in rows] == ["record_too_large", None, "damaged"]
    assert peak < 20 << 20
