"""Words of languages that are written without white space between words.

A library finds them, with its dictionary, as in FineWeb-2: for Chinese rjieba (jieba's algorithm),
for Japanese SudachiPy with its short words, for Thai PyThaiNLP's maximal matching. They are extras:
``pip install '.[segmentation]'``. What comes out is the text with spaces between its words, which
rules and shingles then take as they take text in other languages. Texts go through the libraries
one by one, in Python.
"""

from __future__ import annotations

import importlib.util
import os
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

import pyarrow as pa

from transforms.kernels.words import Words

Segmented = Literal["chinese", "japanese", "thai"]
"""A language that has a segmenter."""

MAX_PIECE_CHARS = 1_000
"""Most characters that are given to a library at a time. SudachiPy refuses more than 49,149 bytes,
and PyThaiNLP's time grows with the square of a line without words."""


class Segmenter(NamedTuple):
    """What finds the words of a language."""

    modules: tuple[str, ...]  # that must be installed
    cut: Callable[[], Callable[[str], list[str]]]  # makes a function from a text to its words


def _chinese() -> Callable[[str], list[str]]:
    import rjieba

    cut: Callable[[str], list[str]] = rjieba.cut
    return cut


def _japanese() -> Callable[[str], list[str]]:
    from sudachipy import Dictionary, SplitMode

    tokenizer = Dictionary(dict="small").create(SplitMode.A)
    return lambda text: [word.surface() for word in tokenizer.tokenize(text)]


def _thai() -> Callable[[str], list[str]]:
    # Its import would make a folder in the home, which a worker need not have.
    os.environ.setdefault("PYTHAINLP_READ_ONLY", "1")
    from pythainlp.tokenize import word_tokenize

    return lambda text: list(word_tokenize(text, engine="newmm-safe"))


SEGMENTERS: Mapping[str, Segmenter] = {
    "chinese": Segmenter(("rjieba",), _chinese),
    "japanese": Segmenter(("sudachipy", "sudachidict_small"), _japanese),
    "thai": Segmenter(("pythainlp",), _thai),
}


def check_segmenter(name: str) -> None:
    """Raise ValueError where there is no such segmenter, or its library is not installed."""
    if name not in SEGMENTERS:
        raise ValueError(f"{name!r} is none of {', '.join(SEGMENTERS)}")
    for module in SEGMENTERS[name].modules:
        if importlib.util.find_spec(module) is None:
            raise ValueError(
                f"{module}, which finds the words of {name}, is not installed; run pip install "
                "'.[segmentation]'"
            )


def check_words(words: str) -> None:
    """Raise ValueError where the parameter ``words`` of a rule is unknown, or needs a library."""
    if words not in typing.get_args(Words):
        raise ValueError(f"words: {words!r} is none of {', '.join(typing.get_args(Words))}")
    if words in SEGMENTERS:
        check_segmenter(words)


def divided(texts: pa.StringArray, words: Words) -> pa.StringArray:
    """Return texts in which the words of a rule are divided: as they are, or segmented."""
    return segmented(texts, words) if words in SEGMENTERS else texts


def segmented(texts: pa.StringArray, language: str) -> pa.StringArray:
    """Return texts with spaces between the words of a language."""
    cut = _cutter(language)
    return pa.array([_spaced(text, cut) for text in texts.to_pylist()], pa.string())


@cache
def _cutter(language: str) -> Callable[[str], list[str]]:
    """Return a segmenter, whose dictionary is read once a process."""
    return SEGMENTERS[language].cut()


def _spaced(text: str, cut: Callable[[str], list[str]]) -> str:
    return "\n".join(_spaced_line(line, cut) for line in text.split("\n"))


def _spaced_line(line: str, cut: Callable[[str], list[str]]) -> str:
    """Put a space where two words meet, unless both are punctuation there or one is white space."""
    parts: list[str] = []
    before = " "
    for start in range(0, len(line), MAX_PIECE_CHARS):
        for word in filter(None, cut(line[start : start + MAX_PIECE_CHARS])):
            first = word[0]
            is_apart = before.isspace() or first.isspace()
            if not is_apart and (before.isalnum() or first.isalnum()):
                parts.append(" ")
            parts.append(word)
            before = word[-1]
    return "".join(parts)
