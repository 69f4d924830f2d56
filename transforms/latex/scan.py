"""Parts of a LaTeX source that TeX does not read as commands: comments, dead branches, verbatim.

One pass over the source finds them, in time linear in its length. Macros and included files are
searched only in the rest. So a commented ``\\input`` is not followed, and ``\\verb`` stays as it is
written.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Literal, NamedTuple

MAX_NAMES = 100
"""Most verbatim or comment environments that a source may define itself. For each of them the
source may be searched to its end."""

BEGIN_ENVIRONMENT = re.compile(r"\\begin[ \t]*\{([^{}\n]{1,100})\}")

_VERBATIM_NAMES = (
    "verbatim verbatim* Verbatim Verbatim* BVerbatim LVerbatim SaveVerbatim VerbatimOut spverbatim"
    " verbatimtab lstlisting minted filecontents filecontents* asy pycode sageblock sagesilent"
    " alltt luacode luacode*"
)
_VERBATIM_ENVIRONMENTS = frozenset(_VERBATIM_NAMES.split())
_OPTION = r"(?:\[[^\]\n]{0,200}\])?"
_DELIMITED = r"([!-)+-/:-@\[\]^_`|~0-9])[^\n]*?\1"  # only ASCII, so that few lines are searched
INLINE_VERBATIM = {
    r"\verb": re.compile(r"\\verb\*?" + _DELIMITED),
    r"\lstinline": re.compile(rf"\\lstinline{_OPTION}(?:\{{[^{{}}\n]*\}}|{_DELIMITED})"),
    r"\mintinline": re.compile(
        rf"\\mintinline{_OPTION}\{{[^{{}}\n]{{0,40}}\}}(?:\{{[^{{}}\n]*\}}|{_DELIMITED})"
    ),
}
# A percent sign in a url begins no comment, and macros in a url are not expanded.
_ADDRESS = re.compile(r"\\[a-z]+\*?[ \t]*(?:\[[^\]\n]{0,200}\][ \t]*)?\{[^{}\n]*\}")
INLINE_VERBATIM |= dict.fromkeys((r"\url", r"\href", r"\path", r"\nolinkurl"), _ADDRESS)
"""Patterns of inline verbatim text, by the command that begins it."""

_WORDS = "|".join(["begin", "iffalse", "fi", *(command[1:] for command in INLINE_VERBATIM)])
_MOST_STEPS = 200  # of a match that skips: the regular expression's memory grows with them
# Skips text and other commands, and finds what may begin a span. Escaped characters are skipped.
_TOKEN = re.compile(
    rf"(?:[^\\%]+|\\(?!(?:{_WORDS})(?![A-Za-z@]))(?:[A-Za-z@]+|[\s\S]|\Z)){{0,{_MOST_STEPS}}}"
    r"(\\[A-Za-z@]+|%[^\n]*)?"
)
_BRACE = re.compile(rf"(?:[^\\%{{}}]+|\\(?:[\s\S]|\Z)|%[^\n]*){{0,{_MOST_STEPS}}}([{{}}])?")
_CONDITIONAL_TOKEN = re.compile(r"\\[A-Za-z@]+|\\[\s\S]|%[^\n]*|[{}]")
_NO_CONDITIONAL = re.compile(
    r"\\if(?:f|thenelse|toggle|bool|boolexpr|blank|notblank|inlist\w*|undef|def(?!ined\Z)\w*"
    r"|cs(?!name\Z)\w+|str\w+|num\w+|dim\w+|packageloaded|notempty|empty)\Z"
)
_LET = re.compile(r"\\let[ \t]*\\[A-Za-z@]+[ \t]*=?[ \t]*\Z")
_LET_CHARS = 80
_NEW_VERBATIM = re.compile(
    r"\\(?:lstnewenvironment|DefineVerbatimEnvironment|newverbatim|newtcblisting)[ \t]*"
    r"\{([A-Za-z*]{1,60})\}"
)
_EXCLUDED = re.compile(r"\\excludecomment[ \t]*\{([A-Za-z*]{1,60})\}")


class Span(NamedTuple):
    """A part of a source that TeX does not read as commands, in character offsets.

    A ``comment`` runs from the percent sign to the end of the line, without the newline. An
    ``excluded`` span is a ``comment`` environment. A ``false`` span is a dead branch of
    ``\\iffalse`` with the commands around it. A ``verbatim`` span is text.
    """

    kind: Literal["comment", "excluded", "false", "verbatim"]
    start: int
    end: int


class Branches(NamedTuple):
    """The places of a conditional's ``\\else``, if it has one, and of its ``\\fi``."""

    else_start: int | None
    else_end: int | None
    fi_start: int
    fi_end: int


class Scan:
    """The spans of a source, in their order. They do not overlap."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = list(_spans(text))
        self._starts = [span.start for span in self.spans]

    def span_at(self, position: int) -> Span | None:
        """Return the span that holds ``position``."""
        index = bisect_right(self._starts, position) - 1
        if index >= 0 and position < self.spans[index].end:
            return self.spans[index]
        return None

    def between(self, start: int, end: int) -> list[Span]:
        """Return the spans that lie between two positions."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        return [span for span in self.spans[first:last] if span.end <= end]

    def search(self, pattern: re.Pattern[str], start: int = 0) -> re.Match[str] | None:
        """Return the first match from ``start`` on that begins outside of every span."""
        return next(self.matches(pattern, start), None)

    def matches(self, pattern: re.Pattern[str], start: int = 0) -> Iterator[re.Match[str]]:
        """Yield the matches from ``start`` on that begin outside of every span."""
        at = start
        while match := pattern.search(self.text, at):
            span = self.span_at(match.start())
            if span is None:
                yield match
                at = max(match.end(), match.start() + 1)
            else:
                at = span.end


def inline_verbatim(text: str, word: str, start: int) -> re.Match[str] | None:
    """Match the inline verbatim text that begins with the control word ``word`` at ``start``.

    Returns None for other control words.
    """
    pattern = INLINE_VERBATIM.get(word)
    return pattern.match(text, start) if pattern else None


def brace_pairs(text: str, spans: Sequence[Span] = ()) -> dict[int, int]:
    """Map the position of each opening brace to that of its closing brace, outside of ``spans``."""
    pairs: dict[int, int] = {}
    open_braces: list[int] = []
    starts = [span.start for span in spans] + [len(text)]
    begins = [0] + [span.end for span in spans]
    for begin, end in zip(begins, starts, strict=True):
        for match in _BRACE.finditer(text, begin, end):
            if match[1] == "{":
                open_braces.append(match.end() - 1)
            elif match[1] and open_braces:
                pairs[open_braces.pop()] = match.end() - 1
    return pairs


def _names(defines: re.Pattern[str], text: str) -> set[str]:
    """Return the names in the matches of ``defines``, at most :data:`MAX_NAMES` matches."""
    return {match[1] for match in islice(defines.finditer(text), MAX_NAMES)}


def _spans(text: str) -> Iterator[Span]:
    verbatim = _VERBATIM_ENVIRONMENTS | _names(_NEW_VERBATIM, text)
    excluded = {"comment"} | _names(_EXCLUDED, text)
    places: dict[int, Branches] | None = None
    unclosed: set[str] = set()
    ends: list[int] = []  # ends of each \fi whose \iffalse had an \else
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, "it may be empty"
        at = match.end()
        token = match[1]
        if token is None:
            continue
        start = match.start(1)
        if token[0] == "%":
            yield Span("comment", start, at)
        elif token == r"\begin":
            environment = BEGIN_ENVIRONMENT.match(text, start)
            name = environment[1] if environment else ""
            if environment and name not in unclosed and (name in verbatim or name in excluded):
                closing = f"\\end{{{name}}}"
                end = text.find(closing, environment.end())
                if end < 0:
                    unclosed.add(name)
                else:
                    at = end + len(closing)
                    yield Span("excluded" if name in excluded else "verbatim", start, at)
        elif token == r"\iffalse":
            if places is None:
                places = branches(text)
            if start in places:
                _, else_end, _, end = places[start]
                at = end if else_end is None else else_end
                if else_end is not None:
                    ends.append(end)
                yield Span("false", start, at)
        elif token == r"\fi":
            if ends and ends[-1] == at:
                ends.pop()
                yield Span("false", start, at)
        elif inline := inline_verbatim(text, token, start):
            at = inline.end()
            yield Span("verbatim", start, at)


def is_conditional(text: str, token: str, start: int) -> bool:
    """Tell whether the control sequence at ``start`` begins a conditional of TeX, to ``\\fi``."""
    if not token.startswith("\\if") or _NO_CONDITIONAL.match(token):
        return False
    before = text[max(start - _LET_CHARS, 0) : start]
    return not (_LET.search(before) or before.endswith("\\newif"))


def branches(text: str, spans: Sequence[Span] = ()) -> dict[int, Branches]:
    """Map the position of each conditional outside of ``spans`` to the places of its branches.

    A conditional without a ``\\fi`` in its group is part of a definition and is left out.
    """
    found: dict[int, Branches] = {}
    depth = 0
    open_ifs: list[tuple[int, int, tuple[int, int] | None]] = []  # start, depth, \else
    ends = [span.start for span in spans] + [len(text)]
    begins = [0] + [span.end for span in spans]
    tokens = chain.from_iterable(
        _CONDITIONAL_TOKEN.finditer(text, begin, end)
        for begin, end in zip(begins, ends, strict=True)
    )
    for match in tokens:
        token = match.group()
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            while open_ifs and open_ifs[-1][1] > depth:
                open_ifs.pop()
        elif token == r"\else" and open_ifs:
            start, level, other = open_ifs[-1]
            if other is None:
                open_ifs[-1] = (start, level, match.span())
        elif token == r"\fi" and open_ifs:
            start, _, other = open_ifs.pop()
            else_start, else_end = other or (None, None)
            found[start] = Branches(else_start, else_end, match.start(), match.end())
        elif is_conditional(text, token, match.start()):
            open_ifs.append((match.start(), depth, None))
    return found
