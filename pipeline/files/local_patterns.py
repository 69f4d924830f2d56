"""Files of this machine that match a pattern, as Beam's file systems would list them.

Beam is not needed for it, and its import takes longer than the listing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path


def matching(pattern: str) -> Iterator[str]:
    """Yield the paths of the files that match a pattern, in no order.

    Raises ``re.error`` where a set of characters in it makes no sense.
    """
    pattern += "*" if pattern.endswith("/") else ""
    fixed = re.split(r"[\[*?]", pattern, maxsplit=1)[0]
    if fixed == pattern:
        if Path(pattern).exists():
            yield pattern
        return
    matches = re.compile(_expression(pattern)).fullmatch
    for folder, _, names in os.walk(os.path.dirname(fixed)):  # noqa: PTH120  (a path keeps no "./")
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            if matches(path):
                yield path


def _expression(pattern: str) -> str:
    """Translate a pattern to a regular expression."""
    tokens = re.finditer(r"\*\*|\*|\?|\[(!|(?!!))(\]?[^\]]+|\])\]|(?s:.)", pattern)
    return "(?s)" + "".join(map(_part, tokens))


def _part(token: re.Match[str]) -> str:
    simple = {"**": ".*", "*": r"[^/\\]*", "?": "."}
    if token[0] in simple:
        return simple[token[0]]
    if token[2] is None:
        return re.escape(token[0])
    chosen = token[2].replace("\\", "\\\\")
    if token[1]:
        return f"[^{chosen}]"
    return f"[\\{chosen}]" if chosen.startswith("^") else f"[{chosen}]"
