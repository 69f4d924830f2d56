"""Whether a page's letters are those of its encoding, by what words look like."""

from __future__ import annotations

import re

MAX_WRONG = 1 / 20
"""Highest share of wrong letters, of the bytes beyond ASCII, in a page's encoding."""

MAX_WRONG_IN_UTF8 = 2
"""Most wrong letters for each right one in what is labelled UTF-8, which is seldom so by chance."""

SURE_BYTES = 300
"""Fewest bytes beyond ASCII by which the detected encoding is believed against a label."""

FEW_LETTERS = 30
"""Fewest letters beyond ASCII by which it is judged whether their order is that of words."""

_NO_LETTER = re.compile("[\ufffd\x80-\x9f\ue000-\uf8ff]")
_LATIN = frozenset(
    (
        *("iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-10", "iso-8859-13", "iso-8859-14"),
        *("iso-8859-15", "iso-8859-16", "macintosh", "windows-1250", "windows-1252"),
        *("windows-1254", "windows-1257", "windows-1258"),
    )
)
_CYRILLIC = frozenset(
    ("ibm866", "iso-8859-5", "koi8-r", "koi8-u", "windows-1251", "x-mac-cyrillic")
)
_BEYOND_ASCII_RUN = re.compile(rb"[\x80-\xff]{3,}")
_AMONG_ASCII = re.compile(
    "(?<=[A-Za-z])[\x80-\U0010ffff]{1,2}(?![\x80-\U0010ffff])"
    "|(?<![\x80-\U0010ffff])[\x80-\U0010ffff]{1,2}(?=[A-Za-z])"
)
_CAPITAL_INSIDE = re.compile("[а-џґ][А-ЯЀ-Џ]")
_CAPITAL_FIRST = re.compile("[А-ЯЀ-Џ][а-џґ]")
_ALIKE = {  # encodings of other letters than Latin ones; equal values are not told apart
    "big5": "traditional Chinese",
    "euc-jp": "Japanese",
    "euc-kr": "Korean",
    "gb18030": "simplified Chinese",
    "gbk": "simplified Chinese",
    "ibm866": "Cyrillic of DOS",
    "iso-8859-5": "Cyrillic of ISO",
    "iso-8859-6": "Arabic",
    "iso-8859-7": "Greek",
    "iso-8859-8": "Hebrew",
    "iso-8859-8-i": "Hebrew",
    "koi8-r": "Cyrillic of KOI",
    "koi8-u": "Cyrillic of KOI",
    "shift_jis": "Japanese of Windows",
    "windows-1251": "Cyrillic of Windows",
    "windows-1253": "Greek",
    "windows-1255": "Hebrew",
    "windows-1256": "Arabic",
    "windows-874": "Thai",
    "x-mac-cyrillic": "Cyrillic of Windows",
}


def fits(text: str, data: bytes, encoding: str, n_beyond_ascii: int) -> bool:
    """Tell whether bytes, which are ``text`` in an encoding, can be in it.

    At most :data:`MAX_WRONG` of the bytes beyond ASCII are no letters, in UTF-8 two for each that
    is one. The letters are not in an order that only wrong ones have: those of Latin encodings in
    runs beyond ASCII, others alone among letters of ASCII, Cyrillic capitals within words.
    """
    n_wrong = len(_NO_LETTER.findall(text))
    if encoding == "utf-8":
        n_letters = len(text) - len(text.encode("ascii", "ignore"))
        return n_wrong <= (n_letters - n_wrong) * MAX_WRONG_IN_UTF8
    if n_wrong > n_beyond_ascii * MAX_WRONG:
        return False
    if encoding.startswith("utf-16"):
        return b"\0" in data  # of spaces, line ends or markup
    if n_beyond_ascii < FEW_LETTERS:
        return True
    if encoding in _LATIN:  # where letters beyond ASCII stand among those of ASCII
        n_in_runs = sum(len(run) for run in _BEYOND_ASCII_RUN.findall(data))
        return n_in_runs * 2 <= n_beyond_ascii
    if encoding in _ALIKE:  # where words are of one kind of letters
        n_among_ascii = sum(len(letters) for letters in _AMONG_ASCII.findall(text))
        if n_among_ascii * 2 > len(text) - len(text.encode("ascii", "ignore")):
            return False
    if encoding in _CYRILLIC:
        return len(_CAPITAL_INSIDE.findall(text)) <= len(_CAPITAL_FIRST.findall(text)) + 1
    return True


def contradicts(detected: str, labelled: str, n_beyond_ascii: int) -> bool:
    """Tell whether what was detected in a page is surer than its label.

    It is where both have other letters than Latin ones, which uchardet tells apart in 300 bytes,
    and where there are escape sequences that the label knows nothing of.
    """
    if detected == "iso-2022-jp":
        return labelled != detected and not n_beyond_ascii
    if detected not in _ALIKE or labelled not in _ALIKE:
        return False
    return n_beyond_ascii >= SURE_BYTES and _ALIKE[detected] != _ALIKE[labelled]
