"""Definitions of commands and environments in a LaTeX source, and the reading of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from transforms.latex.arguments import (
    CONTROL_SEQUENCE,
    MAX_ARGUMENT_CHARS,
    Environment,
    Macro,
    Parameter,
    Text,
    read_argument,
    read_option,
    skip_space,
)
from transforms.latex.scan import brace_pairs
from transforms.latex.switches import Switch, Value

_COUNT = re.compile(r"\[[ \t\n]*([0-9])[ \t\n]*\]")
# Commands that read tokens after the call or that build names. A macro whose body has one cannot be
# expanded as text.
_PROGRAMS = re.compile(
    r"\\(?:futurelet|@startsection|expandafter|csname|catcode|afterassignment|aftergroup|@testopt"
    r"|@dblarg|@xp|loop|read|string|meaning|lowercase|@for|@whilenum|mathpalette|@namedef|@nameuse|scantokens"
    r"|@sect|secdef|@ifundefined|the)(?![A-Za-z@])"
)
_STRUCTURE_NAMES = (
    "part chapter section subsection subsubsection paragraph subparagraph begin end documentclass"
    " documentstyle usepackage title author date maketitle abstract appendix bibliography"
    " bibliographystyle printbibliography bibitem item caption label newcommand renewcommand"
    " providecommand def let par relax fi else verb url href"
    " path nolinkurl lstinline mintinline"
)
_STRUCTURE = frozenset(_STRUCTURE_NAMES.split())
_ENVIRONMENT_NAMES = (
    "document abstract thebibliography figure table equation itemize enumerate verbatim"
)
_STRUCTURAL_ENVIRONMENTS = frozenset(_ENVIRONMENT_NAMES.split())
_UNDEFINED = frozenset(("relax", "undefined", "@undefined", "par"))
_FROZEN_NEVER = re.compile(r"(?:if|else\Z|fi\Z|begingroup\Z|endgroup\Z|bgroup\Z|egroup\Z)")

_LATEX_DEFINERS = (
    "newcommand renewcommand providecommand DeclareRobustCommand newrobustcmd renewrobustcmd"
    " providerobustcmd"
)
_COMMANDS = frozenset(_LATEX_DEFINERS.split())
MAX_PREFIXES = 8
"""Most prefixes of one definition, such as ``\\long``. TeX has four, which may be repeated."""

_PREFIXES = frozenset(("global", "long", "protected", "outer"))
_OTHER_DEFINERS = (
    "global long protected outer def gdef edef xdef let DeclareMathOperator newenvironment"
    " renewenvironment provideenvironment DeclarePairedDelimiter"
)
_XPARSE_VERBS = ("New", "Renew", "Provide", "Declare")
_XPARSE = frozenset(
    f"{verb}{kind}DocumentCommand" for verb in _XPARSE_VERBS for kind in ("", "Expandable")
)
_XPARSE_ENVIRONMENTS = frozenset(f"{verb}DocumentEnvironment" for verb in _XPARSE_VERBS)
DEFINERS = _COMMANDS | _XPARSE | _XPARSE_ENVIRONMENTS | set(_OTHER_DEFINERS.split())


class Definition(NamedTuple):
    """A definition. ``value`` is None where calls of the name are left as they are.

    ``name`` is the name of a command, without its backslash, or of an environment, in braces.
    """

    name: str
    value: Macro | Environment | None
    end: int  # position after the definition
    is_global: bool = False
    only_new: bool = False  # whether an existing definition of the name wins


def _name(source: Text, at: int) -> tuple[str, int] | None:
    """Read the name of a command, in braces or not; return it and the position after it."""
    text = source.text
    at = skip_space(text, at)
    braced = text.startswith("{", at)
    if braced:
        at = skip_space(text, at + 1)
    control = CONTROL_SEQUENCE[source.at_letter].match(text, at)
    if control is None:
        return None
    at = control.end()
    if braced:
        at = skip_space(text, at)
        if not text.startswith("}", at):
            return None
        at += 1
    return control.group()[1:], at


def read_definition(
    source: Text, word: str, at: int, known: Mapping[str, Value]
) -> Definition | None:
    """Read the definition that the command ``word`` begins. ``at`` is the position after the word.

    Returns None where no definition follows, or one that is not understood. ``known`` are the
    macros and environments defined so far.
    """
    is_global = False
    for _ in range(MAX_PREFIXES):
        if word not in _PREFIXES:
            break
        is_global |= word == "global"
        at = skip_space(source.text, at)
        control = CONTROL_SEQUENCE[source.at_letter].match(source.text, at)
        if control is None:
            return None
        word, at = control.group()[1:], control.end()
    definition = _without_prefix(source, word, at, known)
    return definition._replace(is_global=True) if definition and is_global else definition


def _without_prefix(
    source: Text, word: str, at: int, known: Mapping[str, Value]
) -> Definition | None:
    if word in _COMMANDS:
        return _command(source, word, at)
    if word in ("def", "gdef", "edef", "xdef"):
        return _primitive(source, word, at)
    if word == "let":
        return _let(source, at, known)
    if word == "DeclareMathOperator":
        return _operator(source, at)
    if word in ("newenvironment", "renewenvironment", "provideenvironment"):
        return _environment(source, at)
    if word in _XPARSE:
        return _document_command(source, word, at)
    if word in _XPARSE_ENVIRONMENTS:
        return _document_environment(source, at)
    return _paired_delimiter(source, at) if word == "DeclarePairedDelimiter" else None


def _defined(name: str, macro: Macro, end: int) -> Definition:
    understood = name not in _STRUCTURE and not _PROGRAMS.search(macro.body)
    return Definition(name, macro if understood else None, end)


def _signature(source: Text, at: int) -> tuple[tuple[Parameter, ...], int] | None:
    """Read LaTeX's signature: the number of parameters, and the default of the first."""
    at = skip_space(source.text, at)
    count = _COUNT.match(source.text, at)
    if count is None:
        return ((), at)
    at = count.end()
    parameters = [Parameter("mandatory")] * int(count[1])
    default = read_option(source, at)
    if default and parameters:
        parameters[0] = Parameter("optional", default[0])
        at = default[1]
    return tuple(parameters), at


def _command(source: Text, word: str, at: int) -> Definition | None:
    at = skip_space(source.text, at)
    if source.text.startswith("*", at):
        at += 1
    named = _name(source, at)
    signature = _signature(source, named[1]) if named else None
    body = read_argument(source, signature[1]) if signature else None
    if not (named and signature and body):
        return None
    definition = _defined(named[0], Macro(signature[0], body[0], source.at_letter), body[1])
    return definition._replace(only_new=word.startswith("provide"))


def _primitive(source: Text, word: str, at: int) -> Definition | None:
    text = source.text
    at = skip_space(text, at)
    control = CONTROL_SEQUENCE[source.at_letter].match(text, at)
    if control is None:
        return None
    name, at = control.group()[1:], control.end()
    if name[0].isalpha() or name[0] == "@":
        at = skip_space(text, at)
    opening = text.find("{", at, at + MAX_ARGUMENT_CHARS)
    end = source.pairs.get(opening)
    if end is None:
        return None
    pieces = re.split(r"#([1-9])", text[at:opening])
    numbers, delimiters = pieces[1::2], pieces[2::2]
    is_global = word in ("gdef", "xdef")
    if (
        word in ("edef", "xdef")
        or numbers != [str(index + 1) for index in range(len(numbers))]
        or any("#" in piece or "}" in piece for piece in pieces)
    ):
        return Definition(name, None, end + 1, is_global)
    parameters = tuple(
        Parameter("delimited", delimiter) if delimiter else Parameter("mandatory")
        for delimiter in delimiters
    )
    body = text[opening + 1 : end]
    macro = Macro(parameters, body, source.at_letter, prefix=pieces[0])
    return _defined(name, macro, end + 1)._replace(is_global=is_global)


def _let(source: Text, at: int, known: Mapping[str, Value]) -> Definition | None:
    text = source.text
    control = CONTROL_SEQUENCE[source.at_letter].match(text, skip_space(text, at))
    if control is None:
        return None
    name = control.group()[1:]
    at = skip_space(text, control.end())
    if text.startswith("=", at):
        at = skip_space(text, at + 1)
    target = CONTROL_SEQUENCE[source.at_letter].match(text, at)
    if target is None:
        character = text[at : at + 1]
        if not character or character in "{}#%~$^_&\n":
            return Definition(name, None, at + 1) if character else None
        return _defined(name, Macro((), character, source.at_letter), at + 1)
    meaning, end = target.group()[1:], target.end()
    while meaning[0].isalpha() and text[end : end + 1] in (" ", "\t"):
        end += 1
    value = known.get(meaning)
    assert not isinstance(value, Environment)
    macro = None if isinstance(value, Switch) else value
    if macro is None and meaning not in known:
        if meaning in ("empty", "@empty"):
            macro = Macro((), "", source.at_letter)
        elif meaning not in _UNDEFINED and not _FROZEN_NEVER.match(meaning):
            macro = Macro((), target.group(), source.at_letter, frozen=True)
    return Definition(name, None if macro is None or name in _STRUCTURE else macro, end)


def _operator(source: Text, at: int) -> Definition | None:
    at = skip_space(source.text, at)
    star = "*" if source.text.startswith("*", at) else ""
    named = _name(source, at + len(star))
    body = read_argument(source, named[1]) if named else None
    if not (named and body):
        return None
    text = f"\\operatorname{star}{{{body[0]}}}"
    return _defined(named[0], Macro((), text, source.at_letter), body[1])


def _environment(source: Text, at: int) -> Definition | None:
    at = skip_space(source.text, at)
    if source.text.startswith("*", at):
        at += 1
    name = read_argument(source, at)
    signature = _signature(source, name[1]) if name else None
    begin = read_argument(source, signature[1]) if signature else None
    end = read_argument(source, begin[1]) if begin else None
    if not (name and signature and begin and end):
        return None
    begin_macro = Macro(signature[0], begin[0], source.at_letter)
    return _defined_environment(name[0], begin_macro, end[0], end[1])


def _document_environment(source: Text, at: int) -> Definition | None:
    name = read_argument(source, at)
    signature = read_argument(source, name[1]) if name else None
    begin = read_argument(source, signature[1]) if signature else None
    end = read_argument(source, begin[1]) if begin else None
    if not (name and signature and begin and end):
        return None
    parameters = _xparse_parameters(signature[0])
    if parameters is None:
        return Definition(f"{{{name[0]}}}", None, end[1])
    macro = Macro(parameters, begin[0].strip(" \n"), source.at_letter, tests_arguments=True)
    return _defined_environment(name[0], macro, end[0], end[1])


def _defined_environment(name: str, begin: Macro, end_body: str, end: int) -> Definition:
    understood = name not in _STRUCTURAL_ENVIRONMENTS and not (
        _PROGRAMS.search(begin.body) or _PROGRAMS.search(end_body)
    )
    # In xparse's environments the end may use the arguments, too.
    end_macro = begin._replace(body=end_body)
    return Definition(f"{{{name}}}", Environment(begin, end_macro) if understood else None, end)


def _document_command(source: Text, word: str, at: int) -> Definition | None:
    named = _name(source, at)
    signature = read_argument(source, named[1]) if named else None
    body = read_argument(source, signature[1]) if signature else None
    if not (named and signature and body):
        return None
    parameters = _xparse_parameters(signature[0])
    if parameters is None:
        return Definition(named[0], None, body[1])
    macro = Macro(parameters, body[0].strip(" \n"), source.at_letter, tests_arguments=True)
    return _defined(named[0], macro, body[1])._replace(only_new=word.startswith("Provide"))


def _xparse_parameters(signature: str) -> tuple[Parameter, ...] | None:
    parameters: list[Parameter] = []
    source = Text(signature, brace_pairs(signature), False)
    at = 0
    while (at := skip_space(signature, at)) < len(signature):
        letter = signature[at]
        at += 1
        if letter == "m":
            parameters.append(Parameter("mandatory"))
        elif letter == "o":
            parameters.append(Parameter("optional"))
        elif letter == "s":
            parameters.append(Parameter("star"))
        elif letter == "O" and (default := read_argument(source, at)):
            parameters.append(Parameter("optional", default[0]))
            at = default[1]
        elif letter not in "+!":
            return None
    return tuple(parameters)


def _paired_delimiter(source: Text, at: int) -> Definition | None:
    """Read mathtools' ``\\DeclarePairedDelimiter``. Its command may have a star or a size."""
    named = _name(source, at)
    left = read_argument(source, named[1]) if named else None
    right = read_argument(source, left[1]) if left else None
    if not (named and left and right):
        return None
    body = (
        rf"\IfBooleanTF{{#1}}{{\left{left[0]} #3 \right{right[0]}}}"
        rf"{{\IfValueTF{{#2}}{{\mathopen{{#2{left[0]}}}#3\mathclose{{#2{right[0]}}}}}"
        rf"{{{left[0]} #3 {right[0]}}}}}"
    )
    parameters = (Parameter("star"), Parameter("optional"), Parameter("mandatory"))
    macro = Macro(parameters, body, source.at_letter, tests_arguments=True)
    return _defined(named[0], macro, right[1])
