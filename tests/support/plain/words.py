"""Words with punctuation apart, by plain Python: a chunk at a time, its two ends and then its core.

It follows the description in :mod:`transforms.kernels.words`, with strings and sets. Tests compare
with it.
"""

from __future__ import annotations

import unicodedata

PUNCTUATION = set("…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪")
QUOTES = set("'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧")
MONEY = set("$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿")
UNIT_NAMES = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s "
    "km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % am pm"
)
UNITS = set(UNIT_NAMES.split())
SHORT_FORMS = tuple(a + b for a in ("'", "’") for b in ("m", "re", "ve", "ll", "d"))
DIGITS = set("0123456789")


def plain_words(text: str) -> list[str]:
    """Return the words of a text."""
    return [word for chunk in text.split() for word in _words_of_chunk(chunk)]


def _words_of_chunk(chunk: str) -> list[str]:
    before: list[str] = []
    after: list[str] = []
    while chunk and (n := _prefix(chunk)):
        before.append(chunk[:n])
        chunk = chunk[n:]
    while chunk and (n := _suffix(chunk)):
        after.insert(0, chunk[-n:])
        chunk = chunk[:-n]
    if n := _short_form(chunk):
        after.insert(0, chunk[-n:])
        chunk = chunk[:-n]
    if "://" in chunk[1:] or (chunk.startswith("www.") and len(chunk) > 4):
        return [*before, chunk, *after]
    core: list[str] = []
    begin = i = 0
    while i < len(chunk):
        n = _infix(chunk, i) if i else 0
        if n:
            core += [chunk[begin:i], chunk[i : i + n]]
            begin = i + n
        i += n or 1
    return [*before, *filter(None, [*core, chunk[begin:]]), *after]


def _is_picture(character: str) -> bool:
    return unicodedata.category(character) == "So"


def _is_small(character: str) -> bool:
    return character.isalpha() and not character.isupper()


def _is_capital(character: str) -> bool:
    return character.isalpha() and not character.islower()


def _full_stops(text: str) -> int:
    return len(text) - len(text.lstrip("."))


def _prefix(chunk: str) -> int:
    first = chunk[0]
    if first == ".":
        return _full_stops(chunk) if _full_stops(chunk) > 1 else 0
    if first == "+":
        return int(chunk[1:2] not in DIGITS)
    return int(first in PUNCTUATION | QUOTES | MONEY | set("§%=—–") or _is_picture(first))


def _suffix(chunk: str) -> int:
    last, before = chunk[-1], chunk[-2:-1]
    if last in "sS" and before in ("'", "’"):
        return 2
    if last == ".":
        n = _full_stops(chunk[::-1])
        if n > 1:
            return n
        stands_alone = before and (
            _is_small(before) or before in DIGITS | PUNCTUATION | QUOTES | set("%²-+")
        )
        return int(bool(stands_alone) or (len(chunk) > 2 and all(map(_is_capital, chunk[-3:-1]))))
    if last in PUNCTUATION | QUOTES | set("—–") or _is_picture(last):
        return 1
    if before in DIGITS and (last == "+" or last in MONEY):
        return 1
    unit = ""
    for character in reversed(chunk):
        if character in DIGITS:
            return len(unit) if unit in UNITS else 0
        unit = character + unit
    return 0


def _short_form(chunk: str) -> int:
    lower = chunk.lower()
    for ending in ("n't", "n’t", *SHORT_FORMS):
        if lower.endswith(ending) and len(chunk) > len(ending):
            return len(ending)
    return 0


def _infix(core: str, i: int) -> int:
    character, before, after = core[i], core[i - 1], core[i + 1 : i + 2]
    if character == "…" or _is_picture(character):
        return 1
    if character == ".":
        n = _full_stops(core[i:])
        is_between = (_is_small(before) or before in QUOTES) and (
            after and (_is_capital(after) or after in QUOTES)
        )
        return n if n > 1 else int(bool(is_between))
    if not after:
        return 0
    if before in DIGITS and character in "+-*^" and after in DIGITS | {"-"}:
        return 1
    if character == ",":
        return int(before.isalpha() and after.isalpha())
    if not (before.isalpha() or before in DIGITS):
        return 0
    if character in "-–—~":
        n = 1
        while n < 3 and core[i + n : i + n + 1] == character:
            n += 1
        return n if core[i + n : i + n + 1].isalpha() else 0
    return int(character in ":<>=/" and after.isalpha())
