"""Automata that find words as a pattern does.

A pattern takes the first of its alternatives that matches, and repeats as often as it can. The
automaton has all ways to match at once, in the order in which a matcher that goes back would try
them: its state is that order. What follows the first complete match in the order is dropped. So one
pass over the characters finds the same end.

A look at the next character is settled when that character is read, or the end of the text. So a
step has two results: the next state, and whether a match ends ahead of the character.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tokenizer.byte_level.code_points import PAGE_BITS, code_point_classes
from tokenizer.byte_level.pattern import (
    Alternatives,
    Atom,
    Node,
    NotNext,
    Repeat,
    Sequence,
    UnsupportedPatternError,
    atoms_of,
    can_be_empty,
    parse_pattern,
)

DEAD = 0
"""The state from which nothing matches."""

START = 1
"""The state at the beginning of a word."""

MATCH = 1 << 15
"""A flag beside the next state: a match ends ahead of the character."""

MOST_STATES = 2000
"""Most states of an automaton. Patterns in use have under a hundred."""


class Automaton(NamedTuple):
    """An automaton as arrays, for the kernel."""

    ascii_steps: npt.NDArray[np.uint16]  # [state << 7 | byte]
    steps: npt.NDArray[np.uint16]  # [state * n_classes + class]; the last class ends the text
    n_classes: int
    pages: npt.NDArray[np.uint16]
    classes: npt.NDArray[np.uint8]


@functools.cache
def automaton(pattern: str) -> Automaton:
    """Make the automaton of a pattern, once a process.

    Raises UnsupportedPatternError where the pattern has none.
    """
    tree = parse_pattern(pattern)
    if can_be_empty(tree):
        raise UnsupportedPatternError("a pattern that matches nothing at all")
    names = list(dict.fromkeys(atom.text for atom in atoms_of(tree)))
    try:
        classes = code_point_classes(names)
    except ValueError as error:
        raise UnsupportedPatternError(str(error)) from None
    members = {name: frozenset(np.flatnonzero(row).tolist()) for name, row in
               zip(names, classes.matches, strict=True)}  # fmt: skip
    program = _Program(members)
    first = program.add(tree, program.matched)
    steps = _steps(program, first, classes.matches.shape[1])
    first_page = int(classes.pages[0]) << PAGE_BITS
    of_ascii = classes.classes[first_page : first_page + 128]
    return Automaton(
        steps[:, of_ascii].reshape(-1),
        steps.reshape(-1),
        steps.shape[1],
        classes.pages,
        classes.classes,
    )


class _Instruction(NamedTuple):
    """An instruction of a program: a character to read, a look ahead, or several ways to go on."""

    reads: frozenset[int] | None = None
    refuses: frozenset[int] | None = None
    then: tuple[int, ...] = ()


class _Program:
    """The instructions of a tree."""

    def __init__(self, members: dict[str, frozenset[int]]) -> None:
        self.members = members
        self.code = [_Instruction()]
        self.matched = 0

    def add(self, node: Node, then: int) -> int:
        """Add a node, behind which ``then`` comes. Return its first instruction."""
        if isinstance(node, Atom):
            return self._new(_Instruction(reads=self.members[node.text], then=(then,)))
        if isinstance(node, NotNext):
            return self._new(_Instruction(refuses=self.members[node.atom.text], then=(then,)))
        if isinstance(node, Alternatives):
            return self._new(_Instruction(then=tuple(self.add(one, then) for one in node.nodes)))
        if isinstance(node, Sequence):
            for one in reversed(node.nodes):
                then = self.add(one, then)
            return then
        return self._add_repeat(node, then)

    def _add_repeat(self, node: Repeat, then: int) -> int:
        if node.most is None:
            loop = self._new(_Instruction())
            body = self.add(node.node, loop)
            self.code[loop] = _Instruction(then=(body, then))
            then = loop
        else:
            behind = then
            for _ in range(node.most - node.least):
                then = self._new(_Instruction(then=(self.add(node.node, then), behind)))
        for _ in range(node.least):
            then = self.add(node.node, then)
        return then

    def _new(self, instruction: _Instruction) -> int:
        self.code.append(instruction)
        return len(self.code) - 1


def _steps(program: _Program, first: int, n_classes: int) -> npt.NDArray[np.uint16]:
    """Return the steps of all states that can be reached, by class and at the end of the text."""
    numbers: dict[tuple[int, ...], int] = {(): DEAD, (first,): START}
    rows = [[DEAD] * (n_classes + 1)]
    waiting: list[tuple[int, ...]] = [(first,)]
    while waiting:
        state = waiting.pop(0)
        row = []
        for kind in range(n_classes + 1):
            reading, matched = _ways(program, state, kind)
            following = tuple(dict.fromkeys(program.code[i].then[0] for i in reading))
            if following not in numbers:
                numbers[following] = len(numbers)
                waiting.append(following)
                if len(numbers) > MOST_STATES:
                    raise UnsupportedPatternError(f"an automaton of over {MOST_STATES} states")
            row.append(numbers[following] | (MATCH if matched else 0))
        rows.append(row)
    return np.array(rows, np.uint16)


def _ways(program: _Program, state: Iterable[int], kind: int) -> tuple[list[int], bool]:
    """Follow a state up to the instructions that read a character of a class.

    Returns these, in their order, and whether a match comes behind them.
    """
    reading: list[int] = []
    seen: set[int] = set()
    stack = list(reversed(list(state)))
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        if at == program.matched:
            return reading, True
        instruction = program.code[at]
        if instruction.reads is not None:
            if kind in instruction.reads:
                reading.append(at)
        elif instruction.refuses is None or kind not in instruction.refuses:
            stack += reversed(instruction.then)
    return reading, False
