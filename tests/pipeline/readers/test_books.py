"""The reader of books, in all encodings and containers."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.books import decode_book, read_books
from tests.support.samples.epubs import FILES, PAGE, zipped

LIMIT = 1 << 22


def read(data: bytes, max_record_bytes: int = LIMIT) -> dict:
    (batch,) = read_books(
        io.BytesIO(data),
        "books/b",
        start=0,
        end=None,
        batch_bytes=1 << 20,
        max_record_bytes=max_record_bytes,
    )
    (row,) = batch.to_pylist()
    assert row["id"] == "books/b#0"
    row["metadata"] = json.loads(row["metadata"])
    return row


def refused(data: bytes, max_record_bytes: int = LIMIT) -> str | None:
    row = read(data, max_record_bytes)
    assert row["text"] == "" and row["metadata"]["error"]
    return row["dropped_by"]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"Sea", "ascii"),
        ("“Été”, naïve".encode(), "utf-8"),
        ("\ufeff“Été”, naïve".encode(), "utf-8"),
        ("\ufeff“Été”, naïve".encode("utf-16-le"), "utf-16-le"),
        ("\ufeff“Été”, naïve".encode("utf-16-be"), "utf-16-be"),
        ("Été, naïve".encode("latin-1"), "iso8859-1"),
        ("“Été”, naïve".encode("cp1252"), "cp1252"),
        ("Character set encoding: KOI8-R\n\nМоре".encode("koi8-r"), "koi8-r"),
        ("Character set encoding: ISO-8859-1\n\n“Été”".encode("cp1252"), "cp1252"),
        ("Character set encoding: rot13\n\nÉté".encode("latin-1"), "iso8859-1"),
        ("Character set encoding: UTF-8\n\nÉté".encode("latin-1"), "iso8859-1"),
    ],
)
def test_encodings_are_told_apart(data: bytes, encoding: str):
    row = read(data)
    assert row["dropped_by"] is None
    assert row["metadata"]["encoding"] == encoding
    expected = {
        "ascii": "Sea",
        "iso8859-1": "Été, naïve",
        "koi8-r": "Character set encoding: KOI8-R\n\nМоре",
    }.get(encoding, "“Été”, naïve")
    if b"ISO-8859-1" in data:
        expected = "Character set encoding: ISO-8859-1\n\n“Été”"
    elif b"encoding: rot13" in data or b"encoding: UTF-8" in data:
        expected = data.decode("latin-1")
    assert row["text"] == expected


def test_one_bad_byte_does_not_make_utf8_latin1():
    text, encoding, _ = decode_book("Été. ".encode() * 20 + b"\xff.")
    assert encoding == "utf-8"
    assert text == "Été. " * 20 + "\ufffd."


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("CP-1251", "cp1251", "Море"),
        ("Windows Code Page 1251", "cp1251", "Море"),
        ("ISO 8859-5", "iso8859-5", "Море"),
        ("ISO Latin-2", "iso8859-2", "žluťoučký"),
        ("ISO-8859-7 (Greek)", "iso8859-7", "θάλασσα"),
        ("Codepage 437", "cp437", "café"),
        ("Big5", "big5hkscs", "天氣好"),
        ("GB 2312", "gb18030", "天气好"),
    ],
)
def test_labels_in_any_spelling_are_understood(label: str, codec: str, text: str):
    book = f"Character set encoding: {label}\r\n\r\n{text}\r\n"
    row = read(book.encode(codec))
    assert row["text"] == book
    assert row["metadata"] == {"encoding": codec}


def test_a_bad_byte_in_a_named_encoding_costs_one_letter():
    book = "Character set encoding: Big5\n\n天氣好,今天天氣好。\n"
    data = book.encode("big5hkscs")
    at = data.index("氣".encode("big5hkscs"))
    spoilt = data[:at] + b"\xff" + data[at + 1 :]
    assert read(spoilt)["text"] == book.replace("氣", "\ufffd", 1)
    few = "Character set encoding: UTF-8\n\nCafé, na".encode() + b"\xefve"
    assert read(few)["text"].endswith("Café, na\ufffdve")
    # A label that is plainly wrong is no reason for letters that cannot be read.
    wrong = read("Character set encoding: Big5\n\nl'été à l'école".encode("latin-1"))
    assert wrong["text"].endswith("l'été à l'école")
    assert wrong["metadata"] == {"encoding": "iso8859-1", "encoding_guessed": True}


def test_metadata_say_where_an_encoding_was_guessed():
    assert read("Été".encode("latin-1"))["metadata"]["encoding_guessed"] is True
    named = "Character set encoding: ISO Latin-1\n\nÉté".encode("latin-1")
    for data in (b"Sea", "Été".encode(), named, named.replace(b"\xc9", b"\x93")):
        assert "encoding_guessed" not in read(data)["metadata"]


def test_undefined_bytes_of_windows_1252_stay():
    assert decode_book(b"\x93a\x81\x94")[0] == "“a\x81”"


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_utf8_and_utf16_come_back_as_they_were(text: str):
    assert decode_book(b"\xef\xbb\xbf" + text.encode())[0] == text
    assert decode_book(("\ufeff" + text).encode("utf-16-le"))[0] == text


def test_compressed_text():
    for compress in (gzip.compress, bz2.compress):
        assert read(compress(b"A book.\r\n"))["text"] == "A book.\r\n"
    assert refused(gzip.compress(b"A book. " * 99)[:-9]) == "damaged"


def test_zip_of_one_text():
    assert read(zipped({"11.txt": "Sea", "p/cover.png": b"\x89PNG"}))["text"] == "Sea"
    assert refused(zipped({"1.txt": "Sea", "2.txt": "Sky"})) == "not_a_book"
    assert refused(zipped({"a.png": b"\x89PNG"})) == "not_a_book"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_one_row(data: bytes):
    row = read(data)
    assert (row["dropped_by"] is None) == bool(row["text"])


def test_what_is_no_book():
    assert refused(b"") == "empty"
    assert refused(b"\xef\xbb\xbf\r\n \n") == "empty"
    assert refused(bytes(range(256)) * 9) == "not_a_book"
    for data in (b"%PDF-1.4\n%", b"{\\rtf1 a}", b"\n<!DOCTYPE html><p>a</p>", b"<html>a</html>"):
        assert refused(data) == "not_a_book"


def test_larger_books_than_allowed_are_set_aside():
    assert read(b"a" * 1000, 1000)["text"] == "a" * 1000
    assert refused(b"a" * 1001, 1000) == "record_too_large"
    # Each character takes two bytes in UTF-8.
    assert refused("\xe9".encode("latin-1") * 501, 1000) == "record_too_large"
    assert refused(gzip.compress(b"a" * 10_000_000), 1000) == "record_too_large"
    assert refused(zipped({"1.txt": b"a" * 10_000_000}), 20_000) == "record_too_large"
    large = {**FILES, "OEBPS/text/one.xhtml": PAGE.format("a" * 10_000_000)}
    assert refused(zipped(large), 20_000) == "record_too_large"


def test_real_books(shared_data: Path):
    rows = {p.name: read(p.read_bytes()) for p in sorted((shared_data / "books").glob("*.txt"))}
    assert len(rows) == 38
    assert all(row["dropped_by"] is None for row in rows.values())
    assert {row["metadata"]["encoding"] for row in rows.values()} == {
        "ascii",
        "utf-8",
        "iso8859-1",
    }
    for name, row in rows.items():
        assert "\ufffd" not in row["text"] and not re.search("[\x80-\x9f]", row["text"]), name
        fields = row["metadata"]
        if "pandp09" in name:  # not a book, but the listing of a folder
            assert "gutenberg_number" not in fields
            continue
        assert fields["gutenberg_number"] == int(re.match(r"pg(\d+)", name)[1]), name
        assert fields["title"] and "Gutenberg" not in fields["title"]
        if (
            re.search(r"(alice30|treas10|advsh10)", name) is None
        ):  # headers before 2000 lack these fields
            assert fields["author"] and fields["language"] in ("English", "French")
    french = [rows[f"pg44157-44157-{kind}.txt"] for kind in "08"]
    assert french[0]["metadata"]["title"] == french[1]["metadata"]["title"]
    assert french[0]["metadata"]["title"].startswith("Entre Nous Lectures Françaises")
