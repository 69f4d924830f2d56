"""Copies of the real web pages, in which as much is repeated as in one.

At N copies, every page of the samples is there N times, each with an id of its own. A copy differs
from the others as pages of a larger crawl would, so what a deduplication removes grows in
proportion, and no more.
"""

from __future__ import annotations

import gzip
import re
import string
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecordType

from tests.support.plain import web_path as plain

SOURCE = "commoncrawl"
MIN_CHARS = 300  # shorter pages go before their lines are counted
PROCESSES = 2
MOVES = [(factor, by) for by in range(26) for factor in (1, 3, 5, 7, 9, 11, 15, 17, 19, 21, 23, 25)]
"""Ways to put each letter in another's place: times the first, plus the second, modulo 26."""


class Input(NamedTuple):
    """Sizes of the input that was made."""

    files: int
    stored_bytes: int  # gzip with a member a page, as in CommonCrawl
    text_bytes: int  # of WET the text, of WARC the HTML


def make_wet(data: Path, copies: int, folder: Path) -> Input:
    """Write ``copies`` of every WET file, or one page for 0.

    A line that is in several pages of the samples is left unchanged in all copies: it is N times as
    frequent, as boilerplate would be. Every other line gets a word at its end that only its copy
    has, and so stays unique. The first copy gets a word, too, so that all have the same size.
    """
    target = folder / SOURCE / "wet"
    target.mkdir(parents=True)
    if not copies:
        page = gzip.compress(_wet_record(b"title\n" + b"Some words of a page.\n" * 99))
        (target / "one.warc.wet.gz").write_bytes(page)
        return Input(1, len(page), 22 * 99)
    paths = sorted((data / SOURCE / "wet").rglob("*.wet.gz"))
    files = {path.name: list(plain.read_pages(path, SOURCE)) for path in paths}
    shared = plain.shared_keys([page for pages in files.values() for page in pages], MIN_CHARS)
    lines_of = {
        name: [
            [(line.encode(), plain.line_key(line) in shared) for line in page.lines]
            for page in pages
        ]
        for name, pages in files.items()
    }
    return _sum(partial(_write_wet, lines_of, target), copies)


def _write_wet(
    lines_of: dict[str, list[list[tuple[bytes, bool]]]], target: Path, copy: int
) -> Input:
    """Write one copy of the WET files. Lines are told apart by whether several pages have them."""
    mark = b" copy" + bytes([97 + copy // 26, 97 + copy % 26])  # no digit: they are all 0
    stored = text_bytes = 0
    for name, pages in lines_of.items():
        with (target / f"{copy:03d}-{name}").open("wb") as file:
            for page in pages:
                text = b"\n".join(line if is_shared else line + mark for line, is_shared in page)
                text_bytes += len(text)
                stored += file.write(gzip.compress(_wet_record(b"title\n" + text), 6))
    return Input(len(lines_of), stored, text_bytes)


def _wet_record(body: bytes) -> bytes:
    """Return the bytes of a WET record."""
    header = f"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: {len(body)}"
    return header.encode() + b"\r\n\r\n" + body + b"\r\n\r\n"


def make_warc(data: Path, copies: int, folder: Path) -> Input:
    """Write ``copies`` of the WARC files' pages in Latin letters, or one page for 0.

    Each copy has its letters moved, in text between tags alone: so what is near is near within its
    copy, words are as long as before, and markup is what it was.
    """
    target = folder / SOURCE / "warc"
    target.mkdir(parents=True)
    paths = sorted((data / SOURCE / "warc").glob("*.warc.gz"))
    files = {path.name: list(_latin_pages(path)) for path in paths}
    if not copies:
        name, pages = next((name, pages) for name, pages in files.items() if pages)
        return _write_warc({name: pages[:1]}, target, 0)
    return _sum(partial(_write_warc, files, target), copies)


def _write_warc(files: dict[str, list[bytes]], target: Path, copy: int) -> Input:
    """Write one copy of the pages of WARC files."""
    factor, by = MOVES[copy]
    lower = string.ascii_lowercase
    moved = "".join(lower[(factor * i + by) % 26] for i in range(26))
    letters = bytes.maketrans((lower + lower.upper()).encode(), (moved + moved.upper()).encode())
    stored = html_bytes = 0
    for name, pages in files.items():
        with (target / f"{copy:03d}-{name}").open("wb") as file:
            for number, page in enumerate(pages):
                html = _TEXT_RE.sub(lambda found: found[0].translate(letters), page)
                html_bytes += len(html)
                address = f"https://example.com/{copy}/{name}/{number}"
                stored += file.write(gzip.compress(_response(html, address), 6))
    return Input(len(files), stored, html_bytes)


_TEXT_RE = re.compile(rb"(?<=>)[^<>&]+(?=<)")
"""Text between two tags, without character references."""


def _latin_pages(path: Path) -> Iterator[bytes]:
    """Yield the HTML of pages whose letters are nearly all in ASCII, in UTF-8."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response):
            if "html" not in (record.http_content_type or ""):
                continue
            html = record.reader.read()
            text = b"".join(_TEXT_RE.findall(html)).decode("utf-8", "replace")
            if sum(map(str.isalpha, text)) < 1.1 * sum(c.isascii() and c.isalpha() for c in text):
                yield html


def _response(html: bytes, address: str) -> bytes:
    """Return the bytes of a WARC record of a page."""
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {address}\r\n"
        "WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-"
        "000000000000>\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def _sum(write: partial[Input], copies: int) -> Input:
    """Write the copies by several processes, and add their sizes up."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        return Input(*map(sum, zip(*pool.map(write, range(copies)), strict=True)))
