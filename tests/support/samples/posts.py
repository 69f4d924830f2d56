"""Posts of StackExchange for tests: how they are read, written and found in the samples."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

import py7zr

from pipeline.readers.stackexchange import read_posts
from transforms.stackexchange.join import POST_SCHEMA

HEADER = '\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n'
NAME = "se/a.example.com/Posts.xml"


def read(data: bytes | io.RawIOBase | io.BytesIO, **changes: Any) -> list[dict[str, Any]]:
    options: dict[str, Any] = {
        "start": 0,
        "end": None,
        "batch_bytes": 1 << 16,
        "max_record_bytes": 1 << 20,
    }
    stream: Any = io.BytesIO(data) if isinstance(data, bytes) else data
    rows = []
    for batch in read_posts(stream, changes.pop("name", NAME), **(options | changes)):
        batch.validate(full=True)
        assert batch.schema == POST_SCHEMA
        rows += batch.to_pylist()
    return rows


def post_xml(post_id: int, **changes: str | None) -> str:
    fields: dict[str, str | None] = {
        "Id": str(post_id), "PostTypeId": "1", "CreationDate": "2020-01-01T00:00:00.000",
        "Score": str(-post_id), "Body": f"&lt;p&gt;\n {post_id} & é 😀&lt;/p&gt;",
        "Title": 'a "title"', "Tags": "|one|two|",
    }  # fmt: skip
    attributes = [
        f'{key}="{html.escape(value)}"'.replace("\n", "&#xA;")
        for key, value in (fields | changes).items()
        if value is not None
    ]
    return f"  <row {' '.join(attributes)} />\r\n"


ROWS = [post_xml(number, Body=f"<p>{'x' * number * 40}</p>\n").encode() for number in range(1, 12)]
WHOLE = HEADER.encode() + b"".join(ROWS) + b"</posts>"


def seven_zip(members: dict[str, bytes], **options: Any) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(data, name)
    return out.getvalue()


def dumps(shared_data: Path) -> list[Path]:
    paths = sorted((shared_data / "stackexchange").glob("*/Posts.xml"))
    assert len(paths) == 6
    return paths


def dump_name(path: Path) -> str:
    return f"stackexchange/{path.parent.name}/{path.name}"
