"""Formatting tags of HTML, which a parser opens again, for scans with numba and without."""

from __future__ import annotations

MAX_ATTRIBUTE_CHARS = 200
"""Most characters of a formatting tag's attributes that are read as such."""

FORMATTING_TAGS = (
    *("a", "b", "big", "code", "em", "font", "i"),
    *("nobr", "s", "small", "strike", "strong", "tt", "u"),
)
"""Tags that an HTML parser opens again after the end of a block, if they are left open."""
