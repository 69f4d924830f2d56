"""Web text for tests of rules: that of all real samples, and text that hypothesis draws."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from pipeline.readers.warc import read_warc
from tests.support.plain.web_path import read_pages

_PIECES = [
    "the",
    "be",
    "be",
    "a",
    "b",
    "Tô",
    "ǅ",
    "中文",
    "•",
    "-",
    "#",
    "...",
    ".",
    "…",
    "1",
    "\x00",
    "İ",
]
_SPACES = [" ", "\n", "\n\n", "\u3000", "\x1c", "\x85", "\u2003", "\r\n", "\t", "\u200b"]


def wild_texts() -> st.SearchStrategy[str]:
    """Draw texts of a few repeated words, odd spaces, and any characters."""
    pieces = st.sampled_from(_PIECES)
    spaces = st.one_of(st.just(" "), st.sampled_from(_SPACES), st.just(""))
    anything = st.text(max_size=6)
    return st.lists(st.one_of(pieces, pieces, spaces, spaces, anything), max_size=60).map("".join)


@cache
def web_texts(data: Path) -> list[str]:
    """Return the texts of the WET pages, the main text of the WARC pages, and C4's documents."""
    wet = sorted((data / "commoncrawl" / "wet").rglob("*.wet.gz"))
    texts = ["\n".join(page.lines) for path in wet for page in read_pages(path, "wet")]
    for path in sorted((data / "commoncrawl" / "warc").rglob("*.warc.gz")):
        with path.open("rb") as stream:
            for batch in read_warc(
                stream, path.name, start=0, end=None, batch_bytes=1 << 22,
                max_record_bytes=1 << 26, main_content=True, max_html_bytes=1 << 23,
            ):  # fmt: skip
                texts += filter(None, batch["text"].to_pylist())
    for path in sorted((data / "c4").iterdir()):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        texts += [json.loads(line)["text"] for line in content.split(b"\n") if line]
    assert len(texts) > 3_000
    return texts
