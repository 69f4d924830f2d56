"""A run of four sources, and target texts that none of it has, made of the samples."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.judged.texts import news
from pipeline.judging.held_out import PASSAGE_CHARS, HeldOut, cut_passages
from tests.support.judged_runs import count_tokens, wikipedia_texts, write_run

TARGET_BOOKS = ("pg120-120-0.txt", "pg1661-1661-8.txt")
BOOKS = ("pg1342-1342-0.txt", "pg98-98-0.txt", "pg158-158-0.txt")
BOOK_CHARS = slice(20_000, 320_000)
PART_CHARS = 900_000
CHAPTER_CHARS = 20_000
CODE_CHARS = 6_000
"""Most characters of a document of books, and of one of code, so that draws have many."""

TARGET_TOKENS = 60_000

TRUTH = {"c4": 0.0, "books": 0.7, "github": 0.3, "wikipedia": 0.0}
"""Shares of the sources that the target ``books and code`` is like."""

MIXED = "books and code"


def run_and_targets(data: Path, folder: Path) -> tuple[str, dict[str, HeldOut]]:
    """Write a run of C4, books, code and Wikipedia; return it and the targets by their names."""
    code = _field_of_lines(data / "github" / "bq_github_open.jsonl.gz", "content")
    random.Random(0).shuffle(code)
    code = [text[:CODE_CHARS] for text in code if text.strip()]
    pages = _field_of_lines(data / "c4" / "c4-train.00000-of-00001.json.gz", "text")
    articles = wikipedia_texts(data, 700)
    target_books, books = (
        [(data / "books" / name).read_text("utf-8", "replace")[BOOK_CHARS] for name in names]
        for names in (TARGET_BOOKS, BOOKS)
    )
    sources = {
        "c4": _taken(pages, PART_CHARS),
        "books": [
            book[at : at + CHAPTER_CHARS]
            for book in books
            for at in range(0, len(book), CHAPTER_CHARS)
        ],
        "github": _taken(code[300:], PART_CHARS),
        "wikipedia": _taken(articles[:400], PART_CHARS),
    }
    targets = {
        MIXED: [
            *_passages(target_books, round(TRUTH["books"] * TARGET_TOKENS)),
            *_passages(
                [text[:PASSAGE_CHARS] for text in code[:300]],
                round(TRUTH["github"] * TARGET_TOKENS),
            ),
        ],
        "wikipedia": _passages(articles[400:], TARGET_TOKENS),
        "news": _passages(list(news(data)), TARGET_TOKENS),
    }
    output = str(write_run(folder / "out", sources))
    return output, {
        name: HeldOut(name, texts, np.arange(len(texts))) for name, texts in targets.items()
    }


def _field_of_lines(file: Path, field: str) -> list[str]:
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")
    return [json.loads(line)[field] or "" for line in lines if line]


def _taken(texts: Sequence[str], n_chars: int) -> list[str]:
    chosen, left = [], n_chars
    for text in texts:
        if left > 0:
            chosen.append(text[:left])
            left -= len(text)
    return chosen


def _passages(texts: Sequence[str], n_tokens: int) -> list[str]:
    """Return passages of some texts that have about so many tokens."""
    passages = [passage for text in texts for passage in cut_passages(text)]
    ends = np.cumsum([count_tokens(passage) for passage in passages])
    return passages[: int(np.searchsorted(ends, n_tokens))]
