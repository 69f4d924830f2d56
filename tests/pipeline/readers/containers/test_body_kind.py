from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
import zlib

import brotli
import pytest
import zstandard

from pipeline.readers.containers.body_kind import binary_kind, looks_like_html

HTML = b"<!doctype html><title>T</title><p>" + b"Some words of a page. " * 40


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("page.html", data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/gzip", gzip.compress(HTML, mtime=0)),
        ("application/zstd", zstandard.compress(HTML)),
        ("application/x-bzip2", bz2.compress(HTML)),
        ("application/x-xz", lzma.compress(HTML)),
        ("application/zip", _zip(HTML)),
        ("application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"),
        ("application/pdf", b"\r\n%PDF-1.4 <html>"),
        ("application/postscript", b"%!PS-Adobe-3.0\n"),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("image/gif", b"GIF89a\x01\0"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 "),
        ("image/bmp", b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0"),
        ("image/x-icon", b"\0\0\x01\0\x01\0"),
        ("video/mp4", b"\0\0\0\x20ftypisom"),
        ("font/woff", b"wOF2\0\x01\0\0"),
    ],
)
def test_signatures(kind: str, body: bytes) -> None:
    assert binary_kind(body) == kind


def test_compressed_bytes_without_a_signature() -> None:
    chance = random.Random(3)
    words = " ".join(str(chance.random()) for _ in range(200)).encode()
    for body in (brotli.compress(words), zlib.compress(words), chance.randbytes(4_000)):
        assert binary_kind(body) == "application/octet-stream"
    numbers = b"".join(i.to_bytes(4, "little") for i in range(0x40, 0x7F))
    assert binary_kind(numbers) == "application/octet-stream"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"BMW and GIF89 and PKZIP",
        b"%PDF is a format",
        b"RIFF raff",
        "Größe".encode("latin-1") * 50,
        "他在這裡".encode("big5") * 50,
        "こんにちは".encode("iso-2022-jp") * 50,
        "안녕하세요 세계".encode("iso2022_kr") * 50,
        "with a mark é".encode("utf-16") * 20,
        ("\ufeff" + "丁七丂七下" * 99).encode("utf-16-be"),
        "without a mark é".encode("utf-16-le") * 20,
        "without a mark é".encode("utf-16-be") * 20,
        b"a\0b\x01" + HTML,
    ],
)
def test_texts_are_not_binary(body: bytes) -> None:
    assert binary_kind(body) is None


@pytest.mark.parametrize(
    ("body", "is_html"),
    [
        (b"<!DOCTYPE html>", True),
        (b"\xef\xbb\xbf \n<HTML>", True),
        (b"<!-- a -->\n<!-- b --><body class=x>", True),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC>", True),
        (b"<?xml version='1.0'?><rss><title>", False),
        (b"<h1>Title", True),
        (b"<p >x", True),
        (b"<particle>", False),
        (b"text <html>", False),
        (b"{}", False),
        (b"", False),
    ],
)
def test_how_html_begins(body: bytes, is_html: bool) -> None:
    assert looks_like_html(body) is is_html
