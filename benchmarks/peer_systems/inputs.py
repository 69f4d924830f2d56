"""Inputs that all sides of a comparison read: parts of the real samples."""

from __future__ import annotations

import gzip
import json
import string
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator

WIKI_BYTES = 10_000_000
FILES = 4


class Input(NamedTuple):
    """What was made: where, how many documents, and their bytes before and after compression."""

    folder: Path
    documents: int
    n_bytes: int
    stored_bytes: int


class _Member(NamedTuple):
    record_id: str | None  # None for one that is no page
    content_bytes: int
    data: bytes  # compressed


def _members(path: Path) -> Iterator[_Member]:
    """Yield the records of an archive in which each is a gzip member of its own."""
    data = path.read_bytes()
    with path.open("rb") as file:
        records = [
            (r.stream_pos, r.headers.get("WARC-Type"), r.record_id, r.content_length)
            for r in ArchiveIterator(file, parse_http=False)
        ]
    ends = [start for start, *_ in records[1:]] + [len(data)]
    for (start, kind, name, size), end in zip(records, ends, strict=True):
        is_page = kind in ("response", "conversion")
        yield _Member(name if is_page else None, size, data[start:end])


def web_pages(paths: list[Path], folder: Path, every: int, *, suffix: str) -> Input:
    """Copy every so many-th page of archives into files of about the same size.

    Pages are dealt to the file that has the least so far, as they are, so that two workers have
    the same to do.
    """
    folder.mkdir(parents=True)
    files = [(folder / f"part-{i}{suffix}").open("wb") for i in range(FILES)]
    sizes = [0] * FILES
    documents = n_bytes = number = 0
    for path in paths:
        for member in _members(path):
            if member.record_id is None:
                continue
            if number % every == 0:
                least = sizes.index(min(sizes))
                sizes[least] += files[least].write(member.data)
                documents += 1
                n_bytes += member.content_bytes
            number += 1
    for file in files:
        file.close()
    return Input(folder, documents, n_bytes, sum(sizes))


def tiny_texts(data: Path) -> list[str]:
    """Return a page of a book a file: plain English, which every filter keeps."""
    found = []
    for path in sorted((data / "books").glob("*.txt"))[: 3 * FILES : 3]:
        paragraphs = path.read_text(encoding="latin-1").replace("\r", "").split("\n\n")
        middle = paragraphs[len(paragraphs) // 2 :]
        prose = [" ".join(one.split()) for one in middle if len(one) > 300]
        found.append("\n".join(prose[:6]))
    return found


def tiny_pages(data: Path, folder: Path, *, suffix: str, html: bool) -> Path:
    """Write a page a file, of HTML or of text, to time what a command takes ahead of its work."""
    folder.mkdir(parents=True)
    for i, text in enumerate(tiny_texts(data)):
        if html:
            lines = "".join(f"<p>{line}</p>" for line in text.split("\n"))
            page = f"<html><head><title>Tale</title></head><body><article>{lines}</article></body>"
            body = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{page}</html>"
        else:
            body = f"Tale\n{text}"
        path = folder / f"part-{i}{suffix}"
        path.write_bytes(gzip.compress(_record(body.encode(), i, html=html)))
    return folder


def _record(body: bytes, number: int, *, html: bool) -> bytes:
    """Write a record with the headers that Common Crawl's have, in their order."""
    kind, media = ("response", "application/http") if html else ("conversion", "text/plain")
    name = f"<urn:uuid:00000000-0000-0000-0000-{number:012}>"
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: https://example.com/{number}\r\n"
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: {name}\r\n"
        f"WARC-Refers-To: {name}\r\nWARC-Block-Digest: sha1:{number}\r\n"
        f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def block_digests(folder: Path) -> dict[str, str]:
    """Return the id that pages of WET have here, by file and digest, which CCNet keeps."""
    found = {}
    for path in sorted(folder.glob("*.gz")):
        with path.open("rb") as file:
            for number, record in enumerate(ArchiveIterator(file, parse_http=False)):
                digest = record.headers.get("WARC-Block-Digest")
                found[f"{path.name} {digest}"] = f"{path.name}#{number}"
    return found


def all_texts(data: Path, every: int) -> Iterator[str]:
    """Yield the text of every so many-th page of WET and article of Wikipedia, and of all news."""
    number = 0
    for path in sorted((data / "commoncrawl" / "wet").glob("*.wet.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, parse_http=False):
                if record.headers.get("WARC-Type") == "conversion":
                    number += 1
                    if number % every == 0:
                        yield record.reader.read().decode("utf-8", "replace")
    with gzip.open(next((data / "wiki_text").glob("*.gz")), "rt", encoding="utf-8") as file:
        articles = file.read(WIKI_BYTES).split("</doc>")
    yield from (article.partition(">")[2].strip() for article in articles[::every])
    news = (data / "near_dup" / "minhash_articles_1000.train").read_text(encoding="utf-8")
    yield from (line.partition(" ")[2] for line in news.splitlines())


def with_other_letters(texts: Iterable[str], copies: int) -> Iterator[str]:
    """Yield all texts, and copies of those in Latin letters with each letter moved on in ABC.

    A copy has the near-duplicates among its own documents that the given texts have among theirs,
    and as many words of each length; none of it is near what another copy has.
    """
    kept = list(texts)
    yield from kept
    lower = string.ascii_lowercase
    for by in range(1, copies):
        moved = lower[by:] + lower[:by]
        letters = str.maketrans(lower + lower.upper(), moved + moved.upper())
        yield from (text.translate(letters) for text in kept if _is_latin(text))


def _is_latin(text: str) -> bool:
    """Say whether most letters of a text are in ASCII."""
    return sum(map(str.isalpha, text)) < 1.1 * sum(c.isascii() and c.isalpha() for c in text)


def json_lines(texts: Iterable[str], folder: Path) -> Input:
    """Write texts as JSON lines, dealt to files; ``id`` is their number."""
    folder.mkdir(parents=True)
    files = [(folder / f"part-{i}.jsonl").open("w", encoding="utf-8") for i in range(FILES)]
    documents = n_bytes = 0
    for text in filter(str.strip, texts):
        row = json.dumps({"id": f"d{documents}", "text": text}, ensure_ascii=True)
        files[documents % FILES].write(row + "\n")
        documents += 1
        n_bytes += len(text.encode())
    for file in files:
        file.close()
    stored = sum(path.stat().st_size for path in folder.iterdir())
    return Input(folder, documents, n_bytes, stored)
