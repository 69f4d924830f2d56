"""Errors that the commands report to users in one line, and spelling suggestions for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ERROR_NAME = "error.txt"
"""Name of the file with the traceback of the error that stopped a command.

It lies in the command's output folder until the command has completed.
"""

TOLD_ERRORS = ("StepError", "ChangedError")
"""Errors of workers that are told whole: they name a file, and their length is bounded."""


class RunError(ValueError):
    """A run or command cannot start; the message says why in one line."""


class ChangedError(ValueError):
    """A file, or code, is not what it was when the run began; the message names it in one line."""


class StorageError(ValueError):
    """A file system cannot be reached from here; the message says why in one line."""


class RecipeError(ValueError):
    """A recipe has a mistake; the message names it in one line."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word.

    It is `; did you mean 'x'?` where a known word is close, else the list of all known words.
    """
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if known else ""
