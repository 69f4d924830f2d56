"""A filter that tells files of code from data by the lengths of lines and classes of characters.

LLaMA (arXiv 2302.13971) filters "by heuristics based on the line length, or proportion of
alphanumeric characters". The measures are those of RedPajama's reproduction.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import drop, text_buffers
from transforms.kernels.characters import (
    LETTER,
    OTHER_ALPHANUMERIC,
    SPACE,
    UPPER,
    character_at,
    character_classes,
)

MAX_TOKEN_LETTERS = 6
"""Longest run of letters in one token. A tokenizer of 32,000 pieces has 5 or 6 letters a piece on
code."""


class CodeMeasures(NamedTuple):
    """Counts of characters, lines and tokens for each text."""

    chars: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    line_chars: npt.NDArray[np.int64]  # characters of all lines together, without line ends
    longest_line_chars: npt.NDArray[np.int64]
    letters: npt.NDArray[np.int64]
    alphanumerics: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]


def filter_code(
    batch: pa.RecordBatch,
    *,
    max_longest_line_chars: int,
    max_mean_line_chars: float,
    min_alphanumeric_fraction: float,
    min_letters_per_token: float,
    extensions: list[str],
) -> pa.RecordBatch:
    """Drop files that do not look like code that people write, each for the first reason in order.

    ``other_extension``: the file's name ends in none of ``extensions`` (such as ``.py``, in any
    case) and equals none of them (such as ``Makefile``); an empty list keeps all files.
    ``line_too_long``: a line has more than ``max_longest_line_chars`` characters.
    ``lines_too_long``: lines have more than ``max_mean_line_chars`` characters on average, empty
    lines included. ``few_alphanumerics``: letters and digits are less than
    ``min_alphanumeric_fraction`` of all characters, white space included. ``few_letters``: fewer
    than ``min_letters_per_token`` letters a token, see :func:`measure`.
    """
    if extensions:
        batch = drop(batch, ~_has_extension(batch["metadata"], extensions), "other_extension")
    counts = measure(batch["text"])
    longest = counts.longest_line_chars > max_longest_line_chars
    mean = counts.line_chars / np.maximum(counts.lines, 1) > max_mean_line_chars
    alphanumeric = counts.alphanumerics / np.maximum(counts.chars, 1) < min_alphanumeric_fraction
    letters = counts.letters / np.maximum(counts.tokens, 1) < min_letters_per_token
    batch = drop(batch, longest, "line_too_long")
    batch = drop(batch, mean, "lines_too_long")
    batch = drop(batch, alphanumeric, "few_alphanumerics")
    return drop(batch, letters, "few_letters")


def measure(texts: pa.StringArray) -> CodeMeasures:
    r"""Count characters, lines and tokens of each text.

    Lines end in ``\n``, ``\r\n`` or ``\r``. An end of line at the end of the text begins no further
    line. Letters and alphanumeric characters are those of ``str.isalpha`` and ``str.isalnum``.

    RedPajama's tokens are those of a trained tokenizer. The tokens counted here are about as many,
    and follow rules. A token is a part of a word, a digit, or a run of one other character. A part
    of a word is a run of letters, cut before a capital that follows a small letter, and after every
    :data:`MAX_TOKEN_LETTERS` letters. White space is no token.
    """
    data, offsets = text_buffers(texts)
    return CodeMeasures(*_measure(character_classes(), data, offsets))


def _has_extension(metadata: pa.Array, extensions: list[str]) -> npt.NDArray[np.bool_]:
    suffixes = tuple(entry.lower() for entry in extensions if entry.startswith("."))
    names = frozenset(entry.lower() for entry in extensions)
    paths = [json.loads(text or "{}").get("path") or "" for text in metadata.to_pylist()]
    files = (path.rpartition("/")[2].lower() for path in paths)
    return np.fromiter((file.endswith(suffixes) or file in names for file in files), np.bool_)


@njit(cache=True, nogil=True)
def _measure(classes, data, offsets):  # type: ignore[no-untyped-def]
    n_texts = offsets.size - 1
    chars, lines = np.zeros(n_texts, np.int64), np.zeros(n_texts, np.int64)
    line_chars, longest = np.zeros(n_texts, np.int64), np.zeros(n_texts, np.int64)
    letters, alphanumerics = np.zeros(n_texts, np.int64), np.zeros(n_texts, np.int64)
    tokens = np.zeros(n_texts, np.int64)
    for t in range(n_texts):
        end = offsets[t + 1]
        i = offsets[t]
        before = 0  # the previous character, 0 at the beginning
        class_before = 0
        run = 0  # letters of the current token so far
        line = 0  # characters of the current line so far
        while i < end:
            code, length = character_at(data, i)
            i += length
            chars[t] += 1
            kind = classes[code]
            if code == 10 or code == 13:
                if not (code == 10 and before == 13):
                    lines[t] += 1
                    line_chars[t] += line
                    longest[t] = max(longest[t], line)
                    line = 0
            else:
                line += 1
            if kind & LETTER:
                letters[t] += 1
                alphanumerics[t] += 1
                camel = kind & UPPER and class_before & LETTER and not class_before & UPPER
                if run == 0 or run == MAX_TOKEN_LETTERS or camel:
                    tokens[t] += 1
                    run = 0
                run += 1
            else:
                run = 0
                if kind & OTHER_ALPHANUMERIC:
                    alphanumerics[t] += 1
                    tokens[t] += 1
                elif not kind & SPACE and code != before:
                    tokens[t] += 1
            before, class_before = code, kind
        if line:
            lines[t] += 1
            line_chars[t] += line
            longest[t] = max(longest[t], line)
    return chars, lines, line_chars, longest, letters, alphanumerics, tokens
