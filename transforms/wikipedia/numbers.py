"""Numbers as each Wikipedia shows them, and measures with their units."""

from __future__ import annotations

import re
from collections.abc import Mapping

_GROUPED = {
    **dict.fromkeys(("en",), (",", ".")),
    **dict.fromkeys(("ca", "da", "de", "es", "hr", "nl", "pt", "ro", "sl", "sr"), (".", ",")),
    **dict.fromkeys(("bg", "cs", "fr", "hu", "it", "pl", "ru", "sv", "uk"), (" ", ",")),
    "es": (" ", ","),
}
"""Marks of thousands and of decimals by language, from MediaWiki's localisation."""
_GROUPED_FROM_FIVE_DIGITS = frozenset(("bg", "es", "hu", "pl", "pt"))

_NUMBER = re.compile(r"([-−+]?)([0-9]+)(?:([.,])([0-9]+))?")
_NUMERIC = re.compile(r"[-−+]?[0-9][0-9., \u00a0]*(?:[+/⁄][0-9]+)*(?:/[0-9]+)?")

_RANGES = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "to(-)": " to ",
    "to about": " to about ",
    "and": " and ",
    "and(-)": " and ",
    "or": " or ",
    "by": " by ",
    "by(x)": " by ",
    "x": " × ",
    "×": " × ",
    "xx": " × ",
    "*": " × ",
    "+": " + ",
    "+/-": " ± ",
    "±": " ± ",
    ",": ", ",
    "&": " & ",
}
_SECOND_UNITS = frozenset(["in", "ft", "yd", "lb", "oz", "ch", "rd", "furlong", "qtr", "min", "s"])
_MULTIPLES = {"e3": "thousand ", "e6": "million ", "e9": "billion ", "e12": "trillion "}


def shown_number(number: str, language: str | None) -> str:
    """Group the digits of a number as ``{{formatnum:...}}`` does. Other text stays as it is.

    The decimal mark may be that of English or of the language.
    """
    match = _NUMBER.fullmatch(number)
    thousands, decimal = _GROUPED.get(language or "", ("", "."))
    if not match or (match[3] == "," and decimal != ","):
        return number
    digits = match[2]
    if len(digits) > (4 if language in _GROUPED_FROM_FIVE_DIGITS else 3):
        digits = f"{int(digits):,}".replace(",", thousands) if digits[0] != "0" else digits
    return f"{match[1]}{digits}{decimal}{match[4]}" if match[4] else f"{match[1]}{digits}"


def is_number(text: str) -> bool:
    """Return whether a text is a number or a fraction."""
    return bool(_NUMERIC.fullmatch(text))


def joined_measure(number: str, unit: str) -> str:
    """Join a number and its unit with a space, or with none before ``°`` of angles."""
    if not number or not unit:
        return number or unit
    return (
        f"{number}{unit}"
        if unit[0] in "°′″'\"" and unit[1:2] not in ("C", "F")
        else f"{number} {unit}"
    )


def converted(
    values: list[str], language: str | None, units: Mapping[str, str], names: Mapping[str, str]
) -> str:
    """Return the measure that ``{{convert|...}}`` is given, without what it is converted to.

    ``values`` are its positional arguments: a number, or numbers with a word between them, and a
    unit; then perhaps the number and unit of a second part (6 ft 2 in). ``units`` says how units
    are shown, and ``names`` how they are after a number word (million).
    """

    def shown(number: str) -> str:
        return shown_number(_fraction(number), language)

    if not values:
        return ""
    pieces = [shown(values[0])]
    at = 1
    while at + 1 < len(values) and values[at] in _RANGES and is_number(values[at + 1]):
        pieces += [_RANGES[values[at]], shown(values[at + 1])]
        at += 2
    measure = joined_measure("".join(pieces), _unit(values[at : at + 1], units, names))
    at += 1
    while at + 1 < len(values) and values[at + 1] in _SECOND_UNITS and is_number(values[at]):
        measure += " " + joined_measure(
            shown(values[at]), _unit(values[at + 1 : at + 2], units, names)
        )
        at += 2
    return measure


def _unit(unit: list[str], units: Mapping[str, str], names: Mapping[str, str]) -> str:
    if not unit:
        return ""
    for prefix, word in _MULTIPLES.items():
        if unit[0].startswith(prefix) and (rest := unit[0].removeprefix(prefix)) in names:
            return word + names[rest]
    return units.get(unit[0], unit[0])


def _fraction(number: str) -> str:
    """Set a whole number and a fraction, ``1+3/4``, apart."""
    whole, plus, fraction = number.partition("+")
    return f"{whole} {fraction}" if plus and whole and "/" in fraction else number
