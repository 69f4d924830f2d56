"""CCNet's two normalisers of text, as tables over code points that kernels apply to UTF-8 bytes.

Both follow ``text_normalizer.py`` of CCNet's published code (arXiv 1911.00359). The *hash*
normaliser makes the form in which lines are compared. It strips the line, makes it lower case,
replaces every decimal digit by 0, and drops CCNet's Unicode punctuation and non-printing
characters. The *language model* normaliser makes the form that is scored. It also removes accents,
and maps that punctuation to ASCII.

Almost all of this works on one character at a time, so one look-up in a table of code points does
it all. There are two exceptions. The lower case of capital sigma depends on its neighbours. Kept
marks with a combining class (of Javanese and Balinese, for instance) may change places. The table
marks these characters, and a text that has one is normalised in plain Python.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from transforms.documents import text_buffers, texts_from_buffers
from transforms.kernels.characters import character_at, white_space
from transforms.kernels.hashing import load_u64, store_u64

PUNCTUATION = {
    "\uff0c": ",",
    "\u3002": ".",
    "\u3001": ",",
    "\u201e": '"',
    "\u201d": '"',
    "\u201c": '"',
    "\u00ab": '"',
    "\u00bb": '"',
    "\uff11": '"',  # the fullwidth digit 1, as CCNet has it; digits are replaced before
    "\u300d": '"',
    "\u300c": '"',
    "\u300a": '"',
    "\u300b": '"',
    "\u00b4": "'",
    "\u2236": ":",
    "\uff1a": ":",
    "\uff1f": "?",
    "\uff01": "!",
    "\uff08": "(",
    "\uff09": ")",
    "\uff1b": ";",
    "\u2013": "-",
    "\u2014": " - ",
    "\uff0e": ". ",
    "\uff5e": "~",
    "\u2019": "'",
    "\u2026": "...",
    "\u2501": "-",
    "\u3008": "<",
    "\u3009": ">",
    "\u3010": "[",
    "\u3011": "]",
    "\uff05": "%",
    "\u25ba": "-",
}
"""CCNet's Unicode punctuation, with what the language model normaliser replaces it by."""

_NON_PRINTING = frozenset(map(chr, [*range(32), *range(127, 160)]))
_DIGIT = re.compile(r"\d")
_HASH_DROPPED = dict.fromkeys(map(ord, [*PUNCTUATION, *_NON_PRINTING]))
_LM_REPLACED = str.maketrans({**dict.fromkeys(_NON_PRINTING, ""), **PUNCTUATION})

_SPECIAL = np.uint32(0xFFFFFFFF)
"""Entry of a code point whose text has to be normalised in plain Python."""

_HIGH_BITS = np.uint64(0x8080808080808080)
_ONES = np.uint64(0x0101010101010101)


class Normaliser(NamedTuple):
    """The table of a normaliser, by code point."""

    forms: npt.NDArray[np.uint32]  # start << 8 | length in replacements; 0: unchanged
    replacements: npt.NDArray[np.uint8]  # UTF-8 of all replacements, one after the other
    spaces: npt.NDArray[np.bool_]  # what str.strip removes, up to the last such code point
    growth: int  # longest result of a text, in multiples of the text's bytes


def normalise_line_plain(line: str) -> str:
    """Return the hash normaliser's form of a line, in plain Python."""
    return _DIGIT.sub("0", line.strip().lower()).translate(_HASH_DROPPED)


def normalise_document_plain(text: str) -> str:
    """Return the language model normaliser's form of a text, in plain Python."""
    decomposed = unicodedata.normalize("NFD", text.strip().lower())
    bare = "".join(point for point in decomposed if unicodedata.category(point) != "Mn")
    return _DIGIT.sub("0", bare).translate(_LM_REPLACED)


@cache
def hash_normaliser() -> Normaliser:
    """Return the hash normaliser's table, made once a process."""
    return _table(normalise_line_plain, lambda character: character == "Σ")


@cache
def lm_normaliser() -> Normaliser:
    """Return the language model normaliser's table, made once a process."""

    def is_special(character: str) -> bool:
        return character == "Σ" or any(
            unicodedata.combining(mark) and unicodedata.category(mark) != "Mn"
            for mark in unicodedata.normalize("NFD", character.lower())
        )

    return _table(normalise_document_plain, is_special)


@cache
def _candidates() -> list[str]:
    """Return all characters that either normaliser may change, and some that neither does."""
    # Of the planes from 4 on, that of tags and variants alone has characters with a category.
    points = np.r_[:0xD800, 0xE000:0x40000, 0xE0000:0xE1000].astype("<u4")
    everything = points.tobytes().decode("utf-32-le")
    categories = list(map(unicodedata.category, everything))
    # Nl and So: some numbers and symbols (Roman, in circles) have a lower case, as letters do.
    kinds = {"Lu", "Lt", "Nl", "So", "Mn", "Mc", "Me", "Nd", "Cc", "Zs", "Zl", "Zp"}
    pairs = zip(everything, categories, strict=True)
    changed = {character for character, kind in pairs if kind in kinds}
    changed.update(filter(unicodedata.decomposition, everything))
    changed.update(map(chr, range(0xAC00, 0xD7A4)))  # Hangul decomposes by rule, not by table
    changed.update(PUNCTUATION)
    return sorted(changed)


def _table(normalise: Callable[[str], str], is_special: Callable[[str], bool]) -> Normaliser:
    forms = np.zeros(0x110000, np.uint32)
    replacements = bytearray(b"\0")
    growth = 1
    # Between letters, because the normalisers strip white space at the edges; all at once, which
    # is faster, with a code point between two that neither normaliser changes.
    between = f"a{chr(0x10FFFF)}a"
    normalised = normalise(f"a{between.join(_candidates())}a")[1:-1].split(between)
    for character, form in zip(_candidates(), normalised, strict=True):
        point = ord(character)
        if is_special(character):
            forms[point] = _SPECIAL
        elif form != character:
            encoded = form.encode()
            forms[point] = len(replacements) << 8 | len(encoded)
            replacements += encoded
            growth = max(growth, -(-len(encoded) // len(character.encode())))
    return Normaliser(forms, np.frombuffer(bytes(replacements), np.uint8), white_space(), growth)


@njit(cache=True, nogil=True)
def stripped(spaces, data, start, end):  # type: ignore[no-untyped-def]
    """Return ``start`` and ``end`` without the white space that ``str.strip`` would remove."""
    while start < end:
        point, length = character_at(data, start)
        if point >= spaces.size or not spaces[point]:
            break
        start += length
    while start < end:
        last = end - 1
        while data[last] & 0xC0 == 0x80:
            last -= 1
        point, _ = character_at(data, last)
        if point >= spaces.size or not spaces[point]:
            break
        end = last
    return start, end


@njit(cache=True, nogil=True, inline="always")
def _at_least(word, byte):  # type: ignore[no-untyped-def]
    """Set the high bit of each of a word's eight ASCII bytes that is ``byte`` or more."""
    return (word + _ONES * np.uint64(0x80 - byte)) & _HIGH_BITS


@njit(cache=True, nogil=True)
def normalise_into(table, data, start, end, out, at):  # type: ignore[no-untyped-def]
    """Write the normal form of the UTF-8 text ``data[start:end]`` to ``out`` from ``at`` on.

    Returns the end of what was written, or -1 where the text must be normalised in plain Python.
    From ``at`` on, ``out`` must have room for ``table.growth`` times the text's bytes, and 8 more.
    """
    forms, replacements = table.forms, table.replacements
    i, end = stripped(table.spaces, data, start, end)
    while i < end:
        if i + 8 <= end:
            word = load_u64(data, i)
            # Eight printable ASCII characters at once: the same for both normalisers.
            if (
                word & _HIGH_BITS == np.uint64(0)
                and _at_least(word, 0x20) == _HIGH_BITS
                and _at_least(word, 0x7F) == np.uint64(0)
            ):
                capitals = _at_least(word, 0x41) & ~_at_least(word, 0x5B)
                digits = _at_least(word, 0x30) & ~_at_least(word, 0x3A)
                word |= capitals >> np.uint64(2)
                word &= ~((digits >> np.uint64(7)) * np.uint64(0x0F))
                store_u64(out, at, word)
                i += 8
                at += 8
                continue
        point, length = character_at(data, i)
        form = forms[point]
        if form == 0:
            for k in range(length):
                out[at + k] = data[i + k]
            at += length
        elif form == _SPECIAL:
            return -1
        else:
            first = np.int64(form >> 8)
            form_length = np.int64(form & 0xFF)
            for k in range(form_length):
                out[at + k] = replacements[first + k]
            at += form_length
        i += length
    return at


@njit(cache=True, nogil=True)
def _normalise_texts(table, data, offsets, out):  # type: ignore[no-untyped-def]
    n_texts = offsets.size - 1
    out_offsets = np.zeros(n_texts + 1, np.int64)
    special = np.zeros(n_texts, np.bool_)
    at = 0
    for t in range(n_texts):
        reached = normalise_into(table, data, offsets[t], offsets[t + 1], out, at)
        if reached < 0:
            special[t] = True
        else:
            at = reached
        out_offsets[t + 1] = at
    return out_offsets, special


def normalise_for_lm(texts: pa.StringArray) -> pa.StringArray:
    """Normalise whole documents for CCNet's language model (see the module's description).

    The result equals that of :func:`normalise_document_plain`. Nulls become empty texts.
    """
    table = lm_normaliser()
    data, offsets = text_buffers(texts)
    # The part of this array that is never written to takes no memory.
    out = np.empty((offsets[-1] - offsets[0]) * table.growth + 8, np.uint8)
    out_offsets, special = _normalise_texts(table, data, offsets, out)
    made = texts_from_buffers(out[: out_offsets[-1]], out_offsets)
    if not special.any():
        return made
    mask = pa.array(special)
    plain = [normalise_document_plain(text) for text in texts.filter(mask).to_pylist()]
    return pc.replace_with_mask(made, mask, pa.array(plain, pa.string()))
