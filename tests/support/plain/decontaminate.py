"""A plain implementation of decontamination, by sets of tuples of words.

It was written from the description in ``docs/filters.md``, with Python's own strings and sets.
Tests and benchmarks compare with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

NGrams = set[tuple[str, ...]]

_ACCENTS = {*map(chr, range(0x300, 0x370)), "\u3099", "\u309a"}
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323ff]"
)


def plain_words(text: str) -> list[str]:
    """Return a text's words: split at white space, folded, without punctuation and accents.

    In scripts without spaces every character is a word.
    """
    words = []
    for word in text.split():
        kept = ""
        for character in word:
            if not _is_left_out(character):
                folded = _folded(character)
                one = folded if len(folded) == 1 else character
                kept += f" {one} " if _WITHOUT_SPACES.match(one) else folded
        words += kept.split()
    return words


def _is_left_out(character: str) -> bool:
    return unicodedata.category(character)[0] in "PSC" or character in _ACCENTS


def _folded(character: str) -> str:
    compatible = unicodedata.normalize("NFKD", character).casefold()
    parts = unicodedata.normalize("NFKD", compatible)
    return "".join(part for part in parts if not _is_left_out(part))


def n_grams(words: list[str], n: int) -> NGrams:
    """Return all runs of ``n`` words."""
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def n_grams_of_items(items: Iterable[str], n: int, least: int) -> NGrams:
    """Return the n-grams of items, and shorter items of at least ``least`` words as a whole."""
    grams: NGrams = set()
    for words in map(plain_words, items):
        grams |= n_grams(words, n)
        if least <= len(words) < n:
            grams.add(tuple(words))
    return grams


def is_contaminated(text: str, grams: NGrams, sizes: Iterable[int]) -> bool:
    """Tell whether a text holds one of the n-grams, whose sizes in words are ``sizes``."""
    words = plain_words(text)
    return any(grams & n_grams(words, size) for size in sizes)
