"""Variants of a language in an article, ``-{...}-``, as MediaWiki's LanguageConverter reads them.

Serbian is written in two alphabets, and an article may say a word in both. One variant is taken
for a whole article: that of the alphabet in which most of it is written.
"""

from __future__ import annotations

import re

_MARKUP = re.compile(r"-\{(?!\{(?!\{))((?:(?!-\{|\}-).)*)\}-", re.DOTALL)
_CYRILLIC = re.compile("[а-яђјљњћџ]+")
_LATIN = re.compile("[a-zčćžšđ]+")
_RULE = re.compile(r"(?:^|;)\s*(?:[^;:=]*=>\s*)?(sr(?:-[a-z]+)?)\s*:")
_DEEPEST = 8
"""How often the innermost markup is resolved. What is nested deeper stays."""

_ORDERS = {
    "sr-ec": ("sr-ec", "sr-cyrl", "sr", "sr-el", "sr-latn"),
    "sr-el": ("sr-el", "sr-latn", "sr", "sr-ec", "sr-cyrl"),
}


def one_variant(text: str) -> str:
    """Replace the markup of variants in Serbian wikitext by what one variant shows."""
    if "-{" not in text:
        return text
    outside = _MARKUP.sub("", text)
    cyrillic = sum(map(len, _CYRILLIC.findall(outside)))
    latin = sum(map(len, _LATIN.findall(outside)))
    # Addresses, markup and names of arguments are Latin in every article.
    order = _ORDERS["sr-ec" if cyrillic * 3 >= latin else "sr-el"]
    for _ in range(_DEEPEST):
        text, count = _MARKUP.subn(lambda match: _shown(match[1], order), text)
        if not count:
            break
    return text


def _shown(content: str, order: tuple[str, ...]) -> str:
    flags, bar, rest = content.partition("|")
    names = [flag.strip() for flag in flags.split(";")] if bar else []
    if bar and all(re.fullmatch("[A-Z-]|sr(?:-[a-z]+)?|", name) for name in names):
        # T is the page's title, H and - are rules for the rest of the page, D describes a rule.
        if set(names) & {"T", "H", "-", "D"}:
            return ""
        content = rest
        if "R" in names:
            return content
    pieces = _RULE.split(content)  # text before the rules, code, text, code, text, ...
    if len(pieces) < 3 or pieces[0].strip():
        return content
    texts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    return next((texts[code].strip(" ;\n") for code in order if code in texts), "")
