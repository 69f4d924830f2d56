"""Macros and environments as data, and the reading of the arguments of their calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from transforms.latex.scan import brace_pairs

MAX_ARGUMENT_CHARS = 20_000
"""Longest delimited argument, in characters. A search for a delimiter stops there."""

MAX_TESTS = 32
"""Most tests of arguments in a macro's body, such as ``\\IfValueTF``. The rest of the body is read
again after each."""

CONTROL_SEQUENCE = {
    False: re.compile(r"\\(?:[A-Za-z]+|[^A-Za-z])", re.DOTALL),
    True: re.compile(r"\\(?:[A-Za-z@]+|[^A-Za-z@])", re.DOTALL),
}
"""Pattern of a control sequence, by whether ``@`` is a letter."""

_SPACE = re.compile(r"[ \t]*(?:\n(?![ \t]*\n)[ \t]*)?")  # TeX skips this, but no blank line
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_PARAMETER = re.compile(r"#(#|[1-9])")
_DELIMITER_TOKEN = re.compile(r"\s+|\\[A-Za-z@]+|\\.|[\s\S]")
_ENDS_IN_COMMAND = re.compile(
    r"(?:\\(?!(?:relax|ignorespaces)(?![A-Za-z@]))[A-Za-z@]+"
    r"|\\(?:begin|end)\{[^{}]{0,100}\})[ \t\n]*\Z"
)
_ONE_TOKEN = re.compile(r"\s*(?:\\[A-Za-z@]+|\\[^A-Za-z]|[^\\{}])?\s*\Z")
_XPARSE_TEST = re.compile(
    r"\\If(?P<of>NoValue|Value|Boolean)(?P<form>TF|T|F)[ \t\n]*"
    r"(?:\{[ \t]*#([1-9])[ \t]*\}|#([1-9]))"
)
_WORD_END = re.compile(r"(?<!\\)(?:\\\\)*\\[A-Za-z@]+\Z")

Kind = Literal["mandatory", "optional", "star", "delimited"]


class Parameter(NamedTuple):
    """A parameter of a macro.

    ``text`` is the default of an optional parameter (None: no value), or the delimiter after a
    delimited one.
    """

    kind: Kind
    text: str | None = None


class Macro(NamedTuple):
    """A macro: its parameters, and the body that replaces a call."""

    parameters: tuple[Parameter, ...]
    body: str
    at_letter: bool  # whether @ was a letter where the macro was defined
    prefix: str = ""  # text that must stand before the first argument
    frozen: bool = False  # the body is one command that is not expanded again
    tests_arguments: bool = False  # the body may hold \IfValueTF and the like

    @property
    def may_branch(self) -> bool:
        """Tell whether the body may hold conditionals."""
        return "\\if" in self.body or "\\notblank" in self.body

    @property
    def keeps_space(self) -> bool:
        """Tell whether spaces after a call without arguments make no difference to TeX."""
        return self.frozen or _ENDS_IN_COMMAND.search(self.body[-120:]) is not None

    @property
    def is_one_token(self) -> bool:
        """Tell whether the body needs no braces as the argument of another command."""
        return self.frozen or (len(self.body) < 60 and _ONE_TOKEN.match(self.body) is not None)


class Environment(NamedTuple):
    """An environment: the macros for its begin and its end. ``begin`` takes the arguments."""

    begin: Macro
    end: Macro


class Text(NamedTuple):
    """A text with its pairs of braces, and whether ``@`` is a letter in it."""

    text: str
    pairs: Mapping[int, int]  # position of each opening brace to that of its closing brace
    at_letter: bool


def skip_space(text: str, at: int) -> int:
    """Return where TeX continues after a control word: after blanks and at most one newline."""
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def read_argument(source: Text, at: int) -> tuple[str, int] | None:
    """Read an undelimited argument: a group in braces, or one token.

    Returns the argument and the position after it, None where there is no argument. A blank line is
    a token as well: the end of the paragraph.
    """
    text = source.text
    at = skip_space(text, at)
    if at >= len(text):
        return None
    character = text[at]
    if character == "{":
        end = source.pairs.get(at)
        return None if end is None else (text[at + 1 : end], end + 1)
    if character == "\\":
        control = CONTROL_SEQUENCE[source.at_letter].match(text, at)
        if control is None:
            return None
        end = control.end()
        return control.group(), skip_space(text, end) if text[at + 1].isalpha() else end
    if character == "\n":
        paragraph = _BLANK_LINES.match(text, at)
        return ("\n\n", paragraph.end()) if paragraph else None
    if character in "}#":
        return None
    return character, at + 1


def read_option(source: Text, at: int) -> tuple[str, int] | None:
    """Read an argument in square brackets.

    Returns the argument and the position after it, None where there is no argument.
    """
    at = skip_space(source.text, at)
    if not source.text.startswith("[", at):
        return None
    return _read_delimited(source, at + 1, "]")


def read_arguments(source: Text, at: int, macro: Macro) -> tuple[list[str | None], int, int] | None:
    """Read the arguments of a call whose name ends at ``at``.

    Returns the values, the position after the call, and how many brackets of optional arguments
    were opened but never closed. Returns None where an argument is missing.
    """
    open_options = 0
    values: list[str | None] = []
    at = skip_space(source.text, at)
    if macro.prefix:
        end = _match_delimiter(source.text, at, macro.prefix)
        if end is None:
            return None
        at = end
    for kind, text in macro.parameters:
        argument: tuple[str, int] | None
        if kind == "star":
            star = skip_space(source.text, at)
            argument = ("*", star + 1) if source.text.startswith("*", star) else None
        elif kind == "optional":
            argument = read_option(source, at)
            is_open = source.text.startswith("[", skip_space(source.text, at))
            open_options += argument is None and is_open
        elif kind == "mandatory":
            argument = read_argument(source, at)
        else:
            assert text is not None
            argument = _read_delimited(source, at, text)
        if argument:
            value, at = argument
            values.append(value)
        elif kind in ("mandatory", "delimited"):
            return None
        else:
            values.append(text)
    return values, at, open_options


def substitute(macro: Macro, values: Sequence[str | None], max_chars: int) -> str | None:
    """Return a macro's body with the arguments in it, None where it exceeds ``max_chars``."""
    body = _with_branches_taken(macro.body, values) if macro.tests_arguments else macro.body
    if body is None:
        return None
    pieces: list[str] = []
    size, at = 0, 0
    for match in _PARAMETER.finditer(body):
        which = match[1]
        if which != "#" and int(which) > len(values):
            continue
        value = "#" if which == "#" else values[int(which) - 1] or ""
        before = body[at : match.start()]
        if value[:1].isalpha() and _ends_in_word(before):
            before += " "
        pieces += (before, value)
        at = match.end()
        if value[:1] and body[at : at + 1].isalpha() and _ends_in_word(value):
            pieces.append(" ")
        size += len(before) + len(value)
        if size > max_chars:
            return None
    pieces.append(body[at:])
    return "".join(pieces) if size + len(body) - at <= max_chars else None


def _ends_in_word(text: str) -> bool:
    return _WORD_END.search(text[-60:]) is not None


def _with_branches_taken(body: str, values: Sequence[str | None]) -> str | None:
    """Replace xparse's tests of arguments by the branch that each takes.

    Returns None where there are too many tests.
    """
    tests = 0
    while match := _XPARSE_TEST.search(body):
        tests += 1
        if tests > MAX_TESTS or len(body) > MAX_ARGUMENT_CHARS:
            return None
        index = int(match[3] or match[4]) - 1
        is_true = index < len(values) and (values[index] is not None) != (match["of"] == "NoValue")
        source = Text(body, brace_pairs(body), True)
        at, taken = match.end(), ""
        for branch in match["form"]:
            argument = read_argument(source, at)
            if argument is None:
                return body
            if is_true == (branch == "T"):
                taken = argument[0]
            at = argument[1]
        body = body[: match.start()] + taken + body[at:]
    return body


def _read_delimited(source: Text, at: int, delimiter: str) -> tuple[str, int] | None:
    """Read an argument up to a ``delimiter`` that is in no further braces.

    Returns the argument and the position after the delimiter, None where the delimiter is missing.
    """
    text, start = source.text, at
    last = min(len(text), start + MAX_ARGUMENT_CHARS)
    token = re.compile(r"\\[\s\S]|[{}]|" + re.escape(delimiter[0]))
    while match := token.search(text, at, last):
        at = match.start()
        end = _match_delimiter(text, at, delimiter)
        if end is not None:
            argument = text[start:at]
            if argument[:1] == "{" and source.pairs.get(start) == at - 1:
                argument = argument[1:-1]
            return argument, end
        if text[at] == "{":
            closing = source.pairs.get(at)
            if closing is None:
                return None
            at = closing + 1
        elif text[at] == "}":
            return None
        else:
            at = match.end()
    return None


def _match_delimiter(text: str, at: int, delimiter: str) -> int | None:
    """Return where the ``delimiter`` that begins at ``at`` ends, None where none begins there.

    White space in the delimiter matches any white space.
    """
    for match in _DELIMITER_TOKEN.finditer(delimiter):
        token = match.group()
        if token.isspace():
            end = skip_space(text, at)
            if end == at:
                return None
            at = end
        elif text.startswith(token, at):
            at += len(token)
            if len(token) > 1 and token[1].isalpha():
                if text[at : at + 1].isalpha():
                    return None
                at = skip_space(text, at)
        else:
            return None
    return at
