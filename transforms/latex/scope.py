"""Scopes of definitions: a definition holds from its place to the end of its group."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from transforms.latex.arguments import Environment, Macro
from transforms.latex.definitions import Definition
from transforms.latex.switches import Switch, Turned, Value

ARGUMENT = "argument"
"""Kind of a group that is an executed argument in braces. Definitions in it hold after it."""

_BLANK_LINE = re.compile(r"\n[ \t]*\n")


class Group(NamedTuple):
    """An open group."""

    kind: str  # "{", "begingroup", "begin NAME" of an environment, or ARGUMENT
    undo: int  # length of the undo log at its begin
    arity: int = 0  # further arguments that the command before the group may take
    end: Macro | None = None  # macro for the end of an environment that the source defines
    wrapped: bool = False  # whether the environment is written as a group
    in_math: bool = False  # whether the group stands in a formula
    begins_in_math: bool = False  # whether its text begins in one


class Scope:
    """The definitions that hold at the current place, and the groups that are open there.

    Definitions are kept by the name in :class:`Definition`. None stands for a definition that was
    not understood. As in TeX, an undo log holds the values that the end of a group restores.
    """

    def __init__(self) -> None:
        self.known: dict[str, Value] = {}
        self.groups: list[Group] = []
        self._open: Counter[str] = Counter()
        self.in_math = False  # whether the current place is in a formula
        self._undo: list[tuple[str, Value, bool]] = []
        self._last_global: dict[str, int] = {}

    def macro(self, name: str) -> Macro | None:
        """Return the macro of this name, None where there is none."""
        value = self.known.get(name)
        return value if isinstance(value, Macro) else None

    def environment(self, name: str) -> Environment | None:
        """Return the environment of this name, None where there is none.

        Two commands ``\\name`` and ``\\endname`` are an environment, too.
        """
        value = self.known.get(f"{{{name}}}")
        if isinstance(value, Environment):
            return value
        begin, end = self.macro(name), self.macro(f"end{name}")
        return Environment(begin, end) if begin and end and not end.parameters else None

    def define(self, definition: Definition) -> None:
        """Add a definition that holds to the end of the group, or of the source if it is global."""
        name = definition.name
        if definition.only_new and name in self.known:
            return
        self._set(name, definition.value, is_global=definition.is_global)

    def turn(self, turned: Turned, *, is_certain: bool) -> None:
        """Turn a switch. Where it is not certain that TeX does, its value is not known any more."""
        value = Switch(turned.value) if is_certain else None
        self._set(turned.name, value, is_global=turned.is_global)

    def _set(self, name: str, value: Value, *, is_global: bool) -> None:
        self._undo.append((name, self.known.get(name), name in self.known))
        if is_global:
            self._last_global[name] = len(self._undo)
        self.known[name] = value

    def open(
        self,
        kind: str,
        *,
        arity: int = 0,
        end: Macro | None = None,
        wrapped: bool = False,
        in_math: bool | None = None,
    ) -> None:
        """Open a group. Its text begins in a formula if the place does, or as ``in_math`` says."""
        begins_in_math = self.in_math if in_math is None else in_math
        undo = len(self._undo)
        self.groups.append(Group(kind, undo, arity, end, wrapped, self.in_math, begins_in_math))
        self.in_math = begins_in_math
        self._open[kind] += 1

    def read_text(self, text: str) -> None:
        """Note the formulas that begin and end in a text without commands and braces.

        No formula goes over a blank line.
        """
        if "\n" in text and _BLANK_LINE.search(text):
            text = _BLANK_LINE.split(text)[-1]
            self.in_math = self.groups[-1].begins_in_math if self.groups else False
        if "$" in text and text.replace("$$", "$").count("$") % 2:
            self.in_math = not self.in_math

    def close(self) -> Group:
        """Close the innermost group."""
        group = self.groups.pop()
        self._open[group.kind] -= 1
        self.in_math = group.in_math
        if group.kind != ARGUMENT:
            self.undo_to(group.undo)
        return group

    def close_if(self, kind: str) -> Group | None:
        """Close the innermost group if it is of this kind, and return it."""
        return self.close() if self.groups and self.groups[-1].kind == kind else None

    def innermost(self, kind: str) -> Group | None:
        """Return the innermost group of this kind, after closing all groups inside it.

        Returns None where no such group is open.
        """
        if self._open[kind] <= 0:
            return None
        while self.groups[-1].kind != kind:
            self.close()
        return self.groups[-1]

    def log_length(self) -> int:
        """Return the length of the undo log, for :meth:`undo_to`."""
        return len(self._undo)

    def undo_to(self, length: int) -> None:
        """Restore the definitions that held when the undo log had this length.

        Global definitions made since then stay.
        """
        while len(self._undo) > length:
            name, old, was_known = self._undo.pop()
            if self._last_global.get(name, -1) > len(self._undo):
                continue
            if was_known:
                self.known[name] = old
            else:
                self.known.pop(name, None)
