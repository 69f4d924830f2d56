"""A plain implementation of Gopher's rules, one document, line and word at a time.

It was written from the description of the rules (``docs/filters.md``), with Python's own strings,
sets and counters. Tests and benchmarks compare with it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.support.plain.words import plain_words

QUALITY = {
    "min_words": 50,
    "max_words": 100_000,
    "min_mean_word_chars": 3,
    "max_mean_word_chars": 10,
    "max_symbols_per_word": 0.1,
    "max_bullet_line_fraction": 0.9,
    "max_ellipsis_line_fraction": 0.3,
    "min_alphabetic_word_fraction": 0.8,
    "min_stop_words": 2,
    "stop_words": ["the", "be", "to", "of", "and", "that", "have", "with"],
}
REPETITION = {
    "max_duplicate_line_fraction": 0.30,
    "max_duplicate_line_char_fraction": 0.20,
    "max_duplicate_paragraph_fraction": 0.30,
    "max_duplicate_paragraph_char_fraction": 0.20,
    "max_top_n_gram_char_fraction": {2: 0.20, 3: 0.18, 4: 0.16},
    "max_duplicate_n_gram_char_fraction": {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10},
}
"""The paper's thresholds (arXiv 2112.11446)."""

_BULLETS = tuple("•‣▶►◀◦■□▪▫●○–-*")


def lines_of(text: str) -> list[str]:
    """Return the lines that are not blank, stripped."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def paragraphs_of(text: str) -> list[str]:
    """Return the runs of lines between blank lines."""
    paragraphs: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            paragraphs[-1].append(line.strip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return ["\n".join(lines) for lines in paragraphs if lines]


def words_of(text: str, words: str) -> list[str]:
    """Return the words of a text, as the filters' parameter ``words`` says."""
    return plain_words(text) if words == "punctuation_apart" else text.split()


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _bare(word: str) -> str:
    """Return a word in lower case, without punctuation at its edges."""
    while word and _is_punctuation(word[0]):
        word = word[1:]
    while word and _is_punctuation(word[-1]):
        word = word[:-1]
    return "".join(c.lower()[0] for c in word)


def quality_reason(
    text: str, *, min_words: int, max_words: int, min_mean_word_chars: float,
    max_mean_word_chars: float, max_symbols_per_word: float, max_bullet_line_fraction: float,
    max_ellipsis_line_fraction: float, min_alphabetic_word_fraction: float, min_stop_words: int,
    stop_words: Sequence[str], words: str = "white_space",
) -> str | None:  # fmt: skip
    """Return the first quality rule that a text breaks."""
    all_words = words_of(text, words)
    counted = all_words
    if words == "punctuation_apart":
        counted = [word for word in all_words if not all(map(_is_punctuation, word))]
    if not min_words <= len(counted) <= max_words:
        return "gopher_words"
    n_words = max(len(all_words), 1)
    mean = sum(map(len, counted)) / max(len(counted), 1)
    if mean < min_mean_word_chars or mean > max_mean_word_chars:
        return "gopher_mean_word_length"
    for symbols in (text.count("#"), text.count("...") + text.count("…")):
        if symbols / n_words > max_symbols_per_word:
            return "gopher_symbols"
    lines = lines_of(text)
    n_lines = max(len(lines), 1)
    if sum(line.startswith(_BULLETS) for line in lines) / n_lines > max_bullet_line_fraction:
        return "gopher_bullets"
    ellipses = sum(line.endswith(("...", "…")) for line in lines)
    if ellipses / n_lines > max_ellipsis_line_fraction:
        return "gopher_ellipsis_lines"
    alphabetic = sum(any(c.isalpha() for c in word) for word in all_words)
    if alphabetic / n_words < min_alphabetic_word_fraction:
        return "gopher_alphabetic_words"
    if len({_bare(word) for word in all_words} & set(stop_words)) < min_stop_words:
        return "gopher_stop_words"
    return None


def repetition_reason(
    text: str, *, max_duplicate_line_fraction: float, max_duplicate_line_char_fraction: float,
    max_duplicate_paragraph_fraction: float, max_duplicate_paragraph_char_fraction: float,
    max_top_n_gram_char_fraction: Mapping[int, float],
    max_duplicate_n_gram_char_fraction: Mapping[int, float], words: str = "white_space",
) -> str | None:  # fmt: skip
    """Return the first repetition rule that a text breaks."""
    chars = max(len(text), 1)
    for units, name, limit, char_limit in (
        (lines_of(text), "line", max_duplicate_line_fraction, max_duplicate_line_char_fraction),
        (paragraphs_of(text), "paragraph", max_duplicate_paragraph_fraction,
         max_duplicate_paragraph_char_fraction),
    ):  # fmt: skip
        repeats = repeats_of(units)
        if len(repeats) / max(len(units), 1) > limit:
            return f"gopher_duplicate_{name}s"
        if sum(map(len, repeats)) / chars > char_limit:
            return f"gopher_duplicate_{name}_chars"
    split = words_of(text, words)
    for n, limit in sorted(max_top_n_gram_char_fraction.items()):
        if top_n_gram_chars(split, n) / chars > limit:
            return f"gopher_top_{n}_gram"
    for n, limit in sorted(max_duplicate_n_gram_char_fraction.items()):
        if duplicate_n_gram_chars(split, n) / chars > limit:
            return f"gopher_duplicate_{n}_grams"
    return None


def repeats_of(units: Sequence[str]) -> list[str]:
    """Return every unit that equals an earlier one."""
    seen: set[str] = set()
    repeats = []
    for unit in units:
        if unit in seen:
            repeats.append(unit)
        seen.add(unit)
    return repeats


def top_n_gram_chars(words: Sequence[str], n: int) -> int:
    """Return the characters of the most frequent n-gram times its count, 0 if it occurs once."""
    counts = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not counts:
        return 0
    n_gram, count = counts.most_common(1)[0]
    return len(n_gram) * count if count > 1 else 0


def duplicate_n_gram_chars(words: Sequence[str], n: int) -> int:
    """Return the characters of words in n-grams that occurred before, each counted once."""
    seen: set[tuple[str, ...]] = set()
    chars = i = 0
    while i + n <= len(words):
        n_gram = tuple(words[i : i + n])
        if n_gram in seen:
            chars += sum(map(len, n_gram))
            i += n
        else:
            seen.add(n_gram)
            i += 1
    return chars
