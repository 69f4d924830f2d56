"""Comparison of wikitext parsers: the project's own, mwparserfromhell and wikitextparser.

    pip install mwparserfromhell wikitextparser
    python benchmarks/wikipedia/wikitext_parsers.py DUMP... [--max-bytes 1_000_000]

For each parser it prints the MB of wikitext a second of one core, and the markup that is left in
the text. Articles are taken from the dumps in turn, up to ``--max-bytes`` of wikitext in all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipeline.readers.wikipedia import read_wikipedia
from tests.support.plain.wikitext import wikitext_to_text
from transforms.wikipedia.names import FILE_NAMES

MARKUP = ("[[", "{{", "{|", "<ref", "''", "|thumb")
TEXT_TEMPLATES = {"lang": [2], "nowrap": [1], "convert": [1, 2]}

Parser = Callable[[str, str], str]


def articles(paths: list[str], max_bytes: int) -> list[tuple[str, str]]:
    """Return wikitext and language of articles, taken from the dumps in turn."""
    files = []
    for path in paths:
        with Path(path).open("rb") as stream:
            batches = read_wikipedia(
                stream,
                f"wikipedia/{Path(path).name}",
                start=0,
                end=None,
                batch_bytes=1 << 24,
                max_record_bytes=1 << 26,
                languages=list(FILE_NAMES),
            )
            rows = [row for batch in batches for row in batch.to_pylist()]
        files.append([(row["text"], row["language"]) for row in rows if not row["dropped_by"]])
    taken: list[tuple[str, str]] = []
    n_bytes = 0
    for article in (article for turn in zip_longest(*files) for article in turn if article):
        n_bytes += len(article[0].encode())
        if n_bytes > max_bytes and taken:
            break
        taken.append(article)
    return taken


def parsers() -> dict[str, Parser]:
    installed: dict[str, Parser] = {
        "own scanner": lambda text, language: wikitext_to_text(text, language, TEXT_TEMPLATES)
    }
    try:
        import mwparserfromhell

        installed["mwparserfromhell strip_code"] = lambda text, _: mwparserfromhell.parse(
            text
        ).strip_code()
    except ImportError:
        print("mwparserfromhell is not installed", file=sys.stderr)
    try:
        import wikitextparser

        installed["wikitextparser plain_text"] = lambda text, _: wikitextparser.parse(
            text
        ).plain_text()
    except ImportError:
        print("wikitextparser is not installed", file=sys.stderr)
    return installed


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("dumps", nargs="+")
    options.add_argument("--max-bytes", type=int, default=1_000_000)
    arguments = options.parse_args()
    sample = articles(arguments.dumps, arguments.max_bytes)
    n_bytes = sum(len(text.encode()) for text, _ in sample)
    print(f"{len(sample)} articles, {n_bytes / 1e6:.1f} MB of wikitext\n")
    print(f"| parser | MB/s | characters | {' | '.join(f'`{mark}`' for mark in MARKUP)} |")
    print("| --- " * (3 + len(MARKUP)) + "|")
    for name, parse in parsers().items():
        begin = time.process_time()
        texts = [parse(text, language) for text, language in sample]
        seconds = time.process_time() - begin
        whole = "\n\n".join(texts)
        counts = " | ".join(str(whole.count(mark)) for mark in MARKUP)
        print(f"| {name} | {n_bytes / seconds / 1e6:.2f} | {len(whole):,} | {counts} |")


if __name__ == "__main__":
    main()
