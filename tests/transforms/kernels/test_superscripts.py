from __future__ import annotations

import pytest

from transforms.kernels.superscripts import script


@pytest.mark.parametrize(
    ("before", "kind", "content", "shown"),
    [
        ("10", "sup", "8", "^8"),
        ("10", "sup", "−19", "^-19"),
        ("km", "sup", " 2 ", "^2"),
        ("x", "sub", "n+1", "_(n+1)"),
        ("x", "sup", "[1]", "^[1]"),
        ("", "sup", "14", "14"),
        ("the ", "sup", "14", "14"),
        ("XIX", "sup", "e", "e"),
        ("1", "sup", "er", "er"),
        ("21", "sup", "st", "st"),
        ("37", "sup", "esimo", "esimo"),
        ("n", "sup", "o", "o"),
        ("x", "sup", "e", "^e"),
        ("a", "sup", "", ""),
    ],
)
def test_scripts(before: str, kind: str, content: str, shown: str) -> None:
    assert script(kind, content, before) == shown
