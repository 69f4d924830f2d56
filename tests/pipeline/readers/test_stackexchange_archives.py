from __future__ import annotations

import bz2
import gzip
import io
import random
from pathlib import Path
from typing import Any

import py7zr
import pytest
import zstandard

from pipeline.readers.stackexchange import read_posts
from tests.support.samples.posts import (
    HEADER,
    NAME,
    ROWS,
    WHOLE,
    dump_name,
    dumps,
    post_xml,
    read,
    seven_zip,
)


def test_compressed_files_are_read_whole_by_the_first_split() -> None:
    whole = read(WHOLE)
    zstd = zstandard.ZstdCompressor().compress(WHOLE)
    for packed in (
        gzip.compress(WHOLE, mtime=0),
        bz2.compress(WHOLE),
        zstd,
        seven_zip({"Posts.xml": WHOLE}),
    ):
        assert read(packed, end=50) == whole
        assert read(packed, start=50, end=None) == []


@pytest.mark.parametrize(
    "filters",
    [None, [{"id": py7zr.FILTER_BZIP2}], [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}]],
)
def test_archives_of_real_dumps(shared_data: Path, filters: Any) -> None:
    path = dumps(shared_data)[0]
    data = path.read_bytes()
    packed = seven_zip({"Badges.xml": data[:9999], "Posts.xml": data, "Users.xml": b"<u/>"},
                        filters=filters)  # fmt: skip
    assert read(packed, name=dump_name(path)) == read(data, name=dump_name(path))


def test_archives_in_archives() -> None:
    posts = seven_zip({"Posts.xml": WHOLE})
    other = seven_zip({"Users.xml": b"<users/>"})
    for outer in (
        {"a.example.com-Users.7z": other, "a.example.com-Posts.7z": posts},
        {"readme.txt": b"x", "dumps/a.example.com.7z": posts},
        {"a.7z": seven_zip({"b.7z": posts})},
    ):
        assert read(seven_zip(outer)) == read(WHOLE)
    for bad in (
        {"a.7z": other, "b.7z": posts},  # which one is not clear
        {"a.7z": seven_zip({"b.7z": seven_zip({"c.7z": posts})})},
        {"a.7z": posts[:-20]},
        {"a.7z": b"no archive"},
    ):
        (row,) = read(seven_zip(bad))
        assert row["dropped_by"] == "damaged" and "bad 7z archive" in row["error"]


def test_bad_archives() -> None:
    (row,) = read(seven_zip({"Comments.xml": WHOLE}))
    assert row["dropped_by"] == "damaged" and "no Posts.xml" in row["error"]
    (row,) = read(seven_zip({"Posts.xml": WHOLE})[:-20])
    assert row["dropped_by"] == "damaged"
    (row,) = read(seven_zip({"Posts.xml": WHOLE}, password="x", header_encryption=False))
    assert row["dropped_by"] == "damaged"
    stored = seven_zip({"Posts.xml": WHOLE}, filters=[{"id": py7zr.FILTER_COPY}])
    *rows, last = read(stored.replace(b"xxxx", b"xxxy", 1))
    assert len(rows) == len(ROWS) and last["dropped_by"] == "damaged" and "rc" in last["error"]


def test_an_archive_is_not_read_further_than_its_reader_goes() -> None:
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    noise = "".join(random.Random(1).choices("abcdefghij klmnopqrst", k=4_000_000))
    body = HEADER + "".join(
        post_xml(n, Body=noise[n * 1000 : n * 1000 + 1000]) for n in range(1, 3900)
    )
    stream = Counted(seven_zip({"Posts.xml": body.encode()}, filters=[{"id": py7zr.FILTER_BZIP2}]))
    rows = read_posts(
        stream, NAME, start=0, end=None, batch_bytes=1 << 12, max_record_bytes=1 << 20
    )
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert stream.taken < len(stream.getvalue()) * 0.8


def test_a_truncated_archive_gives_what_it_has() -> None:
    whole = read(WHOLE)
    *rows, last = read(gzip.compress(WHOLE, 0)[:-700])
    assert rows == whole[: len(rows)] and len(rows) >= 8
    assert last["dropped_by"] == "damaged" and last["record"] == whole[len(rows)]["record"]


@pytest.mark.slow
def test_an_archive_that_unpacks_to_too_much_is_not_unpacked() -> None:
    (row,) = read(seven_zip({"PostHistory.xml": bytes(1 << 27), "Posts.xml": WHOLE}))
    assert row["dropped_by"] == "damaged" and "as stored" in row["error"]
