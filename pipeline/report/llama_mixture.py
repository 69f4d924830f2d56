"""The mixture of the LLaMA paper (arXiv 2302.13971, table 1), to compare a run with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class LlamaSource(NamedTuple):
    """A row of the paper's table."""

    title: str
    proportion: float
    epochs: float


LLAMA_BYTES_A_TOKEN = 3.8
"""Average bytes of text a token in the paper's mixture.

The table's sizes add up to 4.75 TB. The number of unique tokens follows from the 1.4T trained on,
divided among the sources by proportion and each then by its epochs.
"""

LLAMA_SOURCES = {
    "commoncrawl": LlamaSource("CommonCrawl", 0.67, 1.10),
    "c4": LlamaSource("C4", 0.15, 1.06),
    "github": LlamaSource("GitHub", 0.045, 0.64),
    "wikipedia": LlamaSource("Wikipedia", 0.045, 2.45),
    "books": LlamaSource("Books", 0.045, 2.23),
    "arxiv": LlamaSource("ArXiv", 0.025, 1.06),
    "stackexchange": LlamaSource("StackExchange", 0.02, 1.03),
}


def llama_source(name: str) -> str | None:
    """Return the paper's source whose name the recipe's source begins with, if any.

    So a recipe may divide a source: ``commoncrawl_warc`` counts as ``commoncrawl``.
    """
    return next((known for known in LLAMA_SOURCES if name.lower().startswith(known)), None)


def is_llama(names: Iterable[str]) -> bool:
    """Tell whether sources of these names are all of the paper's, and no others."""
    return {llama_source(name) for name in names} == set(LLAMA_SOURCES)
