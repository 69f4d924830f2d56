"""Texts for tests of tokenizers: the real samples of every kind, and wild ones."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import strategies as st


def wet_pages(data: Path) -> Iterator[str]:
    for path in sorted((data / "commoncrawl/wet").iterdir()):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.conversion):
                yield record.reader.read().decode("utf-8", "replace")


def c4(data: Path) -> Iterator[str]:
    with gzip.open(data / "c4/c4-train.00000-of-00001.json.gz", "rb") as file:
        yield from (json.loads(line)["text"] for line in file)
    with (data / "c4/c4_demo.jsonl").open("rb") as file:
        yield from (json.loads(line)["text"] for line in file)


def wiki_text(data: Path) -> Iterator[str]:
    with gzip.open(data / "wiki_text/enwiki_wikiextractor_40MB.txt.gz", "rt") as file:
        text = file.read(4_000_000)
    yield text[:1_000_000]
    yield from (text[i : i + 20_000] for i in range(1_000_000, len(text), 20_000))


def books(data: Path) -> Iterator[str]:
    for path in sorted((data / "books").glob("*.txt")):
        yield path.read_bytes()[:300_000].decode(
            "latin-1" if "-8" in path.name else "utf-8", "replace"
        )


def udhr(data: Path) -> Iterator[str]:
    with zipfile.ZipFile(data / "lid_eval/udhr2.zip") as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                yield archive.read(name).decode("utf-8", "replace")


def github(data: Path) -> Iterator[str]:
    with gzip.open(data / "github/bq_github_open.jsonl.gz", "rb") as file:
        for line in file:
            yield (json.loads(line)["content"] or "")[:100_000]


def markup(data: Path) -> Iterator[str]:
    for path in sorted((data / "wikipedia").glob("*minidump*.bz2")):
        yield bz2.decompress(path.read_bytes()).decode("utf-8", "replace")[:100_000]
    for path in sorted((data / "wikipedia").glob("*.xml")):
        yield path.read_bytes()[:300_000].decode("utf-8", "replace")
    for path in sorted((data / "stackexchange").glob("*/Posts.xml")):
        yield path.read_bytes()[:300_000].decode("utf-8", "replace")


def arxiv(data: Path) -> Iterator[str]:
    with tarfile.open(data / "arxiv/arXiv_src_2401_001.tar") as papers:
        for member in papers:
            file = papers.extractfile(member)
            if file is None or not member.name.endswith(".gz"):
                continue
            content = gzip.decompress(file.read())
            try:
                with tarfile.open(fileobj=io.BytesIO(content)) as paper:
                    for part in paper:
                        inner = paper.extractfile(part) if part.name.endswith(".tex") else None
                        if inner is not None:
                            yield inner.read().decode("utf-8", "replace")[:100_000]
            except tarfile.ReadError:
                yield content.decode("utf-8", "replace")[:100_000]


SOURCES = [wet_pages, c4, wiki_text, books, udhr, github, markup, arxiv]

FRAGMENTS = [
    " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\x00", "\x01", "\x85", "\u00a0", "\u3000",
    "\u2028", "\u200b", "\u2581", "\u2581\u2581", "\ufeff", "\u00a8", "e\u0301", "\u0308", "\ufb01",
    "\ufdfa", "\u1100\u1161\u11a8", "\u1680", "\uff21", "the", "ing", "word", "a", "1", "2023",
    ".", ",", "...", "(", "<s>", "</s>", "<unk>", "<0x0A>", "漢字", "かな", "☃", "\ufffd",
    "\U0010ffff", "\U0001f600", "\U0001f469\u200d\U0001f467", "ß", "İ",
]  # fmt: skip
wild_text = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=25).map(
    "".join
)
