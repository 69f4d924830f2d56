"""Macros as text, and the arguments of their calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from transforms.latex.scan import brace_pairs

MAX_ARGUMENT_CHARS = 20_000  # of an argument that no brace closes, before it counts as runaway
MAX_TESTS = 32  # of arguments, in the body of a macro; each reads the body again

CONTROL_SEQUENCE = {
    False: re.compile(r"\\(?:[A-Za-z]+|[^A-Za-z])", re.DOTALL),
    True: re.compile(r"\\(?:[A-Za-z@]+|[^A-Za-z@])", re.DOTALL),
}
"""By whether @ is a letter."""

_SPACE = re.compile(r"[ \t]*(?:\n(?![ \t]*\n)[ \t]*)?")  # what TeX skips: not a paragraph's end
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_PARAMETER = re.compile(r"#(#|[1-9])")
_DELIMITER_TOKEN = re.compile(r"\s+|\\[A-Za-z@]+|\\.|[\s\S]")
_ENDS_IN_COMMAND = re.compile(r"(?:\\[A-Za-z@]+|\\(?:begin|end)\{[^{}]{0,100}\})[ \t\n]*\Z")
_ONE_TOKEN = re.compile(r"\s*(?:\\[A-Za-z@]+|\\[^A-Za-z]|[^\\{}])?\s*\Z")
_XPARSE_TEST = re.compile(
    r"\\If(?P<of>NoValue|Value|Boolean)(?P<form>TF|T|F)[ \t\n]*"
    r"(?:\{[ \t]*#([1-9])[ \t]*\}|#([1-9]))"
)
_WORD_END = re.compile(r"(?<!\\)(?:\\\\)*\\[A-Za-z@]+\Z")

Kind = Literal["mandatory", "optional", "star", "delimited"]


class Parameter(NamedTuple):
    """A parameter; ``text`` is an optional one's default (None: no value) or the delimiter."""

    kind: Kind
    text: str | None = None


class Macro(NamedTuple):
    """What a macro stands for."""

    parameters: tuple[Parameter, ...]
    body: str
    at_letter: bool  # @ was a letter where it was defined
    prefix: str = ""  # what must stand before the first parameter
    frozen: bool = False  # the body is one command that is not expanded again
    tests_arguments: bool = False  # the body may hold \IfValueTF and the like

    @property
    def keeps_space(self) -> bool:
        """Tell whether spaces behind a call without arguments make no difference to TeX."""
        return self.frozen or _ENDS_IN_COMMAND.search(self.body[-120:]) is not None

    @property
    def is_one_token(self) -> bool:
        """Tell whether the body needs no braces as the argument of another command."""
        return self.frozen or (len(self.body) < 60 and _ONE_TOKEN.match(self.body) is not None)


class Environment(NamedTuple):
    """What an environment's ends stand for; ``begin`` takes the arguments."""

    begin: Macro
    end: Macro


class Text(NamedTuple):
    """A text with its pairs of braces, and whether @ is a letter in it."""

    text: str
    pairs: Mapping[int, int]
    at_letter: bool


def skip_space(text: str, at: int) -> int:
    """Return where TeX goes on reading after a control word: behind spaces and one newline."""
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def read_argument(source: Text, at: int) -> tuple[str, int] | None:
    """Read an undelimited argument, a group or one token; None where there is none.

    A blank line is a token as well, the end of the paragraph.
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
    """Read an argument in square brackets; None where there is none."""
    at = skip_space(source.text, at)
    if not source.text.startswith("[", at):
        return None
    return _read_delimited(source, at + 1, "]")


def read_arguments(source: Text, at: int, macro: Macro) -> tuple[list[str | None], int, int] | None:
    """Read the arguments of a call from behind its name; None where they are not all there.

    Returns the values, where the call ends, and how many brackets were read in vain for an option.
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
        found: tuple[str, int] | None
        if kind == "star":
            star = skip_space(source.text, at)
            found = ("*", star + 1) if source.text.startswith("*", star) else None
        elif kind == "optional":
            found = read_option(source, at)
            open_options += not found and source.text.startswith("[", skip_space(source.text, at))
        elif kind == "mandatory":
            found = read_argument(source, at)
        else:
            assert text is not None
            found = _read_delimited(source, at, text)
        if found:
            value, at = found
            values.append(value)
        elif kind in ("mandatory", "delimited"):
            return None
        else:
            values.append(text)
    return values, at, open_options


def substitute(macro: Macro, values: Sequence[str | None], max_chars: int) -> str | None:
    """Put arguments into a macro's body; None where more than ``max_chars`` would come out."""
    body = _decided(macro.body, values) if macro.tests_arguments else macro.body
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


def _decided(body: str, values: Sequence[str | None]) -> str | None:
    """Take the branches of xparse's tests of arguments; None where there are too many tests."""
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
            found = read_argument(source, at)
            if found is None:
                return body
            if is_true == (branch == "T"):
                taken = found[0]
            at = found[1]
        body = body[: match.start()] + taken + body[at:]
    return body


def _read_delimited(source: Text, at: int, delimiter: str) -> tuple[str, int] | None:
    """Read up to ``delimiter`` at the level of braces where reading begins."""
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
    """Return the end of ``delimiter`` at ``at``, where any white space stands for any other."""
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
