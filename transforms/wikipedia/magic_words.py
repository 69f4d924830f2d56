"""Parser functions and magic words that a sentence may hold: ``{{formatnum:18}}``, ``{{!}}``.

https://www.mediawiki.org/wiki/Help:Magic_words has all of them. Those whose value depends on the
wiki or on the day are not known.
"""

from __future__ import annotations

from collections.abc import Callable

from transforms.wikipedia.numbers import shown_number

BAR = "\x04"
"""Character that stands for a bar which parts neither arguments nor the sides of a link, until all
brackets are resolved: MediaWiki puts it in when a template's arguments are parted already."""
EQUALS = "\x05"
"""Character that stands for an equals sign which names no argument."""

CONSTANTS = {
    "!": BAR,
    "!!": BAR * 2,
    "!-": BAR + "-",
    "!+": BAR + "+",
    "(!": "{" + BAR,
    "!)": BAR + "}",
    "=": EQUALS,
    "((": "{{",
    "))": "}}",
    "(": "{",
    ")": "}",
}
"""Magic words, and templates with the same use, that stand for signs of wikitext."""

_FORMAT = frozenset(("formatnum", "zahlenformat", "formatonúmero", "formatonumero", "formateernum"))
_CASES: dict[str, Callable[[str], str]] = {
    "lc": str.lower,
    "uc": str.upper,
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
}


def function_value(name: str, arguments: list[str], language: str | None) -> str | None:
    """Return what a parser function shows, None for one that is not known.

    ``name`` is in lower case, and ``arguments`` are parted at the bars. Conditions are decided by
    what is left of their arguments, so a condition on a parameter or a template is not met.
    """
    first, *others = [argument.strip() for argument in arguments]
    if name in _FORMAT:
        return first if others else shown_number(first, language)
    if name in _CASES:
        return _CASES[name](first)
    second, third, *_ = [*others, "", ""]
    if name == "#if":
        return second if first else third
    if name == "#ifeq":
        return [*others, "", "", ""][1 if first == second else 2]
    if name == "plural":
        return second if first == "1" or not third else third
    if name == "#tag":
        return second if first in ("nowiki", "poem", "blockquote") else ""
    return None


def plain_signs(text: str) -> str:
    """Put in the bars and equals signs that were set aside."""
    return text.replace(BAR, "|").replace(EQUALS, "=")
