"""Expansion of the macros that a LaTeX source defines, where it calls them.

The procedure is TeX's, but on text. The source is read from the beginning. A definition holds from
its place to the end of its group. The body of a macro is read in place of the call, so that calls
in the body are expanded, too. Commands that the source does not define are left alone.
"""

from __future__ import annotations

import re

from transforms.latex import commands
from transforms.latex.arguments import Macro, Text, read_argument, skip_space, substitute
from transforms.latex.budget import Budget, Checkpoint
from transforms.latex.conditionals import (
    BRANCH_COMMANDS,
    all_decided,
    branch_of_command,
    decide,
    enter,
)
from transforms.latex.definitions import DEFINERS, read_definition
from transforms.latex.lookahead import branch_taken, space_of_xspace
from transforms.latex.reading import Frame, Input
from transforms.latex.scan import (
    BEGIN_ENVIRONMENT,
    Scan,
    brace_pairs,
    inline_verbatim,
    is_conditional,
)
from transforms.latex.scope import ARGUMENT, Scope
from transforms.latex.switches import may_turn, read_switch
from transforms.latex.words import may_matter
from transforms.latex.writing import Output

_TOKEN = {
    False: re.compile(r"\\(?:[A-Za-z]+|[\s\S])|[{}]"),
    True: re.compile(r"\\(?:[A-Za-z@]+|[\s\S])|[{}]"),
}
_END_ENVIRONMENT = re.compile(r"\\end[ \t]*\{([^{}\n]{1,100})\}")
_BLANK_REST = re.compile(r"[ \t]*\n")


def expanded(text: str, *, max_expansions: int, max_growth: float) -> str:
    """Return a LaTeX source with its own macros expanded, and without their definitions.

    A call that takes more than ``max_expansions`` expansions, or that makes the text longer than
    about ``max_growth`` times the source's characters, is left as it is.
    """
    return _Expansion(text, max_expansions, int(max_growth * len(text)) + 1000).run()


class _Expansion:
    """The expansion of one source: its input, its output, and the definitions that hold."""

    def __init__(self, text: str, max_expansions: int, max_chars: int) -> None:
        scan = Scan(text)
        pairs = brace_pairs(text, scan.spans)
        self._input = Input(Frame(text, at_letter=False, pairs=pairs, spans=scan.spans))
        self._frames = self._input.frames
        self._spans = iter(scan.spans)
        self._span = next(self._spans, None)
        self._scope = Scope()
        self._output = Output()
        self._budget = Budget(len(text), max_expansions, max_chars)
        self._call: Checkpoint | None = None

    def run(self) -> str:
        while self._frames:
            frame = self._frames[-1]
            if len(self._frames) == 1:
                self._call = None
                if self._pass_span(frame):
                    continue
            match = _TOKEN[frame.at_letter].search(frame.text, frame.at)
            if match is None:
                self._write_text(frame.text[frame.at :])
                frame.at = len(frame.text)
                self._input.pop()
                continue
            if len(self._frames) == 1 and self._span and self._span.start <= match.start():
                self._write_text(frame.text[frame.at : self._span.start])
                frame.at = self._span.start
                continue
            if match.start() > frame.at:
                self._write_text(frame.text[frame.at : match.start()])
            if frame.skipped and match.start() in frame.skipped:
                frame.at = frame.skipped.pop(match.start())
                self._end_removed_command()
                continue
            frame.at = match.end()
            token = match.group()
            if token == "{":
                self._open(ARGUMENT if match.start() in frame.no_groups else "{", "{")
            elif token == "}":
                self._close_brace()
            else:
                self._command(frame, token, match.start())
        return self._output.text()

    def _write_text(self, text: str) -> None:
        self._output.write(text)
        if "$" in text or "\n" in text:
            self._scope.read_text(text)

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
        is_text = self._output.last_command in commands.SET_AS_TEXT
        self._output.arity = 0
        self._output.write(token)
        self._scope.open(kind, arity=waiting, in_math=False if is_text else None)

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
        if turned := read_switch(frame.source, word, frame.at, self._scope.known):
            certain = all(outer.at >= outer.undecided_end for outer in self._frames)
            frame.at = turned.end
            self._scope.turn(turned, is_certain=certain)
            self._end_removed_command()
            return True
        if word not in DEFINERS:
            return False
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
        elif not may_matter(word):
            self._output.write_command(token)
        elif (word in DEFINERS or may_turn(word)) and self._define(frame, word):
            return
        elif word == "begin":
            self._begin(frame, start)
        elif word == "end":
            self._end(frame, start)
        elif word in commands.GROUP_BEGINS:
            self._output.write_command(token)
            self._scope.open(commands.GROUP_BEGINS[word])
        elif word in commands.GROUP_ENDS:
            self._output.write_command(token)
            self._scope.close_if(commands.GROUP_ENDS[word])
        elif word in ("makeatletter", "makeatother"):
            self._output.write_command(token)
            frame.at_letter = word == "makeatletter"
        elif word == "xspace":
            self._output.write("" if self._scope.in_math else space_of_xspace(self._input))
        elif word in ("@ifstar", "@ifnextchar") and len(self._frames) > 1:
            self._branch(branch_taken(self._input, frame, token), token)
        elif word == "ensuremath" and self._ensured_math(frame):
            return
        elif (
            word in BRANCH_COMMANDS
            and (branch := branch_of_command(frame.source, word, frame.at, self._scope.known))
            and self._may_expand(token)
        ):
            taken, frame.at = branch
            self._branch(taken, token)
        elif word.startswith("if") and is_conditional(frame.text, token, start):
            self._conditional(frame, token, start)
        elif self._output.shows_nothing_of(word):
            self._end_removed_command()
        elif token in commands.FORMULA_EDGES:
            self._output.write_command(token)
            self._scope.in_math = commands.FORMULA_EDGES[token]
        elif word in commands.EXECUTES_ARGUMENTS:
            self._output.write_command(token)
            count = commands.EXECUTES_ARGUMENTS[word]
            # Where a file is not in the submission, the last argument is read, which comes last.
            frame.mark_arguments(count, may_be_skipped=count > 1 and word != "IfFileExists")
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
                self._scope.open(f"begin {name}", in_math=name in commands.FORMULAS or None)
            return
        places = self._input.places()
        values = (
            self._input.arguments(environment.begin) if self._may_expand(match.group()) else None
        )
        if values is not None and not (
            self._branches_are_known(environment.begin, values)
            and self._branches_are_known(environment.end, values)
        ):
            self._input.go_back(places)
            values = None
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

    def _branch(self, taken: str | None, token: str) -> None:
        """Read the branch of a command, or write the command if its branch is not known."""
        if taken is None:
            self._output.write_command(token)
        elif self._count(len(taken)):
            self._frames.append(Frame(taken, at_letter=self._frames[-1].at_letter))

    def _conditional(self, frame: Frame, token: str, start: int) -> None:
        """Go to the branch that a conditional takes, if that is known."""
        word = token[1:]
        place = frame.branches(start)
        decision = decide(
            frame.source, word, frame.at, self._scope.known, in_math=self._scope.in_math
        )
        if place is None or decision is None:
            frame.undecided_end = max(frame.undecided_end, place.fi_end if place else 0)
            self._output.write_command(token)
        else:
            frame.at = enter(place, decision, frame.skipped)
            self._end_removed_command()

    def _end_removed_command(self) -> None:
        """Skip what TeX skips after a control word that leaves nothing."""
        frame = self._frames[-1]
        at = frame.at
        self._end_line_left_blank()
        if frame.at == at:
            frame.at = skip_space(frame.text, at)

    def _ensured_math(self, frame: Frame) -> bool:
        """Read the argument of ``\\ensuremath`` where it makes no difference."""
        argument = read_argument(frame.source, frame.at)
        if argument is None or not self._scope.in_math or self._output.arity:
            return False
        if self._may_expand(r"\ensuremath"):
            frame.at = argument[1]
            self._branch(argument[0], r"\ensuremath")
            return True
        return False

    def _may_expand(self, token: str) -> bool:
        """Tell whether a call may be expanded; keep the state before it if it is in the source."""
        if not self._budget.allows(token, self._input.looked_ahead_chars):
            return False
        if len(self._frames) == 1 and self._call is None:
            self._call = Checkpoint(
                token,
                self._frames[0].at,
                self._output.state(),
                self._scope.log_length(),
                len(self._scope.groups),
                self._scope.in_math,
            )
            self._budget.begin_call()
        return True

    def _count(self, chars: int) -> bool:
        """Count an expansion of ``chars`` characters; tell whether the limits still hold.

        If they do not, everything goes back to the state before the call.
        """
        depth = len(self._frames)
        if self._budget.take(chars, output_chars=self._output.chars, depth=depth):
            return True
        call = self._call
        assert call is not None
        self._budget.fail(call.word)
        self._output.go_back(call.output)
        del self._frames[1:]
        self._frames[0].at = call.at
        while len(self._scope.groups) > call.groups:
            self._scope.close()
        self._scope.undo_to(call.log_length)
        self._scope.in_math = call.in_math
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
        places = self._input.places() if macro.may_branch else None
        values = self._input.arguments(macro)
        if values is None or self._input.open_options > open_options:
            self._budget.run_away(token)
        if values is not None and places and not self._branches_are_known(macro, values):
            self._input.go_back(places)
            values = None
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

    def _branches_are_known(self, macro: Macro, values: list[str | None]) -> bool:
        """Tell whether the branches that a macro's body takes are known, so that it is expanded."""
        if not macro.may_branch:
            return True
        body = substitute(macro, values, self._budget.max_chars)
        return body is None or all_decided(
            Text(body, brace_pairs(body), macro.at_letter), self._scope.known
        )

    def _substituted(self, macro: Macro, values: list[str | None]) -> str | None:
        body = substitute(macro, values, self._budget.max_chars)
        read = len(macro.body) if macro.tests_arguments else 0  # each test reads the body again
        if not self._count(self._budget.max_chars + 1 if body is None else max(read, len(body))):
            return None
        return body
