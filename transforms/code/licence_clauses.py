"""What a licence's text holds beside the clauses of permissive licences.

The clauses are data, in `licence_texts/`: one a line, in the words of :func:`words_of`. ``{a|b}``
stands for one of several wordings, perhaps none, and ``<8>`` for up to eight words of a name. What
no clause covers may be a restriction, in whatever words.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from transforms.code.copyright_lines import SAYING_WORDS, without_copyright_lines

TEXTS = Path(__file__).parent / "licence_texts"
"""Folder of the clauses."""

_WORD = re.compile(r"\w+")
_HYPHENATED = re.compile(
    r"\b((?!non|royalty|cross|no|third|set|end)[a-z]+)-[ \t]*\n[ \t]*(?=[a-z])"
)
"""Pattern of a word that goes on in the next line, and of no compound that has its own hyphen."""
_SPELLINGS = (
    (re.compile(r"licence"), "license"),
    (re.compile(r"\bnon infringement\b"), "noninfringement"),
    (re.compile(r"\bsub license\b"), "sublicense"),
    (re.compile(r"\bfor the purpose of this definition\b"), "for the purposes of this definition"),
)
_NAME_WORD = rf"(?:(?!(?:{SAYING_WORDS}) )\w+ )"
_BETWEEN_CLAUSES = re.compile(r"(?:(?:\d{1,2}|[a-h]|i{1,3}|iv|v|and|or|in|the|of)(?: |$))*")
"""Pattern of what may stand between clauses: their numbers, and words that join them."""


def left_over(text: str) -> list[str]:
    """Return the runs of words of ``text`` that no clause covers and that name no holder of rights.

    A run between clauses that only joins or numbers them is none.
    """
    lines = without_copyright_lines(text.splitlines())
    words = _clauses().sub("| ", words_of("\n".join(lines)))
    runs = (run.strip() for run in words.split("|"))
    return [run for run in runs if not _BETWEEN_CLAUSES.fullmatch(run)]


def words_of(text: str) -> str:
    """Return a text's words, in small letters and one spelling, with a space behind each."""
    words = " ".join(_WORD.findall(_HYPHENATED.sub(r"\1", text.lower())))
    for pattern, spelling in _SPELLINGS:
        words = pattern.sub(spelling, words)
    return words + " "


@functools.cache
def _clauses() -> re.Pattern[str]:
    """Return the pattern of any clause. Where several begin, the one of most words comes first."""
    lines = [
        line
        for path in sorted(TEXTS.glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    lines.sort(key=_n_words, reverse=True)
    return re.compile(rf"(?<![^ ])(?:{'|'.join(map(_pattern, lines))})")


def _n_words(clause: str) -> int:
    """Return the number of words of a clause's longest wording."""
    longest = re.sub(r"\{([^}]*)\}", lambda match: max(match[1].split("|"), key=len) + " ", clause)
    return len(longest.split())


def _pattern(clause: str) -> str:
    parts = re.findall(r"\{[^}]*\}|<\d+>|\w+", clause)
    return "".join(
        f"(?:{'|'.join(map(_wording, part[1:-1].split('|')))})"
        if part.startswith("{")
        else _wording(part)
        for part in parts
    )


def _wording(words: str) -> str:
    return "".join(
        f"{_NAME_WORD}{{0,{word[1:-1]}}}?" if word.startswith("<") else f"{word} "
        for word in words.split()
    )
