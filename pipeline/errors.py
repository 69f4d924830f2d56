"""Errors that users are told in one line, and the nearest right spelling of a word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ERROR_NAME = "error.txt"
"""Where a command leaves the traceback of what stopped it, until it is complete."""


class RunError(ValueError):
    """A reason not to start, told in one line."""


class StorageError(ValueError):
    """A storage that cannot be reached from here, told in one line."""


class RecipeError(ValueError):
    """A mistake in a recipe, told in one line."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest known word, or the list of those known."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if known else ""
