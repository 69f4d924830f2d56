"""Templates of running text, and what they show.

``template_tables/LANGUAGE.yaml`` has those of a language, and ``common.yaml`` beside it those that
every Wikipedia may have. Under ``templates`` a file maps a pattern to the names of the templates
that it holds for:

- ``{1}`` is the first argument, ``{1|text}`` the first one given of several. In brackets stands
  what goes if all arguments in it are missing: ``{1}[ ({2})]``. The rest is text.
- ``=FORM`` is one of the forms of :data:`FORMS`, which a pattern cannot say: measures and dates.
- ``months`` are names as they stand behind a day, ``date`` is the pattern of a date, and
  ``first_day`` the first day of a month.
- ``name_patterns`` maps regular expressions of names, in lower case, to patterns.
- An empty pattern is for templates that a reader of the sentence would not miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from transforms.wikipedia.numbers import converted, is_number, joined_measure, shown_number

_FOLDER = Path(__file__).with_name("template_tables")
_PIECE = re.compile(r"\[([^\[\]]*)\]|\{([^{}]*)\}")
_ARGUMENT = re.compile(r"\{([^{}]*)\}")

DATE = "[{day} ][{month} ][{year}]"
"""Pattern of a date where a language's file has no ``date`` or ``date_without_day``."""

Arguments = Mapping[str, str]
Rule = Callable[[Arguments], str]


class _Table(NamedTuple):
    """What a language's files say."""

    rules: Mapping[str, Rule]
    by_pattern: tuple[tuple[re.Pattern[str], str], ...]
    facts: Mapping[str, Any]  # units, names of months, the order of a date


def inline_template(name: str, language: str | None) -> Rule | None:
    """Return the rule of a template by its name. None for one that is not known."""
    rule = _table(language).rules.get(name.lower())
    return rule or _by_pattern(name, language)


@lru_cache(maxsize=1 << 14)
def _by_pattern(name: str, language: str | None) -> Rule | None:
    """Return the rule of a template whose name says what it shows: ``{{XIXe siècle}}``."""
    table = _table(language)
    for names, pattern in table.by_pattern:
        if match := names.fullmatch(name):
            return rule_of(match.expand(pattern), language, table.facts)
    return None


@cache
def _table(language: str | None) -> _Table:
    common, own = _read("common"), _read(language or "")
    facts: dict[str, Any] = {
        key: {**common.get(key, {}), **own.get(key, {})} for key in ("units", "unit_names")
    }
    facts["months"] = own.get("months", [])
    facts["first_day"] = own.get("first_day", "1")
    facts["date"] = own.get("date", DATE)
    facts["date_without_day"] = own.get("date_without_day", DATE)
    rules: dict[str, Rule] = {}
    for part in (common, own):
        for pattern, names in part.get("templates", {}).items():
            rule = rule_of(pattern, language, facts)
            rules.update(dict.fromkeys((str(name).lower() for name in names), rule))
    patterns = {**common.get("name_patterns", {}), **own.get("name_patterns", {})}
    compiled = tuple(
        (re.compile(names, re.IGNORECASE), pattern) for names, pattern in patterns.items()
    )
    return _Table(rules, compiled, facts)


def rule_of(pattern: str, language: str | None, facts: Mapping[str, Any]) -> Rule:
    """Return the function that a pattern stands for. Raises ValueError for an unknown form."""
    if pattern.startswith("="):
        form = FORMS.get(pattern[1:])
        if not form:
            raise ValueError(f"{pattern} is no form of templates: {', '.join(sorted(FORMS))}")
        return lambda arguments: form(arguments, language, facts)
    if "{" not in pattern:
        return lambda arguments: pattern
    return lambda arguments: _filled(pattern, arguments)


def _read(language: str) -> dict[str, Any]:
    path = _FOLDER / f"{language}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if language and path.is_file() else {}


def _filled(pattern: str, arguments: Arguments) -> str:
    def piece(match: re.Match[str]) -> str:
        if match[2] is not None:
            return _first_of(match[2], arguments)
        values = [_first_of(name, arguments) for name in _ARGUMENT.findall(match[1])]
        return _filled(match[1], arguments) if any(values) else ""

    return _PIECE.sub(piece, pattern)


def _first_of(names: str, arguments: Arguments) -> str:
    return next(filter(None, (arguments.get(name, "") for name in names.split("|"))), "")


def _positional(arguments: Arguments) -> list[str]:
    """Return the arguments without names, up to the first gap."""
    values: list[str] = []
    while (key := str(len(values) + 1)) in arguments:
        values.append(arguments[key])
    return values


def _convert(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    return converted(_positional(arguments), language, facts["units"], facts["unit_names"])


def _number_and_unit(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    """Show ``{{unité|814|km|2}}``: a number, a unit, its power, another unit, its power."""
    number = shown_number(arguments.get("1", "").replace(" ", ""), language)
    if exponent := _first_of("e|10e", arguments):
        number += f" × 10^{exponent}"
    units = _positional(arguments)[1:] or [_first_of("u|ul|unité", arguments)]
    shown = ""
    for unit in units:
        if is_number(unit):
            shown += {"1": "", "2": "²", "3": "³"}.get(unit, f"^{unit}")
        else:
            shown += (" " if shown else "") + facts["units"].get(unit, unit)
    return joined_measure(number, shown.strip())


def _value(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    """Show ``{{val|1.5|0.1|e=5|u=kg}}``: a number, its error, its exponent, its unit."""
    number = shown_number(arguments.get("1", ""), language)
    if error := arguments.get("2"):
        number += error if error.startswith("(") else f"±{error}"
    if exponent := arguments.get("e"):
        number = f"{number} × 10^{exponent}" if number else f"10^{exponent}"
    unit = _first_of("u|ul|up|upl", arguments)
    return arguments.get("p", "") + joined_measure(number, unit) + arguments.get("s", "")


def _fraction(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    values = _positional(arguments)
    if len(values) == 1:
        return f"1/{values[0]}"
    return " ".join([*values[:-2], "/".join(values[-2:])])


def _chemical_formula(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    """Show ``{{chem|H|2|O}}``: elements, with their numbers as subscripts."""
    pieces: list[str] = []
    for value in _positional(arguments):
        number = re.fullmatch(r"[0-9]*[-+−]?|[0-9]+[-+−]", value) if pieces else None
        mark = "^" if value[-1:] in ("+", "-", "−") else "_"
        pieces.append(f"{mark}{value}" if number and value else value)
    return "".join(pieces)


def _date(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    """Show a date as running text of the language has it, with the name of the month.

    It may begin with the day or with the year, which is told by its size.
    """
    values = _positional(arguments)[:3]
    first = next(iter(values), "")
    if len(values) == 3:
        day, month, year = values if not _is_year(first) else values[::-1]
    elif len(values) == 2 and _is_year(first):
        day, month, year = "", values[1], first
    elif len(values) == 2 and _is_year(values[1]):
        day, month, year = "", first, values[1]
    else:
        day, month, year = "", "", ""
        if len(values) == 2:
            day, month = values
        else:
            year = first
    months = facts["months"]
    if month.isdigit() and 0 < int(month) <= len(months):
        month = months[int(month) - 1]
    if day == "1":
        day = facts["first_day"]
    if not (day and month):
        pattern = facts["date_without_day"]
    elif arguments.get("df", "").lower() in ("y", "yes"):
        pattern = DATE
    else:
        pattern = facts["date"]
    return _filled(pattern, {"day": day, "month": month, "year": year}).strip()


def _is_year(value: str) -> bool:
    return value.isdigit() and len(value) > 2


def _as_of(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    if "alt" in arguments:
        return arguments["alt"]
    words = "since" if "since" in arguments else "as of"
    lower = arguments.get("lc", "") not in ("", "n", "no")
    date = _date({"df": "y", **arguments}, language, facts)
    return f"{words if lower else words.capitalize()} {date}"


def _items(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    return "\n" + "".join(f"* {value}\n" for value in _positional(arguments) if value)


def _in_a_row(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, _positional(arguments)))


def _words(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    return " ".join(filter(None, _positional(arguments)))


def _letters(arguments: Arguments, language: str | None, facts: Mapping[str, Any]) -> str:
    return "".join(_positional(arguments))


FORMS: dict[str, Callable[[Arguments, str | None, Mapping[str, Any]], str]] = {
    "convert": _convert,
    "number and unit": _number_and_unit,
    "value": _value,
    "fraction": _fraction,
    "chemical formula": _chemical_formula,
    "date": _date,
    "as of": _as_of,
    "items": _items,
    "in a row": _in_a_row,
    "words": _words,
    "letters": _letters,
}
"""Forms of templates by the name that a file of templates calls them by."""
