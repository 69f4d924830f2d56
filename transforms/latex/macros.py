"""Expansion of the macros that a LaTeX source defines, where it calls them.

The procedure is TeX's, but on text. The source is read from the beginning. A definition holds from
its place to the end of its group. The body of a macro is read in place of the call, so that calls
in the body are expanded, too. Commands that the source does not define are left alone.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from transforms.latex.arguments import Macro, read_argument, skip_space, substitute
from transforms.latex.definitions import DEFINERS, read_definition
from transforms.latex.reading import Frame, Input
from transforms.latex.scan import BEGIN_ENVIRONMENT, Scan, brace_pairs, inline_verbatim
from transforms.latex.scope import ARGUMENT, Scope
from transforms.latex.writing import Output, OutputState

MAX_DEPTH = 200
"""Most expansions within one another. Only macros that call themselves go deeper."""

MAX_FAILURES = 16
"""Most calls in a document that exceed a limit. After these nothing more is expanded."""

MAX_RUNAWAYS = 100
"""Most calls of a macro with missing arguments. After these the macro is left alone."""

_GROUP_BEGINS = {"begingroup": "begingroup", "bgroup": "{"}
_GROUP_ENDS = {"endgroup": "begingroup", "egroup": "{"}
# Commands that execute arguments in braces, with the number of the arguments. Definitions in such
# an argument hold after it.
_EXECUTES_ARGUMENTS = {
    "AtBeginDocument": 1,
    "AtEndPreamble": 1,
    "@ifpackageloaded": 3,
    "@ifundefined": 3,
    "IfFileExists": 3,
    "ifbool": 3,
    "ifcsdef": 3,
    "ifcsundef": 3,
    "ifthenelse": 3,
    "iftoggle": 3,
}
_TOKEN = {
    False: re.compile(r"\\(?:[A-Za-z]+|[\s\S])|[{}]"),
    True: re.compile(r"\\(?:[A-Za-z@]+|[\s\S])|[{}]"),
}
_END_ENVIRONMENT = re.compile(r"\\end[ \t]*\{([^{}\n]{1,100})\}")
_BLANK_REST = re.compile(r"[ \t]*\n")
# What the package xspace puts no space before, and braces.
_NO_XSPACE = re.compile(r"[.,'/?;:!~)}{-]|\\(?:[\s/]|footnote)|\n|\Z")
_XSPACE_WINDOW_CHARS = 64


def expanded(text: str, *, max_expansions: int, max_growth: float) -> str:
    """Return a LaTeX source with its own macros expanded, and without their definitions.

    A call that takes more than ``max_expansions`` expansions, or that makes the text longer than
    about ``max_growth`` times the source's characters, is left as it is.
    """
    return _Expansion(text, max_expansions, int(max_growth * len(text)) + 1000).run()


class _Checkpoint(NamedTuple):
    """The state before a call in the source, to which a call over the limits goes back."""

    word: str
    at: int
    output: OutputState
    log_length: int
    groups: int


class _Expansion:
    """The expansion of one source: its input, its output, and the definitions that hold."""

    def __init__(self, text: str, max_expansions: int, max_chars: int) -> None:
        scan = Scan(text)
        pairs = brace_pairs(text, scan.spans)
        self._input = Input(Frame(text, at_letter=False, pairs=pairs))
        self._frames = self._input.frames
        self._spans = iter(scan.spans)
        self._span = next(self._spans, None)
        self._scope = Scope()
        self._output = Output()
        self._max_expansions = max_expansions
        self._max_chars = max_chars
        self._expansions_left = len(text) + max_expansions
        self._chars_left = 8 * max_chars
        self._call: _Checkpoint | None = None
        self._call_expansions = 0
        self._call_chars = 0
        self._failures = 0
        self._left: set[str] = set()
        self._runaways: Counter[str] = Counter()

    def run(self) -> str:
        while self._frames:
            frame = self._frames[-1]
            if len(self._frames) == 1:
                self._call = None
                if self._pass_span(frame):
                    continue
            match = _TOKEN[frame.at_letter].search(frame.text, frame.at)
            if match is None:
                self._output.write(frame.text[frame.at :])
                frame.at = len(frame.text)
                self._input.pop()
                continue
            if len(self._frames) == 1 and self._span and self._span.start <= match.start():
                self._output.write(frame.text[frame.at : self._span.start])
                frame.at = self._span.start
                continue
            if match.start() > frame.at:
                self._output.write(frame.text[frame.at : match.start()])
            frame.at = match.end()
            token = match.group()
            if token == "{":
                self._open(ARGUMENT if match.start() in frame.no_groups else "{", "{")
            elif token == "}":
                self._close_brace()
            else:
                self._command(frame, token, match.start())
        return self._output.text()

    def _pass_span(self, frame: Frame) -> bool:
        """Copy the span (verbatim text or a comment) at the current position, if there is one."""
        while self._span and self._span.start < frame.at:
            self._span = next(self._spans, None)
        if self._span and self._span.start == frame.at:
            self._output.write(frame.text[self._span.start : self._span.end])
            frame.at = self._span.end
            self._span = next(self._spans, None)
            return True
        return False

    def _open(self, kind: str, token: str) -> None:
        waiting = max(self._output.arity - 1, 0)
        self._output.arity = 0
        self._output.write(token)
        self._scope.open(kind, arity=waiting)

    def _close_brace(self) -> None:
        self._output.write("}")
        group = self._scope.close_if("{") or self._scope.close_if(ARGUMENT)
        self._output.arity = group.arity if group else 0

    def _end_line_left_blank(self) -> None:
        """Skip the rest of a line and its newline, if a removal left the whole line blank."""
        frame = self._frames[-1]
        rest = _BLANK_REST.match(frame.text, frame.at)
        if rest and self._output.last_line_is_blank():
            self._output.end_blank_line()
            frame.at = rest.end()

    def _define(self, frame: Frame, word: str) -> bool:
        definition = read_definition(frame.source, word, frame.at, self._scope.known)
        if definition is None:
            return False
        frame.at = definition.end
        self._scope.define(definition)
        self._end_line_left_blank()
        return True

    def _command(self, frame: Frame, token: str, start: int) -> None:
        word = token[1:]
        macro = self._scope.macro(word)
        if macro is not None:
            self._expand(token, macro)
        elif word in DEFINERS:
            if not self._define(frame, word):
                self._output.write_command(token)
        elif word == "begin":
            self._begin(frame, start)
        elif word == "end":
            self._end(frame, start)
        elif word in _GROUP_BEGINS:
            self._output.write_command(token)
            self._scope.open(_GROUP_BEGINS[word])
        elif word in _GROUP_ENDS:
            self._output.write_command(token)
            self._scope.close_if(_GROUP_ENDS[word])
        elif word in ("makeatletter", "makeatother"):
            self._output.write_command(token)
            frame.at_letter = word == "makeatletter"
        elif word == "xspace":
            self._xspace()
        elif word in ("@ifstar", "@ifnextchar") and len(self._frames) > 1:
            self._branch(frame, token)
        elif word in _EXECUTES_ARGUMENTS:
            self._output.write_command(token)
            frame.mark_arguments(_EXECUTES_ARGUMENTS[word])
        elif inline := inline_verbatim(frame.text, token, start):
            self._output.write(inline.group())
            frame.at = inline.end()
        else:
            self._output.write_command(token)

    def _begin(self, frame: Frame, start: int) -> None:
        match = BEGIN_ENVIRONMENT.match(frame.text, start)
        if match is None:
            self._output.write_command(r"\begin")
            return
        name = match[1]
        environment = self._scope.environment(name)
        frame.at = match.end()
        if environment is None:
            self._output.write(match.group())
            if name != "document":
                self._scope.open(f"begin {name}")
            return
        values = (
            self._input.arguments(environment.begin) if self._may_expand(match.group()) else None
        )
        if values is None:
            self._output.write(match.group())
            self._scope.open(f"begin {name}")
            return
        begin = self._substituted(environment.begin, values)
        end = None if begin is None else self._substituted(environment.end, values)
        if begin is None or end is None:
            return
        first = BEGIN_ENVIRONMENT.match(begin.lstrip())
        wrapped = not (first and end.rstrip().endswith(f"\\end{{{first[1]}}}"))
        end_macro = environment.end._replace(body=end)
        self._scope.open(f"begin {name}", end=end_macro, wrapped=wrapped)
        if wrapped:
            self._output.write_command(r"\begingroup")
        self._frames.append(Frame(begin, at_letter=environment.begin.at_letter))

    def _end(self, frame: Frame, start: int) -> None:
        match = _END_ENVIRONMENT.match(frame.text, start)
        if match is None:
            self._output.write_command(r"\end")
            return
        frame.at = match.end()
        kind = f"begin {match[1]}"
        group = self._scope.innermost(kind)
        if group is None or group.end is None:
            self._scope.close_if(kind)
            self._output.write(match.group())
            return
        wrapped = group.wrapped

        def close() -> None:
            if wrapped:
                self._output.write_command(r"\endgroup")
            if self._scope.innermost(kind):
                self._scope.close()

        self._frames.append(Frame(group.end.body, at_letter=group.end.at_letter, at_end=close))

    def _xspace(self) -> None:
        ahead = self._input.ahead(_XSPACE_WINDOW_CHARS)
        blank = skip_space(ahead, 0)
        if _NO_XSPACE.match(ahead, blank):
            if not ahead.startswith("\n", blank):
                self._input.consume(blank)
        elif not blank:
            self._output.write(" ")

    def _branch(self, frame: Frame, token: str) -> None:
        """Take the branch of ``\\@ifstar`` or ``\\@ifnextchar`` that the following text decides."""
        count = 2 if token == r"\@ifstar" else 3
        arguments: list[str] = []
        at = frame.at
        for _ in range(count):
            argument = read_argument(frame.source, at)
            if argument is None:
                self._output.write_command(token)
                return
            arguments.append(argument[0])
            at = argument[1]
        frame.at = at
        wanted = "*" if count == 2 else arguments[0]
        ahead = self._input.ahead(_XSPACE_WINDOW_CHARS)
        blank = skip_space(ahead, 0)
        is_there = bool(wanted) and ahead.startswith(wanted, blank)
        if is_there and count == 2:
            self._input.consume(blank + 1)
        taken = arguments[-2] if is_there else arguments[-1]
        if self._count(len(taken)):
            self._frames.append(Frame(taken, at_letter=frame.at_letter))

    def _may_expand(self, token: str) -> bool:
        """Tell whether a call may be expanded; keep the state before it if it is in the source."""
        if token in self._left or self._failures >= MAX_FAILURES:
            return False
        chars_left = self._chars_left - self._input.looked_ahead_chars
        if self._expansions_left <= 0 or chars_left <= 0:
            return False
        if len(self._frames) == 1 and self._call is None:
            self._call = _Checkpoint(
                token,
                self._frames[0].at,
                self._output.state(),
                self._scope.log_length(),
                len(self._scope.groups),
            )
            self._call_expansions = self._call_chars = 0
        return True

    def _count(self, chars: int) -> bool:
        """Count an expansion of ``chars`` characters; tell whether the limits still hold.

        If they do not, everything goes back to the state before the call.
        """
        self._call_expansions += 1
        self._call_chars += chars
        self._expansions_left -= 1
        self._chars_left -= chars
        if (
            self._call_expansions <= self._max_expansions
            and self._call_chars <= self._max_chars
            and self._output.chars <= self._max_chars
            and len(self._frames) < MAX_DEPTH
        ):
            return True
        call = self._call
        assert call is not None
        self._failures += 1
        self._left.add(call.word)
        self._output.go_back(call.output)
        del self._frames[1:]
        self._frames[0].at = call.at
        while len(self._scope.groups) > call.groups:
            self._scope.close()
        self._scope.undo_to(call.log_length)
        if environment := BEGIN_ENVIRONMENT.fullmatch(call.word):
            self._output.write(call.word)
            self._scope.open(f"begin {environment[1]}")
        else:
            self._output.write_command(call.word)
        return False

    def _expand(self, token: str, macro: Macro) -> None:
        if not self._may_expand(token):
            self._output.write_command(token)
            return
        if macro.frozen:
            if self._count(len(macro.body)):
                self._output.write_command(macro.body)
            return
        open_options = self._input.open_options
        values = self._input.arguments(macro)
        if values is None or self._input.open_options > open_options:
            self._runaways[token] += 1
            if self._runaways[token] >= MAX_RUNAWAYS:
                self._left.add(token)
        if values is None:
            self._output.write_command(token)
            return
        body = self._substituted(macro, values)
        if body is None:
            return
        if not macro.parameters and not macro.prefix:
            is_word = token[1].isalpha() or token[1] == "@"
            if is_word and not macro.keeps_space:
                self._input.skip_space()
            if not body.strip():
                self._end_line_left_blank()
            if self._output.arity and not macro.is_one_token:
                self._open("{", "{")
                self._frames.append(
                    Frame(body, at_letter=macro.at_letter, at_end=self._close_brace)
                )
                return
        self._frames.append(Frame(body, at_letter=macro.at_letter))

    def _substituted(self, macro: Macro, values: list[str | None]) -> str | None:
        body = substitute(macro, values, self._max_chars)
        read = len(macro.body) if macro.tests_arguments else 0  # each test reads the body again
        if not self._count(self._max_chars + 1 if body is None else max(read, len(body))):
            return None
        return body
