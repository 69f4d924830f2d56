"""The rules of a SentencePiece character map as steps of a Hugging Face normaliser.

SentencePiece applies the longest rule at every position. Hugging Face's ``Precompiled`` holds the
same map, but asks it for whole graphemes of up to five bytes, takes the shortest rule that begins
there, and drops the rest: of a full-width letter with an accent it drops the accent, of CR LF the
LF, and it does not join half-width kana with a voice mark. It is exact for single characters that
stand alone. So the longest rules are found by a regular expression, marks keep what belongs to
different rules apart, single characters are mapped, and the canonical composition of Unicode joins
what belongs to one rule, which is what the rules of several characters do.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any
from unicodedata import category, combining

from tokenizers import normalizers

from tokenizer.character_map import map_rules

Step = dict[str, Any]
"""A step of a normaliser, a pre-tokenizer or a decoder."""

MAX_OWN_STEPS = 200
"""Most replacements that are not what Unicode's composition makes. Each takes steps of its own."""

BOUNDARY = "\U0001fffe"
"""Mark between two rules that canonical composition must not join: a noncharacter, in no text."""

SEPARATOR = "\U000e0fff"
"""Mark that makes a character a grapheme: an unassigned code point of the class Control."""

FIRST_PLACEHOLDER = 0xD0000
"""Code point of the first character that stands for one of these replacements: unassigned."""

ANY = "(?m:.)"
"""Pattern of any character, newlines too."""


def replace(pattern: dict[str, str], content: str) -> Step:
    """Return the step that replaces a ``String`` or the matches of a ``Regex``."""
    return {"type": "Replace", "pattern": pattern, "content": content}


def character_steps(charsmap: bytes) -> list[Step]:
    """Return the steps that apply a compiled map. Raises ValueError where none would be exact."""
    rules = map_rules(charsmap)
    of_one = {source: text for source, text in rules.items() if len(source) == 1}
    if len(of_one) == len(rules) <= MAX_OWN_STEPS and (steps := _one_by_one(rules)) is not None:
        return steps
    of_several = {source: text for source, text in rules.items() if len(source) > 1}
    own, joined = _own_rules(of_one, of_several, None), list[Step]()
    if len(own) > MAX_OWN_STEPS:
        compose = normalizers.NFC()
        if any(compose.normalize_str(text) != text for text in set(rules.values())):
            raise ValueError("its normaliser writes what Unicode's composition would change")
        own, joined = _own_rules(of_one, of_several, compose), [{"type": "NFC"}]
    if len(own) > MAX_OWN_STEPS:
        raise ValueError("its normaliser has too many rules that are not of Unicode's normal forms")
    encoded = base64.b64encode(charsmap).decode()
    of_map = {"type": "Precompiled", "precompiled_charsmap": encoded}
    after_one = rf"(?<=[{_ranges(of_one)}])"
    if not of_several:
        return [
            replace({"Regex": after_one}, SEPARATOR),
            of_map,
            replace({"String": SEPARATOR}, ""),
        ]
    later = {character for source in of_several for character in source[1:]}
    # What begins with a combining mark once it is mapped must not join what is before it.
    joining = later | {
        source for source, text in of_one.items() if text[:1] in later or combining(text[:1] or "a")
    }
    class_of_joining = _class_of_joining(joining)
    longest_rule = rf"(?>(?={ANY}[{_ranges(later)}])(?:{_pattern(of_several)})|{ANY})"
    # A rule begins where the one before it ended, or at a character that joins none before it.
    boundary = rf"(?:\G|(?=[^{class_of_joining}])){longest_rule}\K(?=[{class_of_joining}])"
    held, released = _own_steps(own, joining)
    around = rf"(?<={ANY})(?=[{_ranges(later)}])"
    if of_one:
        around += f"|{after_one}"
    return [
        replace({"Regex": boundary}, BOUNDARY),
        *held,
        replace({"Regex": around}, SEPARATOR),
        of_map,
        replace({"String": SEPARATOR}, ""),
        *joined,
        replace({"String": BOUNDARY}, ""),
        *released,
    ]


def _one_by_one(rules: dict[str, str]) -> list[Step] | None:
    """Return a step for every rule, none of which changes what one before it wrote.

    None where there is no such order.
    """
    left, steps = dict(rules), list[Step]()
    while left:
        ready = next((a for a in left if not any(b in left[a] for b in left if b != a)), None)
        if ready is None:
            return None
        steps.append(replace({"String": ready}, left.pop(ready)))
    return steps


def _own_rules(
    of_one: dict[str, str], of_several: dict[str, str], compose: Any | None
) -> dict[str, list[str]]:
    """Return the rules that the rules of their characters, and composition, do not follow.

    The result has the sources of each replacement.
    """
    own = defaultdict[str, list[str]](list)
    for source, text in of_several.items():
        mapped = "".join(of_one.get(character, character) for character in source)
        if (mapped if compose is None else compose.normalize_str(mapped)) != text:
            own[text].append(source)
    return own


def _class_of_joining(joining: Iterable[str]) -> str:
    return rf"\p{{M}}{_ranges(joining)}"


def _own_steps(
    own: dict[str, list[str]], joining: Collection[str]
) -> tuple[list[Step], list[Step]]:
    """Return the steps for rules that composition does not follow, ahead of it and behind it.

    Some are for characters that are newer than the
    tables of the ``tokenizers`` package, or write what a rule of one character would change.
    """
    held, released = list[Step](), list[Step]()
    class_of_joining = _class_of_joining(joining)
    for number, (text, sources) in enumerate(sorted(own.items())):
        placeholder = chr(FIRST_PLACEHOLDER + number)
        # A whole match of a longest rule is not within that of another, whose first character
        # joins none, and no joining character follows it.
        inner = [a for a in sources if a[0] in joining or category(a[0])[0] == "M"]
        for begin, some in (("", set(sources) - set(inner)), (f"(?<![^{BOUNDARY}])", inner)):
            if some:
                whole = f"{begin}{_pattern(some)}(?![{class_of_joining}])"
                held.append(replace({"Regex": whole}, placeholder))
        released.append(replace({"String": placeholder}, text))
    return held, released


def _ranges(characters: Iterable[str]) -> str:
    """Return the ranges of characters for a class of a regular expression."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(
        rf"\x{{{first:X}}}" if first == last else rf"\x{{{first:X}}}-\x{{{last:X}}}"
        for first, last in ranges
    )


def _one_of(characters: list[str]) -> str:
    # A single character that stands for itself is searched for much faster than a class.
    ranges = _ranges(characters)
    return ranges if len(characters) == 1 else f"[{ranges}]"


def _pattern(sources: Iterable[str]) -> str:
    """Return the pattern of the longest of some texts, which have few different endings."""
    patterns: dict[frozenset[str], str] = {}

    def of(endings: frozenset[str]) -> str:
        if endings not in patterns:
            following = defaultdict[str, set[str]](set)
            for ending in endings:
                if ending:
                    following[ending[0]].add(ending[1:])
            alike = defaultdict[frozenset[str], list[str]](list)
            for character, rest in following.items():
                alike[frozenset(rest)].append(character)
            parts = [f"{_one_of(first)}{of(rest)}" for rest, first in alike.items()]
            if "" in endings:
                patterns[endings] = f"(?:{'|'.join(parts)})?" if parts else ""
            else:
                patterns[endings] = parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
        return patterns[endings]

    return of(frozenset(sources))
