"""Evaluation sets in files: reading their items, and an index of the items' n-grams.

A file is read as :mod:`transforms.web.text_lists` reads lines. A name that ends in ``.jsonl``,
``.ndjson`` or ``.json`` (before ``.gz``) means JSON lines, with one object a line. Every string of
the object, or of its named fields, is an item by itself, at any depth. A file of another name is
text, with one item a line, which may begin with ``#``.

Words are those of GPT-3's appendix C (arXiv 2005.14165): lower case, split at white space, without
punctuation. Symbols and unprinted characters are removed like punctuation. Accents do not count, as
in near-duplicates, so composed and decomposed letters are equal; ligatures, full width and other
compatibility forms are those that they stand for (Unicode's NFKD). In scripts without spaces every
character is a word.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.dedup.shingles import (
    ALONE,
    PASSED_OVER,
    SEVERAL,
    Hashes,
    is_word_alone,
    word_hashes,
)
from transforms.documents import text_buffers
from transforms.kernels.characters import (
    PUNCTUATION,
    SPACE,
    UNPRINTED,
    character_classes,
)
from transforms.kernels.hashing import BASE, mix
from transforms.web.text_lists import lines_of_file

_FILTER_BITS_PER_N_GRAM = 16
_ACCENTS = [*range(0x300, 0x370), 0x3099, 0x309A]
"""Code points that accents are, and the marks of voice in Japanese, where they stand apart."""


class Item(NamedTuple):
    """A text of an evaluation set, with its file and line."""

    file: str
    line: int  # counted from 1
    text: str


class EvaluationIndex(NamedTuple):
    """An index of the n-grams of evaluation sets.

    ``filter`` has 2**k bits. The bits that the top k bits of the hashes number are set, so most
    look-ups of other hashes end there.
    """

    items: tuple[Item, ...]
    n_gram_words: npt.NDArray[np.int64]  # the different lengths of n-grams in words, descending
    hashes: Hashes  # hashes of all n-grams, ascending; equal ones in the order of their items
    owners: npt.NDArray[np.int64]  # the item of each hash
    filter: npt.NDArray[np.uint8]
    filter_shift: int  # 64 - k


@cache
def load_evaluation_sets(
    files: tuple[str, ...], fields: tuple[str, ...], n_gram_words: int, min_item_words: int
) -> EvaluationIndex:
    """Read evaluation sets and index their n-grams, once a process.

    An item of at least ``n_gram_words`` words gives all its n-grams of that size. A shorter item of
    at least ``min_item_words`` words is one n-gram as a whole. Items that are shorter still are
    ignored. ``fields`` are the fields of JSON lines that hold items; without any, every string is
    an item. Raises ValueError, with file and line, for text that is not UTF-8 and for lines that
    are not JSON objects. Raises it, too, for files in which no line has one of the fields, and for
    files without an item that is long enough.
    """
    items = [item for file in files for item in read_items(file, fields)]
    texts = pa.array([item.text for item in items])
    words, offsets = word_hashes(*folds(), *text_buffers(texts))
    sizes = np.diff(offsets)
    longest = dict.fromkeys(files, 0)
    for item, size in zip(items, sizes.tolist(), strict=True):
        longest[item.file] = max(longest[item.file], size)
    for file, size in longest.items():
        if size < min_item_words:
            raise ValueError(
                f"{file}: its longest item has {size} words, and those of fewer than "
                f"{min_item_words} (min_item_words) are ignored"
            )
    lengths = np.where(sizes < min_item_words, 0, np.minimum(sizes, n_gram_words))
    hashes, owners = n_gram_hashes(words, offsets, lengths)
    order = np.argsort(hashes, kind="stable")
    different_lengths = np.unique(lengths[lengths > 0])[::-1].copy()
    return EvaluationIndex(
        tuple(items), different_lengths, hashes[order], owners[order], *_filter_of(hashes)
    )


def read_items(file: str, fields: Sequence[str]) -> Iterator[Item]:
    """Yield the items of a file. Raises ValueError as :func:`load_evaluation_sets` does."""
    is_json = file.removesuffix(".gz").endswith((".jsonl", ".ndjson", ".json"))
    has_field = not fields
    for number, text in lines_of_file(file):
        where = f"{file}, line {number}"
        if not is_json:
            yield Item(file, number, text)
            continue
        try:
            values = json.loads(text, parse_int=lambda _: None)  # of any length
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: not JSON: {error}; JSON lines are wanted") from None
        if not isinstance(values, dict):
            raise ValueError(f"{where}: expected a JSON object, found {text[:40]!r}")
        named = [values[name] for name in fields if name in values] if fields else [values]
        has_field |= bool(named)
        for string in _strings(named):
            yield Item(file, number, string.encode("utf-8", "replace").decode())
    if is_json and not has_field:
        raise ValueError(f"{file}: no line has one of the fields {', '.join(fields)}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


class Folds(NamedTuple):
    """What every code point is compared as: tables for ``shingles.word_hashes``."""

    table: npt.NDArray[np.uint32]
    several: npt.NDArray[np.uint32]


@cache
def folds() -> Folds:
    """Return the tables of code points for ``shingles.word_hashes``, made once a process."""
    classes = character_classes()
    table = np.arange(len(classes), dtype=np.uint32)
    left_out = classes & (PUNCTUATION | UNPRINTED) != 0
    left_out[_ACCENTS] = True
    rows: list[list[int]] = []
    for point in np.flatnonzero(~left_out & (classes & SPACE == 0)).tolist():
        parts = [part for part in map(ord, _compared(chr(point))) if not left_out[part]]
        if len(parts) == 1:
            table[point] = parts[0] | (int(ALONE) if is_word_alone(parts[0]) else 0)
        elif is_word_alone(point):
            table[point] = point | int(ALONE)
        elif parts:
            table[point] = int(SEVERAL) | len(rows)
            rows.append(parts)
        else:
            table[point] = PASSED_OVER
    table[left_out] = PASSED_OVER
    table[classes & SPACE != 0] = 0
    several = np.zeros((len(rows), max(map(len, rows))), np.uint32)
    for row, parts in zip(several, rows, strict=True):
        row[: len(parts)] = parts
    return Folds(table, several)


def _compared(character: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())


class _Translation(dict[int, str]):
    """The tables of :func:`folds` in the form for ``str.translate``, filled on demand."""

    def __missing__(self, point: int) -> str:
        table, several = folds()
        fold = int(table[point])
        if fold == 0:
            form = " "
        elif fold == PASSED_OVER:
            form = ""
        elif fold & ALONE:
            form = f" {chr(fold & ~int(ALONE))} "
        elif fold & SEVERAL:
            form = "".join(chr(part) for part in several[fold & ~int(SEVERAL)] if part)
        else:
            form = chr(fold)
        self[point] = form
        return form


_TRANSLATION = _Translation()


def words_of(text: str) -> list[str]:
    """Return the words of a text in the form that is compared."""
    return text.translate(_TRANSLATION).split()


def _filter_of(hashes: Hashes) -> tuple[npt.NDArray[np.uint8], int]:
    bits = max((len(hashes) * _FILTER_BITS_PER_N_GRAM).bit_length(), 3)
    is_there = np.zeros(1 << bits, np.bool_)
    is_there[hashes >> np.uint64(64 - bits)] = True
    return np.packbits(is_there, bitorder="little"), 64 - bits


@njit(cache=True, nogil=True, inline="always")
def n_gram_hash(state, length):  # type: ignore[no-untyped-def]
    """Return the hash of an n-gram of ``length`` words from the polynomial of the words' hashes."""
    return mix(state + np.uint64(length))


@njit(cache=True, nogil=True)
def n_gram_hashes(words, offsets, lengths):  # type: ignore[no-untyped-def]
    """Return the hashes of all items' n-grams, and the item of each hash.

    ``lengths`` has the size of each item's n-grams in words, 0 for an ignored item.
    """
    n_hashes = 0
    for t in range(lengths.size):
        if lengths[t]:
            n_hashes += offsets[t + 1] - offsets[t] - lengths[t] + 1
    hashes, owners = np.empty(n_hashes, np.uint64), np.empty(n_hashes, np.int64)
    at = 0
    for t in range(lengths.size):
        if lengths[t]:
            for i in range(offsets[t], offsets[t + 1] - lengths[t] + 1):
                state = np.uint64(0)
                for k in range(lengths[t]):
                    state = state * BASE + words[i + k]
                hashes[at], owners[at] = n_gram_hash(state, lengths[t]), t
                at += 1
    return hashes, owners
