"""A scanner with one stack for ``{{...}}``, ``[[...]]`` and ``[http://...]``, inside out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from transforms.wikipedia.magic_words import BAR

Show = Callable[[str, list[str], int], str | None]

MAX_DEPTH = 64
"""Deepest nesting of brackets. Deeper ones are dropped as if they had no partner. MediaWiki's own
limit is 40."""

_BRACKETS = re.compile(
    r"\{\{+|\}\}+|\[\[|\]+|\[(?=(?:https?:|ftps?:|irc:|news:|gopher:)?//|mailto:)", re.IGNORECASE
)
_EXTERNAL = re.compile(r"\s*(?:(?:https?:|ftps?:|irc:|news:|gopher:)?//|mailto:)", re.IGNORECASE)
_LANGUAGE_PREFIX = re.compile(r"(?:[a-z]{2,3}(?:-[a-z-]{2,12})?|simple)")


class _Frame(NamedTuple):
    """An open bracket."""

    kind: str  # "{", "[" for [[, "h" for [http
    begin: int  # index in the output at which its content begins
    braces: int  # number of braces that are still open


def resolve_brackets(text: str, hidden: frozenset[str], show: Show) -> str:
    """Replace templates and links by the text that they show.

    ``hidden`` are the namespaces whose links show nothing, in lower case. ``show`` is called with
    what stands between the braces of a template, and returns the text that it shows, None for
    nothing.
    """
    out: list[str] = []
    stack: list[_Frame] = []
    templates = 0  # number of open templates on the stack
    at = 0
    for match in _BRACKETS.finditer(text):
        token = match.group()
        if match.start() > at:
            out.append(text[at : match.start()])
        at = match.end()
        kind = token[0]
        if kind == "{":
            if len(stack) < MAX_DEPTH:
                stack.append(_Frame("{", len(out), len(token)))
                templates += 1
        elif kind == "}":
            left = len(token)
            while left > 1 and templates:
                while stack[-1].kind != "{":
                    stack.pop()
                frame = stack.pop()
                size = 3 if min(left, frame.braces) >= 3 else 2
                left -= size
                _close_template(out, frame, size, show)
                if frame.braces - size > 1:
                    stack.append(frame._replace(braces=frame.braces - size))
                else:
                    templates -= 1
            if left == 1 and out[-1:] == [BAR]:
                out.append("}")  # {{!}}} ends a table
        elif kind == "]":
            _close_brackets(out, stack, len(token), hidden)
        elif len(stack) < MAX_DEPTH:
            if token == "[":
                out.append("[")
            stack.append(_Frame("[" if token == "[[" else "h", len(out), 0))
    out.append(text[at:])
    return "".join(out)


def _close_brackets(out: list[str], stack: list[_Frame], size: int, hidden: frozenset[str]) -> None:
    """Resolve the links that a run of ``size`` brackets ``]`` closes."""
    while size:
        kind = stack[-1].kind if stack else ""
        if kind == "h" and not (size == 2 and len(stack) > 1 and stack[-2].kind == "["):
            begin = stack.pop().begin
            content = "".join(out[begin:])
            if "\n" in content:
                out.append("]")
            else:
                out[begin - 1 :] = [_after_address(content)]
            size -= 1
        elif kind == "h":
            stack.pop()
        elif size == 1:
            out.append("]")
            size = 0
        elif kind == "[":
            begin = stack.pop().begin
            out[begin:] = [_link("".join(out[begin:]), hidden)]
            size -= 2
        else:
            size -= 2


def _after_address(content: str) -> str:
    parts = content.split(None, 1)
    return parts[1].rstrip() if len(parts) > 1 else ""


def _link(content: str, hidden: frozenset[str]) -> str:
    """Return the text that ``[[content]]`` shows."""
    if BAR in content:
        content = content.replace(BAR, "|")
    target, bar, label = content.partition("|")
    if ":" in target:
        if _EXTERNAL.match(target):
            return _after_address(content)
        prefix = target.partition(":")[0].strip()
        if prefix.lower().replace("_", " ") in hidden:
            return ""
        if not bar and prefix and _LANGUAGE_PREFIX.fullmatch(prefix):
            return ""
        target = target.strip().removeprefix(":")
    return label if label.strip() else target.strip()


def _close_template(out: list[str], frame: _Frame, size: int, show: Show) -> None:
    """Replace the template that ends the output by the text that it shows."""
    begin = frame.begin
    if begin >= len(out):
        return
    name = out[begin].partition("|")[0]
    value = show(name, out, begin) if size == 2 else None
    if value is None:
        del out[begin:]
        return
    # Of {{{!}} the first brace is text: with the bar it begins a table.
    out[begin:] = ["{" + value if frame.braces == 3 and value[:1] == BAR else value]
