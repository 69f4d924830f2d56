"""The mixture of the LLaMA paper (arXiv 2302.13971, table 1), to compare a run with."""

from __future__ import annotations

from typing import NamedTuple


class LlamaSource(NamedTuple):
    """A row of the paper's table."""

    title: str
    proportion: float
    epochs: float
    disk_gb: int


LLAMA_BYTES_A_TOKEN = 3.8
"""Of all text: 4.75 TB, and the unique tokens that proportions and epochs make of 1.4T."""

LLAMA_SOURCES = {
    "commoncrawl": LlamaSource("CommonCrawl", 0.67, 1.10, 3300),
    "c4": LlamaSource("C4", 0.15, 1.06, 783),
    "github": LlamaSource("GitHub", 0.045, 0.64, 328),
    "wikipedia": LlamaSource("Wikipedia", 0.045, 2.45, 83),
    "books": LlamaSource("Books", 0.045, 2.23, 85),
    "arxiv": LlamaSource("ArXiv", 0.025, 1.06, 92),
    "stackexchange": LlamaSource("StackExchange", 0.02, 1.03, 78),
}


def llama_source(name: str) -> str | None:
    """Return which of the paper's sources a recipe's source is by its name, if any.

    A recipe may divide one, as ``commoncrawl`` and ``commoncrawl_warc``.
    """
    return next((known for known in LLAMA_SOURCES if name.lower().startswith(known)), None)
