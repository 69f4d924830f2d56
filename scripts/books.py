"""Prose from books in the public domain, as Project Gutenberg distributes them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

WET_BOOKS = {11: "11-0.txt", 120: "120-0.txt", 1661: "1661.txt"}
C4_BOOKS = {84: "84-0.txt", 219: "219-0.txt"}
WARC_BOOKS = {35: "35-0.txt"}
TRAINING_BOOKS = {1342: "1342-0.txt", 158: "158-0.txt", 174: "174.txt", 98: "98-0.txt"}
"""Project Gutenberg's number and file name of each book; the models learn from the last four."""


def book_file(folder: Path, number: int, name: str) -> Path:
    """Find a book in a folder: as ``NAME``, or as ``pgNUMBER-NAME``; ValueError if it is absent."""
    for path in (folder / f"pg{number}-{name}", folder / name):
        if path.is_file():
            return path
    raise ValueError(f"{folder} has no {name}, Project Gutenberg's book number {number}")


def book_paragraphs(path: Path) -> list[str]:
    """Read a book's paragraphs, one string each, without Gutenberg's header, footer and name.

    Headings, verses and what else does not end like a sentence are left out, and so are the marks
    of the transcription, and paragraphs with the racial slur that some of the books hold.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.replace("\r\n", "\n")
    begin = re.search(r"\*\*\* ?START OF TH[^\n]*(\n[^\n]+)*\n", text)
    text = text[begin.end() if begin else 0 :]
    end = re.search(r"\n[^\n]*(\*\*\* ?END OF|End of (the )?Project Gutenberg)", text)
    text = text[: end.start() if end else None]
    paragraphs = []
    for block in re.split(r"\n\s*\n", text):
        paragraph = " ".join(block.split()).replace("_", "")
        foreign = re.search(
            r"gutenberg|transcri|produced by|e-?text|nigg|\[|\]|\*", paragraph, re.I
        )
        if len(paragraph) >= 20 and not foreign and re.search(r"[.?!][\"'”’)]*$", paragraph):
            paragraphs.append(paragraph)
    return paragraphs


def passages(
    rng: random.Random, paragraphs: list[str], target_chars: tuple[int, int]
) -> Iterator[list[str]]:
    """Cut a book into consecutive passages of whole paragraphs, each as long as drawn or longer."""
    passage: list[str] = []
    target = rng.randint(*target_chars)
    for paragraph in paragraphs:
        if len(paragraph) > 2_000:
            continue
        passage.append(paragraph)
        if sum(map(len, passage)) >= target:
            yield passage
            passage, target = [], rng.randint(*target_chars)


def library(
    rng: random.Random, folder: Path, books: dict[int, str], target_chars: tuple[int, int]
) -> list[list[str]]:
    """Return the passages of some books, shuffled."""
    found: list[list[str]] = []
    for number, name in books.items():
        found.extend(passages(rng, book_paragraphs(book_file(folder, number, name)), target_chars))
    rng.shuffle(found)
    return found
