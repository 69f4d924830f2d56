"""Prose for the samples: books in the public domain, in Project Gutenberg's files."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

WET_BOOKS = {11: "11-0.txt", 120: "120-0.txt", 1661: "1661.txt"}
C4_BOOKS = {84: "84-0.txt", 219: "219-0.txt"}
WARC_BOOKS = {35: "35-0.txt"}
TRAINING_BOOKS = {1342: "1342-0.txt", 158: "158-0.txt", 174: "174.txt", 98: "98-0.txt"}
"""Books for each use, by Project Gutenberg's number, with the file name. The demo's models are
trained on the last four."""


def book_file(folder: Path, number: int, name: str) -> Path:
    """Return the path of a book, ``NAME`` or ``pgNUMBER-NAME``. ValueError if it is absent."""
    for path in (folder / f"pg{number}-{name}", folder / name):
        if path.is_file():
            return path
    raise ValueError(f"{folder} has no {name}, Project Gutenberg's book number {number}")


def book_paragraphs(path: Path) -> list[str]:
    """Return a book's paragraphs, one string each, without Gutenberg's header, footer and name.

    Paragraphs that do not end like a sentence, such as headings and verses, are left out. So are
    paragraphs with notes or marks of the transcription, and those with the racial slur that some of
    the books hold.
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
    """Cut a book into consecutive passages of whole paragraphs.

    The least length of each passage, in characters, is drawn between the two of ``target_chars``.
    """
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
    """Return the passages of books, shuffled."""
    all_passages: list[list[str]] = []
    for number, name in books.items():
        paragraphs = book_paragraphs(book_file(folder, number, name))
        all_passages.extend(passages(rng, paragraphs, target_chars))
    rng.shuffle(all_passages)
    return all_passages
