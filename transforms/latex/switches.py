r"""Switches of a LaTeX source: ``\newif\ifdraft``, its ``\drafttrue``, and packages' booleans."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from transforms.latex.arguments import CONTROL_SEQUENCE, Environment, Macro, Text, skip_space

_NAME = re.compile(r"\{[ \t]*([A-Za-z@0-9:_.-]{1,60})[ \t]*\}")
_TRUTH = re.compile(r"\{[ \t]*(true|false)[ \t]*\}", re.IGNORECASE)
_NEW = {
    "newboolean": "if",
    "provideboolean": "if",
    "newbool": "if",
    "providebool": "if",
    "newtoggle": "toggle ",
    "providetoggle": "toggle ",
}
_SET = {"setboolean": "if", "setbool": "if", "settoggle": "toggle "}
_TURN = {
    "booltrue": ("if", True),
    "boolfalse": ("if", False),
    "toggletrue": ("toggle ", True),
    "togglefalse": ("toggle ", False),
}


_WORDS = frozenset(("global", "let", "newif", *_NEW, *_SET, *_TURN))


class Switch(NamedTuple):
    """A switch that is on or off at the current place."""

    value: bool


Value = Macro | Environment | Switch | None
"""What a name means: None for a definition that was not understood."""


class Turned(NamedTuple):
    """A switch that is defined or turned; ``end`` is the position after that."""

    name: str
    value: bool
    end: int
    is_global: bool = False


def may_turn(word: str) -> bool:
    """Tell whether a command may make or turn a switch."""
    return word in _WORDS or word.endswith(("true", "false"))


def read_switch(source: Text, word: str, at: int, known: Mapping[str, Value]) -> Turned | None:
    r"""Read what turns or makes a switch, from behind the command ``word``.

    The names of ``\newif`` and of packages' booleans begin with ``if``, those of toggles with
    ``toggle`` and a space. Returns None for other commands.
    """
    if not may_turn(word):
        return None
    if word == "global":
        following = _control(source, at)
        if following is None or following[0] == "global":
            return None
        turned = read_switch(source, *following, known)
        return turned._replace(is_global=True) if turned else None
    for suffix, value in (("true", True), ("false", False)):
        name = f"if{word.removesuffix(suffix)}"
        if word.endswith(suffix) and (isinstance(known.get(name), Switch)):
            return Turned(name, value, at)
    if word == "newif":
        following = _control(source, at)
        if following and following[0].startswith("if"):
            return Turned(following[0], False, following[1])
        return None
    return _let(source, at, known) if word == "let" else _boolean(source.text, word, at)


def _let(source: Text, at: int, known: Mapping[str, Value]) -> Turned | None:
    named = _control(source, at)
    if named is None:
        return None
    at = skip_space(source.text, named[1])
    target = _control(source, at + 1 if source.text.startswith("=", at) else at)
    if target is None:
        return None
    switch = known.get(target[0])
    if target[0] in ("iftrue", "iffalse") and target[0] not in known:
        switch = Switch(target[0] == "iftrue")
    return Turned(named[0], switch.value, target[1]) if isinstance(switch, Switch) else None


def _boolean(text: str, word: str, at: int) -> Turned | None:
    prefix = _NEW.get(word) or _SET.get(word) or _TURN.get(word, ("", False))[0]
    name = _NAME.match(text, skip_space(text, at)) if prefix else None
    if name is None:
        return None
    end = name.end()
    value = _TURN.get(word, ("", False))[1]
    if word in _SET:
        truth = _TRUTH.match(text, skip_space(text, end))
        if truth is None:
            return None
        value, end = truth[1].lower() == "true", truth.end()
    return Turned(f"{prefix}{name[1]}", value, end, is_global=word == "setboolean")


def _control(source: Text, at: int) -> tuple[str, int] | None:
    match = CONTROL_SEQUENCE[source.at_letter].match(source.text, skip_space(source.text, at))
    return (match.group()[1:], match.end()) if match else None
