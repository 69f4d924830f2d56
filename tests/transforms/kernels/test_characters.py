"""The classes of characters are those of Python's own strings."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from transforms.kernels import characters

TESTS = {
    "LETTER": str.isalpha,
    "UPPER": str.isupper,
    "OTHER_ALPHANUMERIC": lambda c: c.isalnum() and not c.isalpha(),
    "SPACE": str.isspace,
    "LINE_BREAK": lambda c: len(f"{c}.".splitlines()) == 2,
    "DIGIT": re.compile(r"\d").match,
    "WORD": re.compile(r"\w").match,
    "PUNCTUATION": lambda c: unicodedata.category(c)[0] in "PS",
    "UNPRINTED": lambda c: unicodedata.category(c)[0] == "C",
}


def test_every_character_has_the_classes_that_python_says() -> None:
    classes = characters.character_classes()
    flags = {name: getattr(characters, name) for name in TESTS}
    assert sorted(flags.values()) == [1 << bit for bit in range(len(TESTS))]
    for name, test in TESTS.items():
        wanted = np.array([bool(test(chr(point))) for point in range(0x110000)])
        assert np.array_equal(classes & flags[name] != 0, wanted), name


def test_white_space_ends_with_the_last_character_of_it() -> None:
    spaces = characters.white_space()
    assert [chr(point) for point in np.flatnonzero(spaces)] == [
        chr(point) for point in range(0x110000) if chr(point).isspace()
    ]
    assert spaces[-1] and len(spaces) < 0x10000


def test_lower_case_is_one_character() -> None:
    table = characters.lower_case()
    assert [chr(point) for point in table] == [chr(p).lower()[0] for p in range(0x110000)]
