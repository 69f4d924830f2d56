"""Reading of the hand-written texts in ``samples/texts``, which are files of sections."""

from __future__ import annotations

import re
from pathlib import Path

TEXTS = Path(__file__).resolve().parents[1] / "samples" / "texts"


def sections(name: str) -> list[tuple[list[str], str]]:
    """Return the fields and the text of each section of a file.

    A section begins with a line ``=== FIELD | FIELD ...``. The text below it ends in one newline,
    or is empty.
    """
    parts = re.split(r"^=== (.+)\n", (TEXTS / name).read_text("utf-8"), flags=re.MULTILINE)
    assert not parts[0], f"{name} does not begin with a section"
    return [
        (fields.split(" | "), f"{text.rstrip()}\n" if text.strip() else "")
        for fields, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
