"""Which definitions hold where: from where they stand to the end of their group."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from transforms.latex.arguments import Environment, Macro
from transforms.latex.definitions import Definition

ARGUMENT = "argument"  # in braces, but definitions in it hold behind it


class Group(NamedTuple):
    """An open group."""

    kind: str  # "{", "begingroup", "begin NAME" of an environment, or ARGUMENT
    undo: int  # length of the undo log where it begins
    arity: int = 0  # arguments that the command before it waits for besides
    end: Macro | None = None  # what the end of an environment of the source stands for
    wrapped: bool = False  # the environment is written as a group


class Scope:
    """The definitions that hold at a place, and the groups that are open there.

    Definitions are kept by the name that :class:`Definition` has; None stands for one that was not
    understood. As TeX does, a log keeps what the end of a group brings back.
    """

    def __init__(self) -> None:
        self.known: dict[str, Macro | Environment | None] = {}
        self.groups: list[Group] = []
        self._open: Counter[str] = Counter()
        self._undo: list[tuple[str, Macro | Environment | None, bool]] = []
        self._last_global: dict[str, int] = {}

    def macro(self, name: str) -> Macro | None:
        """Find a macro."""
        value = self.known.get(name)
        return value if isinstance(value, Macro) else None

    def environment(self, name: str) -> Environment | None:
        """Find an environment, also one of two commands that its ends call."""
        value = self.known.get(f"{{{name}}}")
        if isinstance(value, Environment):
            return value
        begin, end = self.macro(name), self.macro(f"end{name}")
        return Environment(begin, end) if begin and end and not end.parameters else None

    def define(self, definition: Definition) -> None:
        """Let a definition hold to the end of the group, or of the source if it is global."""
        name = definition.name
        if definition.only_new and name in self.known:
            return
        self._undo.append((name, self.known.get(name), name in self.known))
        if definition.is_global:
            self._last_global[name] = len(self._undo)
        self.known[name] = definition.value

    def open(
        self, kind: str, *, arity: int = 0, end: Macro | None = None, wrapped: bool = False
    ) -> None:
        """Open a group."""
        self.groups.append(Group(kind, len(self._undo), arity, end, wrapped))
        self._open[kind] += 1

    def close(self) -> Group:
        """Close the innermost group."""
        group = self.groups.pop()
        self._open[group.kind] -= 1
        if group.kind != ARGUMENT:
            self.undo_to(group.undo)
        return group

    def close_if(self, kind: str) -> Group | None:
        """Close the innermost group if it is of this kind."""
        return self.close() if self.groups and self.groups[-1].kind == kind else None

    def innermost(self, kind: str) -> Group | None:
        """Close what was left open within the innermost group of this kind, and return that."""
        if self._open[kind] <= 0:
            return None
        while self.groups[-1].kind != kind:
            self.close()
        return self.groups[-1]

    def log_length(self) -> int:
        """Return the length of the log, for :meth:`undo_to`."""
        return len(self._undo)

    def undo_to(self, length: int) -> None:
        """Bring back what held when the log was so long, but for what was defined globally."""
        while len(self._undo) > length:
            name, old, was_known = self._undo.pop()
            if self._last_global.get(name, -1) > len(self._undo):
                continue
            if was_known:
                self.known[name] = old
            else:
                self.known.pop(name, None)
