"""A plain implementation of the web path, by loops over documents and lines.

It uses the libraries of CCNet's published code (fasttext, sentencepiece, kenlm, hashlib) and makes
the same decisions. It does not use the pipeline. Tests and benchmarks compare with it.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

PUNCTUATION = {
    "，": ",", "。": ".", "、": ",", "„": '"', "”": '"', "“": '"', "«": '"', "»": '"', "１": '"',
    "」": '"', "「": '"', "《": '"', "》": '"', "´": "'", "∶": ":", "：": ":", "？": "?", "！": "!",
    "（": "(", "）": ")", "；": ";", "–": "-", "—": " - ", "．": ". ", "～": "~", "’": "'",
    "…": "...", "━": "-", "〈": "<", "〉": ">", "【": "[", "】": "]", "％": "%", "►": "-",
}  # fmt: skip
_NON_PRINTING = "".join(map(chr, [*range(32), *range(127, 160)]))
_NON_PRINTING_RE = re.compile(f"[{re.escape(_NON_PRINTING)}]")
_DROPPED_RE = re.compile(f"[{re.escape(''.join(PUNCTUATION) + _NON_PRINTING)}]")
_PUNCTUATION_RE = re.compile(f"[{re.escape(''.join(PUNCTUATION))}]")
_DIGIT_RE = re.compile(r"\d")


class Page(NamedTuple):
    """A page. ``text`` is None once it is dropped."""

    id: str
    lines: list[str]


def read_pages(path: Path, source: str) -> Iterator[Page]:
    """Yield the pages of a gzipped WET file, without their title lines."""
    data = gzip.decompress(path.read_bytes())
    at = number = 0
    while at < len(data):
        end = data.index(b"\r\n\r\n", at)
        header = data[at:end].decode()
        found = re.search(r"(?im)^content-length:\s*(\d+)", header)
        assert found is not None
        body = data[end + 4 : end + 4 + int(found.group(1))]
        at = end + 4 + len(body) + 4
        if "WARC-Type: conversion" in header:
            text = body.decode("utf-8", "replace")
            text = text[:-1] if text.endswith("\n") else text
            yield Page(f"{source}/{path.name}#{number}", text.split("\n")[1:])
        number += 1


def line_key(line: str) -> bytes:
    """Return CCNet's hash of a line."""
    line = line.strip()
    if line:
        line = _DROPPED_RE.sub("", _DIGIT_RE.sub("0", line.lower()))
    return hashlib.sha1(line.encode("utf-8", "replace")).digest()[:8]


def normalise_for_lm(text: str) -> str:
    """Return CCNet's normal form of a document for the language model."""
    text = text.strip()
    if not text:
        return text
    nfd = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in nfd if unicodedata.category(c) != "Mn")
    text = _PUNCTUATION_RE.sub(lambda m: PUNCTUATION[m.group()], _DIGIT_RE.sub("0", text))
    return _NON_PRINTING_RE.sub("", text)


def language(model: Any, text: str) -> tuple[str, float]:
    """Return fastText's top label and its probability."""
    # fastText's own predict adds this newline, for </s>. Its wrapper fails with numpy 2.
    ((probability, label),) = model.f.predict(text.replace("\n", "") + "\n", 1, 0.0, "strict")
    return label.removeprefix("__label__"), probability


def perplexity(pieces_model: Any, lm: Any, text: str) -> float:
    """Return the perplexity of a document that is scored as one sentence."""
    pieces = pieces_model.encode(normalise_for_lm(text), out_type=str)
    return 10.0 ** (-lm.score(" ".join(pieces)) / (len(pieces) + 1))


class Kept(NamedTuple):
    """A kept page, with its language, score and perplexity."""

    id: str
    text: str
    language: str
    language_score: float
    perplexity: float


def shared_keys(pages: Iterable[Page], min_chars: int) -> set[bytes]:
    """Return the keys of lines that are in more than one page."""
    seen: set[bytes] = set()
    shared: set[bytes] = set()
    for page in pages:
        if len("\n".join(page.lines)) < min_chars:
            continue
        keys = {line_key(line) for line in page.lines}
        shared |= keys & seen
        seen |= keys
    return shared


def kept_pages(
    pages: Iterable[Page], shared: set[bytes], models: dict[str, Any], *, min_chars: int,
    min_score: float, cutoff: float,
) -> Iterator[Kept]:  # fmt: skip
    """Yield the pages that CCNet's second pass keeps: English, head or middle, unique lines."""
    for page in pages:
        if len("\n".join(page.lines)) < min_chars:
            continue
        seen: set[bytes] = set()
        lines = []
        for line in page.lines:
            key = line_key(line)
            if key not in shared and key not in seen:
                lines.append(line)
            seen.add(key)
        if not lines:
            continue
        text = "\n".join(lines)
        label, score = language(models["language"], text)
        if score < min_score or label != "en":
            continue
        found = perplexity(models["pieces"], models["lm"], text)
        if found < cutoff:
            yield Kept(page.id, text, label, score, found)


def load_models(folder: Path, tokenizer: Path) -> dict[str, Any]:
    """Load the models with their own libraries."""
    import fasttext
    import kenlm
    from sentencepiece import SentencePieceProcessor

    fasttext.FastText.eprint = lambda *_: None
    return {
        "language": fasttext.load_model(str(folder / "lid.176.ftz")),
        "pieces": SentencePieceProcessor(model_file=str(folder / "en.sp.model")),
        "lm": kenlm.Model(str(folder / "en.arpa.bin")),
        "tokenizer": SentencePieceProcessor(model_file=str(tokenizer)),
    }
