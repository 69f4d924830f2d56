r"""Commands whose effect the text behind them decides: ``\xspace``, ``\@ifstar`` and the like."""

from __future__ import annotations

import re

from transforms.latex.arguments import read_argument, skip_space
from transforms.latex.reading import Frame, Input

# What the package xspace puts no space before, and braces.
_NO_XSPACE = re.compile(r"[.,'/?;:!~)}{-]|\\(?:[\s/]|footnote)|\n|\Z")
_WINDOW_CHARS = 64


def space_of_xspace(source: Input) -> str:
    r"""Return the space that ``\xspace`` sets here, if any; skips the blanks that it swallows."""
    ahead = source.ahead(_WINDOW_CHARS)
    blank = skip_space(ahead, 0)
    if _NO_XSPACE.match(ahead, blank):
        if not ahead.startswith("\n", blank):
            source.consume(blank)
        return ""
    return "" if blank else " "


def branch_taken(source: Input, frame: Frame, token: str) -> str | None:
    r"""Return the branch of ``\@ifstar`` or ``\@ifnextchar`` that the following text decides.

    The command is skipped with its arguments. Returns None where arguments are missing.
    """
    count = 2 if token == r"\@ifstar" else 3
    arguments: list[str] = []
    at = frame.at
    for _ in range(count):
        argument = read_argument(frame.source, at)
        if argument is None:
            return None
        arguments.append(argument[0])
        at = argument[1]
    frame.at = at
    wanted = "*" if count == 2 else arguments[0]
    ahead = source.ahead(_WINDOW_CHARS)
    blank = skip_space(ahead, 0)
    is_there = bool(wanted) and ahead.startswith(wanted, blank)
    if is_there and count == 2:
        source.consume(blank + 1)
    return arguments[-2] if is_there else arguments[-1]
