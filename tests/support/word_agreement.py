"""How far two texts have the same words, for tests of readers and a benchmark of extractors."""

from __future__ import annotations

import re
from collections import Counter


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def common_words(text: str, other: str) -> str:
    """Return the words of a text that another has, too, each as often as both have it."""
    return " ".join((_words(text) & _words(other)).elements())


def word_f1(text: str, expected: str) -> float:
    """Return the F1 of a text's words, each as often as it occurs."""
    found, wanted = _words(text), _words(expected)
    return 2 * (found & wanted).total() / max(found.total() + wanted.total(), 1)
