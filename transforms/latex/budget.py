"""Limits on the expansion of macros, so that its time is linear in the source's length."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from transforms.latex.writing import OutputState

MAX_DEPTH = 200
"""Most expansions within one another. Only macros that call themselves go deeper."""

MAX_FAILURES = 16
"""Most calls in a document that exceed a limit. After these nothing more is expanded."""

MAX_RUNAWAYS = 100
"""Most calls of a macro with missing arguments. After these the macro is left alone."""


class Checkpoint(NamedTuple):
    """The state before a call in the source, to which a call over the limits goes back."""

    word: str
    at: int
    output: OutputState
    log_length: int
    groups: int
    in_math: bool


class Budget:
    """What is left of the limits, in the document and in the current call of its source."""

    def __init__(self, source_chars: int, max_expansions: int, max_chars: int) -> None:
        self.max_chars = max_chars
        self._max_expansions = max_expansions
        self._expansions_left = source_chars + max_expansions
        self._chars_left = 8 * max_chars
        self._call_expansions = 0
        self._call_chars = 0
        self._failures = 0
        self._left: set[str] = set()
        self._runaways: Counter[str] = Counter()

    def allows(self, token: str, looked_ahead_chars: int) -> bool:
        """Tell whether a call may be expanded."""
        if token in self._left or self._failures >= MAX_FAILURES:
            return False
        return self._expansions_left > 0 and self._chars_left > looked_ahead_chars

    def begin_call(self) -> None:
        """Begin a call in the source."""
        self._call_expansions = self._call_chars = 0

    def take(self, chars: int, *, output_chars: int, depth: int) -> bool:
        """Count an expansion of ``chars`` characters; tell whether the limits still hold."""
        self._call_expansions += 1
        self._call_chars += chars
        self._expansions_left -= 1
        self._chars_left -= chars
        return (
            self._call_expansions <= self._max_expansions
            and self._call_chars <= self.max_chars
            and output_chars <= self.max_chars
            and depth < MAX_DEPTH
        )

    def fail(self, token: str) -> None:
        """Leave a macro alone from here on, whose call exceeded a limit."""
        self._failures += 1
        self._left.add(token)

    def run_away(self, token: str) -> None:
        """Count a call with missing arguments."""
        self._runaways[token] += 1
        if self._runaways[token] >= MAX_RUNAWAYS:
            self._left.add(token)
