"""The hand-written texts of ``samples/texts``: sections of a file, each under a line of fields."""

from __future__ import annotations

import re
from pathlib import Path

TEXTS = Path(__file__).resolve().parents[1] / "samples" / "texts"


def sections(name: str) -> list[tuple[list[str], str]]:
    """Read a file of texts: the fields of each section, and what stands below them.

    A section begins with a line ``=== FIELD | FIELD ...``; its text ends in one newline, or is
    empty.
    """
    parts = re.split(r"^=== (.+)\n", (TEXTS / name).read_text("utf-8"), flags=re.MULTILINE)
    assert not parts[0], f"{name} does not begin with a section"
    return [
        (fields.split(" | "), f"{text.rstrip()}\n" if text.strip() else "")
        for fields, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
