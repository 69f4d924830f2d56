from __future__ import annotations

import bz2
import gzip
import io
import json

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.samples.reader_samples import edited, edits, lying_in, members, read_rows

LINES = [
    {"text": f"Line {i}\u2028 of a\x85 text\n" * i, "url": f"http://a.example/{i}", "timestamp": i}
    for i in range(1, 9)
]
ENCODED = [
    json.dumps(line, ensure_ascii=i % 2 == 0).encode() + b"\n" for i, line in enumerate(LINES)
]
WHOLE = b"".join(ENCODED)


def _row(line: bytes) -> dict:
    (row,) = read_rows("json_lines", line + b"\n")
    return row


def test_real_files_against_the_standard_library(shared_data) -> None:
    folder = shared_data / "c4"
    for path, opener, count in (
        (folder / "c4-train.00000-of-00001.json.gz", gzip.open, 640),
        (folder / "c4_demo.jsonl", open, 300),
    ):
        with opener(path, "rb") as stream:
            values = [json.loads(line) for line in stream.read().split(b"\n") if line]
        rows = read_rows("json_lines", path.read_bytes())
        assert len(rows) == len(values) == count
        assert [row["text"] for row in rows] == [value["text"] for value in values]
        assert [row["url"] for row in rows] == [value.get("url") for value in values]
        assert [row["metadata"] and json.loads(row["metadata"]) for row in rows] == [
            {"timestamp": value["timestamp"]} if "timestamp" in value else None for value in values
        ]


def test_integers_of_any_length_are_json() -> None:
    short, long = b"-" + b"7" * 4_300, b"-" + b"7" * 5_000
    row = _row(b'{"text": "a", "timestamp": [%s, %s, 1]}' % (short, long))
    assert row["dropped_by"] is None
    assert json.loads(row["metadata"]) == {"timestamp": [int(short), long.decode(), 1]}
    assert _row(b'{"text": "a", "timestamp": %s' % long)["dropped_by"] == "bad_json"


def test_the_id_is_the_offset_of_the_line_however_compressed() -> None:
    rows = read_rows("json_lines", WHOLE)
    offsets = [int(row["id"].removeprefix("s/f#")) for row in rows]
    assert [json.loads(WHOLE[at:].split(b"\n")[0])["text"] for at in offsets] == [
        row["text"] for row in rows
    ]
    for compressed in (
        gzip.compress(WHOLE, mtime=0),
        members(ENCODED),
        bz2.compress(WHOLE),
        zstandard.ZstdCompressor().compress(WHOLE),
    ):
        assert read_rows("json_lines", compressed) == rows


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, len(WHOLE) + 3), max_size=5), st.booleans(), st.booleans())
def test_splits_give_the_documents_of_the_whole(cuts: list[int], blank: bool, last: bool) -> None:
    data = WHOLE.replace(b"\n", b"\n\n \r\n", 3) if blank else WHOLE
    data = data if last else data.removesuffix(b"\n")
    edges = sorted({0, *cuts, len(data)})
    rows = []
    for start, end in zip(edges, [*edges[1:-1], None], strict=False):
        rows += read_rows("json_lines", data, start=start, end=end)
    assert rows == read_rows("json_lines", data)


def test_a_split_at_any_place_gives_the_documents_of_the_whole() -> None:
    whole = read_rows("json_lines", WHOLE)
    for at in range(1, len(WHOLE) + 2):
        rows = read_rows("json_lines", WHOLE, start=0, end=at)
        assert rows + read_rows("json_lines", WHOLE, start=at, end=None) == whole, at


def test_splits_of_a_stream_that_cannot_seek() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise AssertionError("not to be called")

    middle = len(WHOLE) // 2
    rows = read_rows("json_lines", Unseekable(WHOLE), start=0, end=middle)
    rows += read_rows("json_lines", Unseekable(WHOLE), start=middle, end=None)
    assert rows == read_rows("json_lines", WHOLE)


@pytest.mark.parametrize(
    ("line", "dropped_by"),
    [
        (b"{", "bad_json"),
        (b"nothing", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"a":' * 50_000, "bad_json"),
        (b'["text"]', "bad_json"),
        (b"3", "bad_json"),
        (b"null", "bad_json"),
        (b'{"text": "raw\ttab"}', "bad_json"),
        (b'{"body": "x"}', "no_text"),
        (b'{"text": null}', "no_text"),
        (b'{"text": ["x"]}', "no_text"),
        (b'{"text": " \\n"}', "empty"),
        (b'{"text": ""}', "empty"),
        (b'{"text": "x' + b"x" * (1 << 20) + b'"}', "record_too_large"),
    ],
)
def test_lines_without_a_text(line: bytes, dropped_by: str) -> None:
    good = ENCODED[0]
    before, row, after = read_rows("json_lines", good + line + b"\n" + good)
    assert (before["text"], after["text"]) == (LINES[0]["text"],) * 2
    assert (row["text"], row["dropped_by"]) == ("", dropped_by)
    assert dropped_by == "empty" or json.loads(row["metadata"])["error"]


def test_odd_lines_with_a_text() -> None:
    assert _row(b'{"text": "a\\ud800b \\ud83d\\ude00", "url": "\\udfff"}')["text"] == "a\ufffdb 😀"
    assert _row(b'{"text": "x", "url": "\\udfff"}')["url"] == "\ufffd"
    assert _row(b'{"text": "x", "url": 3}')["url"] is None
    assert _row(b'\xef\xbb\xbf{"text": "marked"}')["text"] == "marked"
    assert _row(b'{"text": "bad \xff byte"}')["text"] == "bad \ufffd byte"
    assert _row(b' {"text": "cr"} \r')["text"] == "cr"
    assert _row(b'{"text": "first", "text": "last"}')["text"] == "last"
    row = _row(b'{"text": "x", "timestamp": [NaN, 1e999, "\\ud800", 1.5]}')
    assert json.loads(row["metadata"]) == {"timestamp": [None, None, "\ufffd", 1.5]}


def test_other_field_names() -> None:
    line = b'{"body": "x", "a": 1, "b": {"c": null}, "d": null}'
    options = {"text_field": "body", "url_field": None, "metadata_fields": ["a", "b", "d", "e"]}
    (row,) = read_rows("json_lines", line, **options)
    assert (row["text"], row["url"]) == ("x", None)
    assert json.loads(row["metadata"]) == {"a": 1, "b": {"c": None}}


def test_blank_lines_and_files() -> None:
    assert read_rows("json_lines", b"\n \n\r\n") == []
    assert read_rows("json_lines", b"") == []


def test_a_truncated_file_gives_what_it_has() -> None:
    whole = read_rows("json_lines", WHOLE)
    *rows, last = read_rows("json_lines", gzip.compress(WHOLE)[:-30])
    assert rows == whole[: len(rows)]
    assert last["dropped_by"] == "damaged"
    assert json.loads(last["metadata"])["offset"] == 0


@settings(deadline=None, max_examples=200)
@given(edits(), st.booleans())
def test_any_damage_keeps_the_lines_before_it(changes, compressed: bool) -> None:
    packed = [members([line]) for line in ENCODED] if compressed else ENCODED
    data, intact = edited(b"".join(packed), changes)
    rows = read_rows("json_lines", data)
    kept = lying_in(packed, intact)
    assert rows[:kept] == read_rows("json_lines", WHOLE)[:kept]
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
