from __future__ import annotations

import json
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.samples.reader_samples import (
    edited,
    edits,
    files_under,
    lying_in,
    members,
    read_rows,
    warc_record,
)

PAGES = [
    warc_record(b"Software-Info: x\r\n", "warcinfo"),
    *(
        warc_record(f"Title {i}\nFirst line é {i}\n\nlast {i}\n".encode() * (i + 1))
        for i in range(6)
    ),
    warc_record(b"", "metadata"),
    warc_record("T\nتمام\n".encode(), WARC_Target_URI="http://b.example/ü"),
]


def _text(payload: bytes) -> str:
    (row,) = read_rows("wet", warc_record(payload))
    assert row["dropped_by"] is None
    return row["text"]


def test_a_page() -> None:
    page = warc_record(b" A title\t\nOne line.\nAnother.\n")
    info, row = read_rows("wet", PAGES[0] + page)
    assert info["dropped_by"] == "not_a_page"
    assert row["id"] == "s/f#1"
    assert row["text"] == "One line.\nAnother."
    assert row["url"] == "http://a.example/"
    assert json.loads(row["metadata"]) == {"title": "A title", "date": "2024-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"T\none\ntwo", "one\ntwo"),
        (b"T\none\n\n", "one\n"),
        (b"\none", "one"),
        (b"T\r\none\r\ntwo\r\n", "one\ntwo"),
        (b"T\r\none\r\ntwo\n", "one\r\ntwo"),
        (b"T\none\r\ntwo\r\n", "one\r\ntwo\r"),
        ("T\none\u2028two\x85three\x0b\n".encode(), "one\u2028two\x85three\x0b"),
        (b"T\nbad \xff\xc3 bytes \xed\xa0\x80", "bad \ufffd\ufffd bytes \ufffd\ufffd\ufffd"),
        (b"T\n \t leading and trailing \n", " \t leading and trailing "),
        (b"T\n\0nul\0", "\0nul\0"),
    ],
)
def test_lines(payload: bytes, text: str) -> None:
    assert _text(payload) == text


@pytest.mark.parametrize("payload", [b"", b"Title", b"Title\n", b"Title\n \n\t\r\n", b"\n"])
def test_pages_without_text(payload: bytes) -> None:
    (row,) = read_rows("wet", warc_record(payload))
    assert (row["text"], row["dropped_by"]) == ("", "empty")


def test_a_long_title_is_cut_in_the_metadata() -> None:
    (row,) = read_rows("wet", warc_record("é".encode() * 2_000 + b"\ntext"))
    assert json.loads(row["metadata"])["title"] == "é" * 500


def test_records_of_too_many_bytes_and_batches() -> None:
    records = [warc_record(b"T\n" + b"x" * size) for size in (10, 5_000, 20)]
    rows = read_rows("wet", members(records), max_record_bytes=1_000, batch_bytes=1)
    assert [row["dropped_by"] for row in rows] == [None, "record_too_large", None]


def test_splits_are_refused() -> None:
    with pytest.raises(AssertionError):
        read_rows("wet", PAGES[0], start=1)


@pytest.mark.slow
def test_every_real_page(shared_data) -> None:
    pages = 0
    for path in files_under(shared_data / "commoncrawl" / "wet"):
        rows = read_rows("wet", path.read_bytes(), max_record_bytes=1 << 26)
        expected = []
        raw = path.read_bytes()
        while raw:  # each record is a gzip member of its own
            inflate = zlib.decompressobj(31)
            head, payload = inflate.decompress(raw).split(b"\r\n\r\n", 1)
            raw = inflate.unused_data
            text = payload.removesuffix(b"\r\n\r\n").decode().partition("\n")[2].removesuffix("\n")
            is_page = b"WARC-Type: conversion" in head
            expected.append(text if is_page and text.strip() else "")
            pages += is_page
        assert [row["text"] for row in rows] == expected
        assert [row["id"] for row in rows] == [f"s/f#{i}" for i in range(len(expected))]
        assert {row["dropped_by"] for row in rows} <= {None, "not_a_page", "empty"}
    assert pages == 2_364


def test_compressed_or_not_the_rows_are_the_same() -> None:
    assert read_rows("wet", members(PAGES)) == read_rows("wet", b"".join(PAGES))


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["wet", "warc"])
def test_no_file_in_the_wild_stops_a_reader(shared_data, reader: str) -> None:
    for path in files_under(shared_data / "commoncrawl" / "edge"):
        with path.open("rb") as stream:
            rows = read_rows(reader, stream, max_record_bytes=1 << 24)
        ids = [row["id"] for row in rows]
        assert rows, path
        assert len(set(ids)) == len(ids), path
        assert all(row["text"] for row in rows if not row["dropped_by"]), path
        assert all(isinstance(json.loads(row["metadata"]), dict) for row in rows if row["metadata"])
        if ".arc" in path.name:
            assert [row["dropped_by"] for row in rows] == ["not_a_warc"]


@pytest.mark.parametrize("reader", ["wet", "warc"])
@settings(deadline=None, max_examples=200)
@given(changes=edits(), compressed=st.booleans())
def test_any_damage_keeps_the_records_before_it(reader: str, changes, compressed: bool) -> None:
    packed = [members([page]) for page in PAGES] if compressed else PAGES
    data, intact = edited(b"".join(packed), changes)
    kept = lying_in(packed, intact)
    rows = read_rows(reader, data)
    assert rows[:kept] == read_rows(reader, b"".join(packed))[:kept]
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert all(row["dropped_by"] or row["text"] for row in rows)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400))
def test_any_bytes_can_be_a_payload(payload: bytes) -> None:
    before, row, after = read_rows("wet", PAGES[1] + warc_record(payload) + PAGES[2])
    assert (before["dropped_by"], after["dropped_by"]) == (None, None)
    text = payload.decode(errors="replace").partition("\n")[2]
    lines = payload.decode(errors="replace").split("\n")
    assert all(a["id"] < b["id"] for a, b in pairwise([before, row, after]))
    if text.isascii() and "\r" not in text and text.strip():
        assert row["text"].split("\n") == (lines[1:-1] if text.endswith("\n") else lines[1:])
