"""A plain implementation of the rules for web pages, by loops over lines and words.

It was written from the papers and the behaviour of the published code. It does not use the kernels.
Tests and benchmarks compare with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_SENTENCE_END = re.compile(r"""[.?!][.?!"')\]»’”]*(?:\s|$)""")


class Verdict(NamedTuple):
    """The result for a page: its text, and the reason for which it is dropped."""

    text: str
    reason: str | None


class C4Rules(NamedTuple):
    """The parameters of C4's rules, as in a recipe. None or an empty value switches a rule off."""

    max_page_chars: int | None
    max_word_chars: int | None
    strip_citations: bool
    line_end_marks: Sequence[str]
    refused_line_ends: Sequence[str]
    min_line_words: int | None
    drop_lorem_ipsum: bool
    drop_javascript_lines: bool
    drop_curly_brackets: bool
    policy_phrases: Sequence[str]
    bad_words: Sequence[str]
    min_sentences: int | None


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, divided by end marks."""
    parts = []
    at = behind = 0  # the begin of a sentence; the place behind the last end marks
    is_begun = False
    for end in _SENTENCE_END.finditer(text):
        is_begun |= has_words(text[behind : end.start()])
        behind = end.end()
        if is_begun:
            parts.append(text[at:behind])
            at, is_begun = behind, False
    if is_begun or has_words(text[behind:]):
        parts.append(text[at:])
    return parts


def has_words(text: str) -> bool:
    """Tell whether a text has more than white space and end marks."""
    return bool(re.search(r"[^\s.?!]", text))


def lower(text: str) -> str:
    """Return a text with each character in lower case, where that is one character."""
    if text.isascii():
        return text.lower()
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def c4(text: str, rules: C4Rules) -> Verdict:
    """Clean one page by C4's rules."""
    if rules.max_page_chars is not None and len(text) > rules.max_page_chars:
        return Verdict(text, "c4_page_too_long")
    bad_words = None
    if rules.bad_words:
        words = "|".join(re.escape(lower(word)) for word in rules.bad_words)
        bad_words = re.compile(rf"(?:\W|^)(?:{words})(?:\W|$)")
    kept: list[str] = []
    n_sentences = 0
    for line in map(str.strip, text.splitlines()):
        if rules.max_word_chars is not None and any(
            len(word) > rules.max_word_chars for word in line.split()
        ):
            continue
        if rules.strip_citations:
            line = _CITATION.sub("", line)
        if rules.line_end_marks and not line.endswith(tuple(rules.line_end_marks)):
            continue
        if line.endswith(tuple(rules.refused_line_ends)):
            continue
        if rules.min_line_words is not None and len(line.split()) < rules.min_line_words:
            continue
        lowered = lower(line)
        if rules.drop_lorem_ipsum and "lorem ipsum" in lowered:
            return Verdict(text, "c4_lorem_ipsum")
        if rules.drop_javascript_lines and "javascript" in lowered:
            continue
        if rules.drop_curly_brackets and "{" in line:
            return Verdict(text, "c4_curly_bracket")
        if any(lower(phrase) in lowered for phrase in rules.policy_phrases):
            continue
        if bad_words and bad_words.search(lowered):
            return Verdict(text, "c4_bad_word")
        n_sentences += len(sentences(line))
        kept.append(line)
    cleaned = "\n".join(kept).strip()
    if not cleaned:
        return Verdict(text, "c4_no_line_left")
    if rules.min_sentences is not None and n_sentences < rules.min_sentences:
        return Verdict(text, "c4_few_sentences")
    return Verdict(cleaned, None)


class FineWebRules(NamedTuple):
    """The parameters of FineWeb's own rules, as in a recipe. None switches a rule off."""

    line_end_marks: Sequence[str]
    min_marked_line_fraction: float | None
    short_line_chars: int
    max_short_line_fraction: float | None
    max_duplicate_char_fraction: float | None
    max_newlines_per_word: float | None


def fineweb(text: str, rules: FineWebRules) -> Verdict:
    """Judge one page by FineWeb's own rules."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return Verdict(text, "fineweb_no_line")
    marked = sum(line.endswith(tuple(rules.line_end_marks)) for line in lines) / len(lines)
    if rules.min_marked_line_fraction is not None and marked <= rules.min_marked_line_fraction:
        return Verdict(text, "fineweb_few_end_marks")
    short = sum(len(line) <= rules.short_line_chars for line in lines) / len(lines)
    if rules.max_short_line_fraction is not None and short > rules.max_short_line_fraction:
        return Verdict(text, "fineweb_short_lines")
    seen: set[str] = set()
    repeated = 0
    for line in lines:
        repeated += len(line) if line in seen else 0
        seen.add(line)
    duplicate = repeated / len(text.replace("\n", ""))
    limit = rules.max_duplicate_char_fraction
    if limit is not None and duplicate > limit:
        return Verdict(text, "fineweb_duplicate_lines")
    newlines = text.count("\n") / len(text.split())
    if rules.max_newlines_per_word is not None and newlines > rules.max_newlines_per_word:
        return Verdict(text, "fineweb_newlines")
    return Verdict(text, None)
