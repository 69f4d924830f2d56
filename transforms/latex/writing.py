"""The output of macro expansion. It puts a space between a control word and a following letter."""

from __future__ import annotations

import re
from typing import NamedTuple

_LAST_PIECES = 8  # pieces at the end that are searched for the begin of the last line
# Commands whose argument may be one token. A macro's body that replaces such a token needs braces.
_ONE_ARGUMENT = (
    "sqrt hat widehat tilde widetilde bar overline underline vec dot ddot check breve acute grave"
    " mathring mathbf mathbb mathcal mathrm mathsf mathit mathtt mathfrak mathscr boldsymbol bm"
    " pmb operatorname text textbf textit textrm textsf texttt textsc emph mbox ensuremath"
    " overrightarrow overleftarrow overbrace underbrace"
)
_TWO_ARGUMENTS = "frac dfrac tfrac binom stackrel overset underset"
_ARITY = dict.fromkeys(_ONE_ARGUMENT.split(), 1) | dict.fromkeys(_TWO_ARGUMENTS.split(), 2)

WITHOUT_TRACE = frozenset(("relax", "protect", "ignorespaces", "ignorespacesafterend"))
"""Commands that mostly show nothing."""

# Ends of a text whose number or test a following \relax ends.
_NEEDS_RELAX = re.compile(
    r"(?:[0-9]|[0-9.][ ]?(?:pt|em|ex|cm|mm|in|bp|sp|pc|mu|fil+)|=|\\if[a-z]*"
    r"|\\ifx\s*\\[A-Za-z@]+)\s*\Z"
)


class OutputState(NamedTuple):
    """A state of the output to go back to."""

    pieces: int
    chars: int
    after_word: bool


class Output:
    """Pieces of text in their order.

    ``chars`` is the number of characters written. ``arity`` is the number of arguments that the
    last command may still take. ``last_command`` is the one that ends the output, or empty.
    """

    def __init__(self) -> None:
        self.chars = 0
        self.arity = 0
        self.last_command = ""
        self._pieces: list[str] = []
        self._after_word = False

    def text(self) -> str:
        """Return the whole output."""
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        """Write text, after a space if it would otherwise continue a control word."""
        if not text:
            return
        if self._after_word and text[0].isalpha():
            self._pieces.append(" ")
            self.chars += 1
        if self.arity and not text.isspace() and text[0] != "[":
            self.arity = max(0, self.arity - len(text.strip()))
        self._pieces.append(text)
        self.chars += len(text)
        self._after_word = False
        if self.last_command and not text.isspace():
            self.last_command = ""

    def write_command(self, token: str) -> None:
        """Write a control sequence."""
        waiting = max(self.arity - 1, 0)
        self.arity = 0
        self.write(token)
        self._after_word = token[1:2].isalpha() or token[1:2] == "@"
        self.last_command = token
        self.arity = _ARITY.get(token[1:], waiting)

    def last_line_is_blank(self) -> bool:
        """Tell whether the line being written is blank so far."""
        for piece in self._pieces[: -_LAST_PIECES - 1 : -1]:
            newline = piece.rfind("\n")
            if piece[newline + 1 :].strip(" \t"):
                return False
            if newline >= 0:
                return True
        return len(self._pieces) < _LAST_PIECES

    def shows_nothing_of(self, word: str) -> bool:
        """Tell whether the command ``word`` makes no difference here, such as ``\\relax``."""
        if word not in WITHOUT_TRACE or self.arity:
            return False
        return not _NEEDS_RELAX.search("".join(self._pieces[-_LAST_PIECES:])[-80:])

    def end_blank_line(self) -> None:
        """Remove the blanks at the end of the output, where the last line is blank."""
        if self._pieces:
            last = self._pieces[-1]
            self._pieces[-1] = last.rstrip(" \t")
            self.chars -= len(last) - len(self._pieces[-1])

    def state(self) -> OutputState:
        """Return the current state, for :meth:`go_back`."""
        return OutputState(len(self._pieces), self.chars, self._after_word)

    def go_back(self, state: OutputState) -> None:
        """Remove everything written since ``state``."""
        del self._pieces[state.pieces :]
        self.chars, self._after_word = state.chars, state.after_word
        self.arity = 0
