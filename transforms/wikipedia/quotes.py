"""Bold and italics of wikitext, line by line, by the rules of MediaWiki's ``doQuotes``."""

from __future__ import annotations

import re

_RUN = re.compile("(''+)")


def without_quotes(text: str) -> str:
    """Remove the marks of bold and italics. Apostrophes that a reader of the page sees stay.

    Runs of two, three and five apostrophes are marks. Of four the first is an apostrophe, and of
    more than five all but the last five are. A line whose marks have no partners has three
    apostrophes that are one, and a mark of italics: ``l'''Iliade''`` is ``l'Iliade``. Takes time
    linear in the text.
    """
    if "''" not in text:
        return text
    return "\n".join(
        _line_without_quotes(line) if "''" in line else line for line in text.split("\n")
    )


def _line_without_quotes(line: str) -> str:
    parts = _RUN.split(line)  # text, run, text, run, ... text
    sizes = [len(run) for run in parts[1::2]]
    marks = [3 if size == 4 else min(size, 5) for size in sizes]
    texts = parts[0::2]
    for at, (size, mark) in enumerate(zip(sizes, marks, strict=True)):
        if size > mark:
            texts[at] += "'" * (size - mark)
    if not _are_nested(marks):
        for at in _apostrophes(texts, marks):
            texts[at] += "'"
    return "".join(texts)


def _are_nested(marks: list[int]) -> bool:
    """Return whether marks open and close in pairs, one inside the other."""
    opened: list[int] = []
    for mark in marks:
        if opened and opened[-1] == mark:
            opened.pop()
        elif len(opened) == 2 or mark in opened:
            return False
        else:
            opened.append(mark)
    return not opened


def _apostrophes(texts: list[str], marks: list[int]) -> list[int]:
    """Return the bold marks that are an apostrophe and a mark of italics.

    ``doQuotes`` takes one mark, and only of a line with an odd number of both, so a page shows
    ``l'''A'' e l'''B''`` without its apostrophes. What the writer meant is clear where the marks
    are pairs, and each mixed pair is an elision or a genitive.
    """
    if len(marks) % 2 == 0 and (found := _in_pairs(texts, marks)) is not None:
        return found
    bold = sum(mark != 2 for mark in marks)
    italics = sum(mark != 3 for mark in marks)
    wrong = _wrong_bold(texts, marks) if bold % 2 and italics % 2 else None
    return [] if wrong is None else [wrong]


def _in_pairs(texts: list[str], marks: list[int]) -> list[int] | None:
    """Return the marks that are apostrophes if the marks are pairs, else None."""
    found = []
    for at in range(0, len(marks), 2):
        pair = (marks[at], marks[at + 1])
        if pair == (3, 2) and texts[at][-1:].isalpha():
            found.append(at)
        elif pair == (2, 3) and texts[at + 2][:1].isalpha() and not texts[at + 1][-1:].isspace():
            found.append(at + 1)
        elif pair[0] != pair[1]:
            return None
    return found


def _wrong_bold(texts: list[str], marks: list[int]) -> int | None:
    """Return which bold mark is an apostrophe and a mark of italics, as ``doQuotes`` does.

    It is the first one behind a word of one letter, else the first behind a longer word, else the
    first behind a space.
    """
    after_word = after_space = None
    for at, mark in enumerate(marks):
        if mark != 3:
            continue
        before = texts[at]
        if before.endswith(" "):
            after_space = at if after_space is None else after_space
        elif before[-2:-1] == " ":
            return at
        elif after_word is None:
            after_word = at
    return after_space if after_word is None else after_word
