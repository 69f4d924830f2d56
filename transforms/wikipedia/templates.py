"""What a call of a template shows: by a recipe, a language's table, or a parser function."""

from __future__ import annotations

import re
from collections.abc import Mapping

from transforms.wikipedia.inline_templates import Arguments, inline_template
from transforms.wikipedia.magic_words import CONSTANTS, function_value

_NAMED_ARGUMENT = re.compile(r"\s*([^\s=<>\[\]{}][^=<>\[\]{}]{0,60})=")
_RANGES = frozenset(("to", "and", "by", "or", "x", "×", "-", "–", "+/-"))

Numbers = Mapping[str, tuple[int, ...]]


def shown_by_template(
    head: str, pieces: list[str], begin: int, *, language: str | None, shown: Numbers
) -> str | None:
    """Return the text that a template shows, None where it is not known and goes.

    ``head`` is what stands before its first bar, and ``pieces`` from ``begin`` on are its parts.
    ``shown`` are the arguments that templates show by their names, ahead of the language's own
    table.
    """
    name = head.strip().lower().replace("_", " ")
    if name in CONSTANTS:
        return CONSTANTS[name]
    numbers = shown.get(name)
    if numbers is not None:
        return _by_numbers(arguments_of(pieces, begin), numbers)
    rule = inline_template(head.strip().replace("_", " "), language)
    if rule:
        return rule(arguments_of(pieces, begin))
    if ":" in name:
        function, _, _ = name.partition(":")
        _, _, first = "".join(pieces[begin:]).partition(":")
        return function_value(function.strip(), first.split("|"), language)
    return None


def arguments_of(pieces: list[str], begin: int) -> Arguments:
    """Return the arguments of a call by their names or numbers."""
    arguments: dict[str, str] = {}
    count = 0
    for argument in "".join(pieces[begin:]).split("|")[1:]:
        named = _NAMED_ARGUMENT.match(argument)
        if named:
            arguments[named.group(1).strip()] = argument[named.end() :].strip()
        else:
            count += 1
            arguments[str(count)] = argument.strip()
    return arguments


def _by_numbers(arguments: Arguments, numbers: tuple[int, ...]) -> str:
    if numbers == (1, 2) and arguments.get("2") in _RANGES:
        numbers = (1, 2, 3, 4)  # a range of measures: {{convert|5|to|10|km}}
    return " ".join(filter(None, (arguments.get(str(number)) for number in numbers)))
