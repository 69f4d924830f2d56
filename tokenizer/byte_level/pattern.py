"""Patterns that cut text into words ahead of a byte-level BPE, as trees.

The patterns are regular expressions of Oniguruma, which ``tokenizer.json`` uses. What is read here
is what such patterns need: alternatives, sequences, groups, repetitions, and a look at the next
character. Characters and classes of characters, *atoms*, stay
as they are written: the library says which characters they match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_REPEATS = 8
"""Largest bound of a counted repetition. Every repeat becomes states of the automaton."""

_QUANTIFIER = re.compile(r"[?*+]|\{(\d*)(,?)(\d*)\}")

_BOUNDS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}

FOLDED_TOGETHER = ("ss", "st", "ff", "fi", "fl")
"""Letters which one character (a ligature, a sharp s) matches where case does not matter."""


class UnsupportedPatternError(ValueError):
    """The error of a pattern that the automaton does not cover. It names what is not covered."""


class Atom(NamedTuple):
    """One character that matches a class, as it is written in the pattern."""

    text: str


class NotNext(NamedTuple):
    """No character, where the next one does not match the atom or the text ends."""

    atom: Atom


class Repeat(NamedTuple):
    """A node several times, as often as possible first."""

    node: Node
    least: int
    most: int | None


class Sequence(NamedTuple):
    """Nodes one after another."""

    nodes: tuple[Node, ...]


class Alternatives(NamedTuple):
    """Nodes of which the first that leads to a match is taken."""

    nodes: tuple[Node, ...]


Node = Atom | NotNext | Repeat | Sequence | Alternatives


def parse_pattern(pattern: str) -> Node:
    """Return the tree of a pattern. Raises UnsupportedPatternError where it is not covered."""
    parser = _Parser(pattern)
    tree = parser.alternatives(ignore_case=False)
    if parser.at < len(pattern):
        raise UnsupportedPatternError(f"an unmatched ) in {pattern!r}")
    return tree


def atoms_of(node: Node) -> Iterator[Atom]:
    """Yield the atoms of a tree, in the order of the pattern."""
    if isinstance(node, Atom):
        yield node
    elif isinstance(node, NotNext):
        yield node.atom
    elif isinstance(node, Repeat):
        yield from atoms_of(node.node)
    else:
        for one in node.nodes:
            yield from atoms_of(one)


class _Parser:
    """A reader of one pattern, and the place that it has reached."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def alternatives(self, *, ignore_case: bool) -> Node:
        options = [self._sequence(ignore_case)]
        while self._take("|"):
            options.append(self._sequence(ignore_case))
        return options[0] if len(options) == 1 else Alternatives(tuple(options))

    def _sequence(self, ignore_case: bool) -> Node:
        nodes: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            nodes.append(self._repeated(self._single(ignore_case)))
        if ignore_case:
            self._check_folding(nodes)
        return Sequence(tuple(nodes))

    def _check_folding(self, nodes: list[Node]) -> None:
        letters = "".join(node.text[4:-1] if isinstance(node, Atom) else "|" for node in nodes)
        if any(pair in letters.lower() for pair in FOLDED_TOGETHER):
            raise UnsupportedPatternError(f"{letters} without case, which ligatures match")

    def _single(self, ignore_case: bool) -> Node:
        for opening, folds in (("(?:", ignore_case), ("(?i:", True)):
            if self._take(opening):
                node = self.alternatives(ignore_case=folds)
                self._expect(")")
                return node
        if self._take("(?!"):
            atom = self._atom(ignore_case)
            self._expect(")")
            return NotNext(atom)
        if self._take("$"):
            return NotNext(Atom(r"[^\n]"))
        return self._atom(ignore_case)

    def _atom(self, ignore_case: bool) -> Atom:
        rest = self.pattern[self.at :]
        if not rest or rest[0] in "(^.*+?{)|":
            raise UnsupportedPatternError(f"{rest[:8]!r}")
        if rest[0] == "[":
            length = _class_length(rest)
        else:
            found = re.match(r"\\[pP]\{\^?\w+\}|\\[rntfvsSdDwW]|\\[^\w]|[^\\]", rest, re.DOTALL)
            if found is None:
                raise UnsupportedPatternError(f"{rest[:8]!r}")
            length = found.end()
        self.at += length
        text = rest[:length]
        if not ignore_case:
            return Atom(text)
        if not text.isascii() or "\\" in text:
            raise UnsupportedPatternError(f"{text} without case")
        return Atom(f"(?i:{text})")

    def _repeated(self, node: Node) -> Node:
        found = _QUANTIFIER.match(self.pattern, self.at)
        while found is not None:
            self.at = found.end()
            if found.group().startswith("{"):
                node = _counted(node, *found.groups())
            else:
                if self.pattern[self.at : self.at + 1] in ("?", "+"):
                    raise UnsupportedPatternError(f"{found.group()}{self.pattern[self.at]}")
                node = _repeat(node, *_BOUNDS[found.group()])
            found = _QUANTIFIER.match(self.pattern, self.at)
        return node

    def _take(self, text: str) -> bool:
        is_here = self.pattern.startswith(text, self.at)
        self.at += len(text) * is_here
        return is_here

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise UnsupportedPatternError(f"{self.pattern[self.at :][:8]!r} in a group")


def _counted(node: Node, least: str, comma: str, most: str) -> Repeat:
    if not least or (most and int(most) > MOST_REPEATS) or int(least) > MOST_REPEATS:
        raise UnsupportedPatternError(f"a repetition {{{least}{comma}{most}}}")
    if not comma:
        return _repeat(node, int(least), int(least))
    return _repeat(node, int(least), int(most) if most else None)


def _repeat(node: Node, least: int, most: int | None) -> Repeat:
    if can_be_empty(node):
        raise UnsupportedPatternError("a repetition of what may be empty")
    return Repeat(node, least, most)


def can_be_empty(node: Node) -> bool:
    """Tell whether a node may match no character."""
    if isinstance(node, Atom):
        return False
    if isinstance(node, NotNext):
        return True
    if isinstance(node, Repeat):
        return node.least == 0 or can_be_empty(node.node)
    if isinstance(node, Sequence):
        return all(can_be_empty(one) for one in node.nodes)
    return any(can_be_empty(one) for one in node.nodes)


def _class_length(text: str) -> int:
    """Return the length of the class in brackets at the beginning of a text."""
    depth = at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "[":
            depth += 1
        elif text[at] == "]":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    raise UnsupportedPatternError("a class without its end")
