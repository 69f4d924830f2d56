"""Texts in wrong letters, and those of them whose letters can be found again.

The commonest fault is UTF-8 that was read as Windows-1252, and written as UTF-8 once more. Its
signs are looked for in a text's own UTF-8, where all begin with one byte, which is fast.
"""

from __future__ import annotations

import re

from pipeline.readers.charsets.decoders import decoded

MAX_WRONG_LETTERS = 1 / 20
"""Highest share of wrong letters in a text that is kept, of its characters beyond ASCII."""

MAX_WRONG_CHARACTERS = 1 / 100
"""Highest share of wrong letters in a text that is kept, of all its characters."""

FEW_LETTERS = 8
"""Fewest wrong letters that show that a text is in wrong ones, or was encoded twice."""

FEW_LATIN_LETTERS = 30
"""Fewest Latin letters, in runs beyond ASCII, that show that they are letters of another script."""

_WINDOWS_1252 = decoded(bytes(range(0x80, 0x100)), "windows-1252")
_FIRST = rb"\xc3[\x82-\xb4]"  # the letters that first bytes of UTF-8 are in Windows-1252
_NEXT = b"|".join(letter.encode() for letter in _WINDOWS_1252[:0x20])
_TWICE = re.compile(_FIRST + rb"(?:\xc2[\x80-\xbf]|" + _NEXT + rb")")
_LATIN_RUN = re.compile(rb"\xc3[\x80-\xbf](?:\xc3[\x80-\xbf]){2,}")
_BEYOND_ASCII = re.compile("[\x80-\U0010ffff]+")
_BYTES = {ord(letter): 0x80 + i for i, letter in enumerate(_WINDOWS_1252)}


def is_mojibake(text: str, *, is_right: bool = True) -> bool:
    """Tell whether too many letters of a text are wrong.

    U+FFFD is wrong, so are signs of UTF-8 that was encoded twice, and Latin letters most of which
    stand in runs beyond ASCII. Where it is known that the encoding is not right (``is_right``), all
    letters beyond ASCII are wrong.
    """
    if text.isascii():
        return False
    data = text.encode("utf-8", "surrogatepass")
    n_wrong = text.count("\ufffd")
    n_signs = len(_TWICE.findall(data))
    n_in_runs = sum(len(run) // 2 for run in _LATIN_RUN.findall(data))
    if n_signs >= FEW_LETTERS:
        n_wrong += n_signs
    if is_right and not n_wrong and n_in_runs < FEW_LATIN_LETTERS:
        return False
    n_beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    if not is_right or (n_in_runs >= FEW_LATIN_LETTERS and n_in_runs * 2 > n_beyond_ascii):
        n_wrong = n_beyond_ascii
    least = max(n_beyond_ascii * MAX_WRONG_LETTERS, len(text) * MAX_WRONG_CHARACTERS)
    return n_wrong >= FEW_LETTERS and n_wrong > least


def encoded_once(text: str) -> str | None:
    """Return a text that was encoded twice as it was at first, or None if it was not.

    A text was if most of its letters beyond ASCII, read as bytes of Windows-1252, are UTF-8. Other
    letters stay as they are.
    """
    if text.isascii() or not _TWICE.search(text.encode("utf-8", "surrogatepass")):
        return None
    n_letters = n_twice = 0

    def once(run: re.Match[str]) -> str:
        nonlocal n_letters, n_twice
        n_letters += len(run.group())
        try:
            letters = run.group().translate(_BYTES).encode("latin-1").decode()
        except UnicodeError:
            return run.group()
        n_twice += len(run.group())
        return letters

    once_text = _BEYOND_ASCII.sub(once, text)
    return once_text if n_twice >= FEW_LETTERS and n_twice * 2 > n_letters else None
