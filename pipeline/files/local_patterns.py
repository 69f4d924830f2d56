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

    Links to folders are followed, other than Beam does, but not one to a folder that it is in. A
    file to which links lead as well is found once, by its own name.
    Broken links are there too, where they match or, had they led to a folder, its files might have.
    Raises ``re.error`` where a set of characters in the pattern makes no sense, and OSError where a
    folder cannot be listed.
    """
    pattern += "*" if pattern.endswith("/") else ""
    fixed = re.split(r"[\[*?]", pattern, maxsplit=1)[0]
    if fixed == pattern:
        if Path(pattern).exists() or Path(pattern).is_symlink():
            yield pattern
        return
    matches = re.compile(_expression(pattern)).fullmatch
    leads = re.compile(_expression_of_folders(pattern)).fullmatch
    top = os.path.dirname(fixed)  # noqa: PTH120  (a path keeps no "./")
    yield from (str(one) for one in (Path(top), *Path(top).parents) if _is_broken(one))
    linked: set[str] = set()  # folders that a link has led to
    there: set[str] = set()  # files that have been found, by their folder's true path
    by_links: list[str] = []
    for folder, folders, names in os.walk(top, onerror=_unless_missing, followlinks=True):
        folders[:] = sorted(name for name in folders if not _is_above(folder, name))
        inside = {os.path.join(folder, name) for name in folders}  # noqa: PTH118
        linked |= inside if folder in linked else {one for one in inside if Path(one).is_symlink()}
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            if matches(path) or (leads(path) and _is_broken(Path(path))):
                if folder in linked:
                    by_links.append(path)
                else:
                    there.add(path)
                    yield path
    if by_links:
        there = {_true(path) for path in there}
        for path in sorted(by_links):
            if _true(path) not in there:
                there.add(_true(path))
                yield path


def _true(path: str) -> str:
    """Return a path without links in its folders; the file itself may be one."""
    return str(Path(path).parent.resolve() / Path(path).name)


def _unless_missing(error: OSError) -> None:
    """Raise an error of a listing, unless there is no such folder, or not any more."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _is_broken(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _is_above(folder: str, name: str) -> bool:
    """Tell whether a link in a folder leads back: to a folder by way of which it was come to."""
    link = Path(folder, name)
    if not link.is_symlink():
        return False
    way = {Path(folder), *Path(folder).parents}
    return link.resolve() in {one.resolve() for one in way}


def _expression(pattern: str) -> str:
    """Translate a pattern to a regular expression."""
    tokens = re.finditer(r"\*\*|\*|\?|\[(!|(?!!))(\]?[^\]]+|\])\]|(?s:.)", pattern)
    return "(?s:" + "".join(map(_part, tokens)) + ")"


def _expression_of_folders(pattern: str) -> str:
    """Translate a pattern to a regular expression of the folders that its files may lie in."""
    ends = [part.end() for part in re.finditer(r"\*\*", pattern)]
    ends += [part.start() for part in re.finditer("/", pattern)]
    return "|".join(_expression(pattern[:end]) for end in ends if end) or "(?!)"


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
