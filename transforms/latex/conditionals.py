r"""Conditionals of a LaTeX source, and which of their branches TeX reads.

Decided are switches (``\newif``, ``\newboolean``, ``\newtoggle``), ``\ifmmode``, comparisons of
numbers and of single characters, and tests of strings. Others, above all ``\ifx``, need TeX.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from transforms.latex.arguments import CONTROL_SEQUENCE, Text, read_argument, skip_space
from transforms.latex.scan import Branches, branches, is_conditional
from transforms.latex.switches import Switch, Value

# A character and another, or the space that TeX makes of blanks or of the end of the line.
_CHARACTERS = re.compile(r"([^\s\\{}#$%&~^_])([ \t]+\n?[ \t]*|\n[ \t]*|[^\s\\{}#$%&~^_])")
_COMPARISON = re.compile(r"(-?[0-9]{1,9})[ \t]*([<=>])[ \t]*(-?[0-9]{1,9})(?![0-9\\])[ ]?")
_ODD = re.compile(r"(-?[0-9]{1,9})(?![0-9\\])[ ]?")
_NOT = re.compile(r"\s*\\(?:NOT|not)(?![A-Za-z])")
_BOOLEAN = re.compile(r"\s*\\boolean[ \t\n]*\{([^{}\\]{1,60})\}\s*\Z")
_EQUAL = re.compile(r"\s*\\equal[ \t\n]*\{([^{}\\]*)\}[ \t\n]*\{([^{}\\]*)\}\s*\Z")
_ORDER = {"<": -1, "=": 0, ">": 1}
BRANCH_COMMANDS = {
    "ifthenelse": 1,
    "ifbool": 1,
    "iftoggle": 1,
    "ifblank": 1,
    "notblank": 1,
    "ifstrempty": 1,
    "ifstrequal": 2,
}
"""Commands whose last two arguments are branches, with the number of arguments ahead of these."""


class Decision(NamedTuple):
    """Whether a condition holds, and the position after it."""

    value: bool
    end: int


def decide(
    source: Text, word: str, at: int, known: Mapping[str, Value], *, in_math: bool
) -> Decision | None:
    """Decide the conditional ``word``; ``at`` is the position after it.

    Returns None where only TeX can tell.
    """
    text = source.text
    switch = known.get(word)
    if isinstance(switch, Switch):
        return Decision(switch.value, at)
    if word in known:
        return None
    if word in ("iftrue", "iffalse"):
        return Decision(word == "iftrue", at)
    if word == "ifmmode":
        return Decision(in_math, at)
    at = skip_space(text, at)
    if word == "if" and (pair := _CHARACTERS.match(text, at)):
        return Decision(pair[1] == pair[2], pair.end())
    if word == "ifnum" and (numbers := _COMPARISON.match(text, at)):
        return Decision(_compared(numbers), numbers.end())
    if word == "ifodd" and (number := _ODD.match(text, at)):
        return Decision(bool(int(number[1]) % 2), number.end())
    return None


def _compared(numbers: re.Match[str]) -> bool:
    one, other = int(numbers[1]), int(numbers[3])
    return (one > other) - (one < other) == _ORDER[numbers[2]]


def branch_of_command(
    source: Text, word: str, at: int, known: Mapping[str, Value]
) -> tuple[str, int] | None:
    """Return the branch that a command of :data:`BRANCH_COMMANDS` takes, and the position after it.

    Returns None where only TeX can tell.
    """
    arguments: list[str] = []
    for _ in range(BRANCH_COMMANDS[word] + 2):
        argument = read_argument(source, at)
        if argument is None:
            return None
        arguments.append(argument[0])
        at = argument[1]
    value = _condition(word, arguments, known)
    return None if value is None else (arguments[-2] if value else arguments[-1], at)


def _condition(word: str, arguments: Sequence[str], known: Mapping[str, Value]) -> bool | None:
    first = arguments[0]
    if word in ("ifblank", "ifstrempty"):
        return not (first.strip() if word == "ifblank" else first)
    if word == "notblank":
        return bool(first.strip())
    if word == "ifstrequal":
        return first == arguments[1]
    if word in ("ifbool", "iftoggle"):
        name = f"if{first.strip()}" if word == "ifbool" else f"toggle {first.strip()}"
        return _value_of(known.get(name))
    negated = _NOT.match(first)
    test = first[negated.end() :] if negated else first
    value: bool | None = None
    if boolean := _BOOLEAN.match(test):
        value = _value_of(known.get(f"if{boolean[1].strip()}"))
    elif equal := _EQUAL.match(test):
        value = equal[1] == equal[2]
    elif numbers := _COMPARISON.fullmatch(test.strip()):
        value = _compared(numbers)
    return None if value is None else value != bool(negated)


def _value_of(switch: Value) -> bool | None:
    return switch.value if isinstance(switch, Switch) else None


def all_decided(source: Text, known: Mapping[str, Value]) -> bool:
    """Tell whether every conditional that is read in a macro's body can be decided."""
    places = branches(source.text)
    skipped: dict[int, int] = {}
    at = 0
    while match := CONTROL_SEQUENCE[source.at_letter].search(source.text, at):
        start, at = match.span()
        word = match.group()[1:]
        if start in skipped:
            at = skipped[start]
        elif word in BRANCH_COMMANDS and word not in known:
            if branch_of_command(source, word, at, known) is None:
                return False
        elif is_conditional(source.text, match.group(), start) and not _is_macro(known, word):
            place = places.get(start)
            decision = decide(source, word, at, known, in_math=False)
            if place is None or decision is None:
                return False
            at = enter(place, decision, skipped)
        elif match.group().startswith("\\if") and word not in known and word != "iff":
            return False
    return True


def _is_macro(known: Mapping[str, Value], word: str) -> bool:
    value = known.get(word)
    return value is not None and not isinstance(value, Switch)


def enter(place: Branches, decision: Decision, skipped: dict[int, int]) -> int:
    """Return where the branch that is taken begins; adds what is skipped behind it."""
    if decision.value:
        if place.else_start is not None:
            skipped[place.else_start] = place.fi_end
        else:
            skipped[place.fi_start] = place.fi_end
        return decision.end
    if place.else_end is None:
        return place.fi_end
    skipped[place.fi_start] = place.fi_end
    return place.else_end
