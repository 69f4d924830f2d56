"""Superscripts and subscripts in plain text: ``10<sup>5</sup>`` is ``10^5``, which is not 105."""

from __future__ import annotations

import re

_SIMPLE = re.compile(r"[-+−]?\w+|.|[\[({].*", re.DOTALL)
_ORDINAL = re.compile(
    r"(?:st|nd|rd|th|er|ers|re|ère|ème|ième|me|mes|lle|lles|gr|nde|ter|os|as|ta|to|eme|ieme|esim[oaie]|m[oa])\.?"
)
_ORDINAL_LETTER = re.compile("[eoadrº]s?")
_BEFORE_ORDINAL_LETTER = re.compile(r"[0-9IVXLCDMnN]")


def script(kind: str, content: str, before: str) -> str:
    """Return what a superscript (``kind`` is ``sup``) or subscript (``sub``) is in plain text.

    ``before`` is the text, or the last character of it, that it follows. A power is marked by
    ``^`` and an index by ``_``, with brackets where its end would not be clear. What follows no
    word, and raised letters of ordinals and abbreviations (``XIXe``, ``1st``), are plain.
    """
    inner = content.strip()
    if not inner or not before or before[-1].isspace():
        return content
    if kind == "sup" and (
        (_ORDINAL.fullmatch(inner) and before[-1].isalnum())
        or (_ORDINAL_LETTER.fullmatch(inner) and _BEFORE_ORDINAL_LETTER.match(before[-1]))
    ):
        return content
    shown = inner if _SIMPLE.fullmatch(inner) else f"({inner})"
    return ("^" if kind == "sup" else "_") + shown.replace("−", "-")
