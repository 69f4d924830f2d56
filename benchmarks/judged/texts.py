"""The held-out texts of the ablation, from samples that its recipes do not read."""

from __future__ import annotations

import gzip
import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.judging.held_out import HeldOut, read_held_out

BOOKS = ("pg11-11-0.txt", "pg1342-1342-0.txt", "pg76-76-0.txt", "pg84-84-0.txt", "pg98-98-0.txt",
         "pg1661-1661.txt")  # fmt: skip

N_DOCUMENTS = 100
"""Held-out documents of each kind; of books, passages in their place."""

BOOK_CHARS = slice(20_000, 60_000)
"""Characters of each book that are held out."""

MIN_CHARS = 600
"""Least characters of a held-out document."""

WIKIPEDIA_LINES = 60_000
"""Lines of the sample of Wikipedia that are read."""


def articles(data: Path) -> list[str]:
    """Return articles of English Wikipedia that are long enough, in the order of the sample."""
    (file,) = (data / "wiki_text").glob("*.txt.gz")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        found = re.split(r"</doc>\n", "".join(islice(lines, WIKIPEDIA_LINES)))[:-1]
    texts = [re.sub(r"<doc [^>]*>\n", "", article).strip() for article in found]
    return [text for text in texts if len(text) >= MIN_CHARS]


def wikipedia(data: Path) -> Iterator[str]:
    yield from articles(data)


def books(data: Path) -> Iterator[str]:
    for name in BOOKS:
        yield (data / "books" / name).read_text("utf-8", "replace")[BOOK_CHARS]


def news(data: Path) -> Iterator[str]:
    for line in (data / "near_dup" / "minhash_articles_1000.train").read_text().splitlines():
        yield line.partition(" ")[2]


def questions(data: Path) -> Iterator[str]:
    folder = data / "stackexchange" / "matheducators.stackexchange.com_2014-05"
    for _, row in ET.iterparse(folder / "Posts.xml"):
        body = re.sub(r"<[^>]+>", "", row.get("Body") or "")
        yield html.unescape(body).strip()


def held_out(data: Path, folder: Path) -> list[HeldOut]:
    """Write and read the held-out texts."""
    texts = []
    for kind in (wikipedia, books, news, questions):
        documents = islice((t for t in kind(data) if len(t) >= MIN_CHARS), N_DOCUMENTS)
        file = folder / f"{kind.__name__}.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
        texts.append(read_held_out(kind.__name__, str(file)))
    return texts


def fewer_passages(text: HeldOut, n: int) -> HeldOut:
    """Return a text with ``n`` of its passages, spread over it."""
    kept = np.linspace(0, len(text.passages) - 1, min(n, len(text.passages))).astype(int)
    return text.without(~np.isin(np.arange(len(text.passages)), kept))
