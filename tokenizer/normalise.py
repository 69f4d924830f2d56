"""SentencePiece's normaliser, applied to a batch of texts.

It follows ``Normalizer::Normalize`` of SentencePiece. At every position the longest matching rule
of the model's compiled character map is applied. Extra white space is removed if the model asks for
it, and a dummy space is put before the text. The model holds the rules as a double array
(darts-clone) and a block of NUL-terminated replacements.

SentencePiece writes spaces as U+2581, so its pieces cannot tell a literal U+2581 from a space. Here
both become a space, which is one byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.model_file import ModelFile

SPACE = 0x20
MARK_0, MARK_1, MARK_2 = 0xE2, 0x96, 0x81  # U+2581 in UTF-8


class NormaliserRules(NamedTuple):
    """A model's normaliser, as arrays for the kernel."""

    trie: npt.NDArray[np.uint32]  # darts-clone units; empty without a character map
    replacements: npt.NDArray[np.uint8]  # NUL-terminated strings
    plain: npt.NDArray[np.bool_]  # [first, second]: no rule changes byte first before byte second
    max_replacement_bytes: int
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool


def normaliser_rules(model: ModelFile) -> NormaliserRules:
    """Return a model's normaliser. Raises ValueError where its character map is damaged."""
    trie, replacements = np.zeros(0, np.uint32), np.zeros(0, np.uint8)
    plain = np.zeros((128, 256), np.bool_)
    longest = 4
    if model.charsmap:
        n_bytes = int.from_bytes(model.charsmap[:4], "little")
        strings = model.charsmap[4 + n_bytes :]
        if n_bytes % 4 or not strings.endswith(b"\0"):
            raise ValueError("a SentencePiece model with a damaged character map")
        trie = np.frombuffer(model.charsmap[4 : 4 + n_bytes], "<u4").astype(np.uint32)
        replacements = np.frombuffer(strings, np.uint8)
        longest = max(longest, *map(len, strings.split(b"\0")))
        _find_plain(trie, plain)
    else:
        plain[:] = True
    return NormaliserRules(
        trie,
        replacements,
        plain,
        longest,
        model.add_dummy_prefix,
        model.remove_extra_whitespaces,
    )


@njit(cache=True, nogil=True)
def _unit_offset(unit):  # type: ignore[no-untyped-def]
    return (unit >> np.uint32(10)) << ((unit & np.uint32(1 << 9)) >> np.uint32(6))


@njit(cache=True, nogil=True)
def _longest_rule(trie, data, start, end):  # type: ignore[no-untyped-def]
    """Return the length in bytes of the longest rule at ``start``, and its replacement's begin.

    The length is 0 where no rule matches.
    """
    length, value = 0, np.int64(0)
    node = _unit_offset(trie[0])
    for i in range(start, end):
        node ^= np.uint32(data[i])
        unit = trie[node]
        if unit & np.uint32(0x800000FF) != np.uint32(data[i]):
            break
        node ^= _unit_offset(unit)
        if (unit >> np.uint32(8)) & np.uint32(1):
            length = i + 1 - start
            value = np.int64(trie[node] & np.uint32(0x7FFFFFFF))
    return length, value


@njit(cache=True, nogil=True)
def _find_plain(trie, plain):  # type: ignore[no-untyped-def]
    pair = np.empty(2, np.uint8)
    root = _unit_offset(trie[0])
    for first in range(128):
        pair[0] = first
        if _longest_rule(trie, pair, 0, 1)[0]:
            continue
        node = root ^ np.uint32(first)
        unit = trie[node]
        if unit & np.uint32(0x800000FF) != np.uint32(first):
            plain[first] = True
            continue
        node ^= _unit_offset(unit)
        for second in range(256):
            at = node ^ np.uint32(second)
            plain[first, second] = at >= trie.size or trie[at] & np.uint32(0x800000FF) != np.uint32(
                second
            )


@njit(cache=True, nogil=True)
def _character_bytes(byte):  # type: ignore[no-untyped-def]
    if byte < 0x80:
        return 1
    if byte < 0xE0:
        return 2
    return 3 if byte < 0xF0 else 4


@njit(cache=True, nogil=True)
def _replacement(trie, replacements, data, start, end):  # type: ignore[no-untyped-def]
    """Return how many bytes are consumed at ``start``, and the edges of their replacement.

    The replacement lies in ``replacements`` if the last value returned is true, else in ``data``.
    """
    if trie.size:
        length, value = _longest_rule(trie, data, start, end)
        if length:
            stop = value
            while replacements[stop]:
                stop += 1
            return length, value, stop, True
    length = min(_character_bytes(data[start]), end - start)
    return length, start, start + length, False


@njit(cache=True, nogil=True)
def _normalise(  # type: ignore[no-untyped-def]
    trie, replacements, plain, longest, dummy, squeeze, data, offsets, first, out, out_offsets
):
    """Normalise the texts from ``first`` on into ``out``.

    Returns the first text that did not fit into ``out``, or the number of texts.
    """
    for text in range(first, offsets.size - 1):
        at, end = offsets[text], offsets[text + 1]
        begin = out_offsets[text]
        to = begin
        while squeeze and at < end:
            length, start, stop, replaced = _replacement(trie, replacements, data, at, end)
            if stop - start != 1 or (replacements[start] if replaced else data[start]) != SPACE:
                break
            at += length
        if at < end and dummy:
            if to >= out.size:
                return text
            out[to] = SPACE
            to += 1
        after_space = squeeze
        while at < end:
            if to + longest > out.size:
                return text
            byte = data[at]
            if byte < 0x80 and plain[byte, data[at + 1] if at + 1 < end else 0]:
                at += 1
                if byte != SPACE:
                    after_space = False
                elif after_space:
                    continue
                else:
                    after_space = squeeze
                out[to] = byte
                to += 1
                continue
            length, start, stop, replaced = _replacement(trie, replacements, data, at, end)
            at += length
            while (
                after_space
                and start < stop
                and (replacements[start] if replaced else data[start]) == SPACE
            ):
                start += 1
            if start == stop:
                continue
            written = to
            while start < stop:
                out[to] = replacements[start] if replaced else data[start]
                to += 1
                start += 1
            after_space = squeeze and out[to - 1] == SPACE
            if out[written] == MARK_0 or to - written > 3:
                to = _marks_to_spaces(out, written, to)
        while squeeze and to > begin and out[to - 1] == SPACE:
            to -= 1
        out_offsets[text + 1] = to
    return offsets.size - 1


@njit(cache=True, nogil=True)
def _marks_to_spaces(out, start, end):  # type: ignore[no-untyped-def]
    to = start
    while start < end:
        byte = out[start]
        if (
            byte == MARK_0
            and start + 2 < end
            and out[start + 1] == MARK_1
            and out[start + 2] == MARK_2
        ):
            byte = np.uint8(SPACE)
            start += 2
        out[to] = byte
        to += 1
        start += 1
    return to


@njit(cache=True, nogil=True)
def _copy(dummy, data, offsets, out, out_offsets):  # type: ignore[no-untyped-def]
    """Normalise texts with a model that only adds the dummy space and changes U+2581."""
    to = 0
    for text in range(offsets.size - 1):
        at, end = offsets[text], offsets[text + 1]
        if dummy and at < end:
            out[to] = SPACE
            to += 1
        begin = to
        has_mark = False
        for i in range(at, end):
            out[to] = data[i]
            has_mark |= data[i] == MARK_0
            to += 1
        if has_mark:
            to = _marks_to_spaces(out, begin, to)
        out_offsets[text + 1] = to


def normalise(
    rules: NormaliserRules, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Normalise texts as SentencePiece does, but with a space for every U+2581.

    ``data`` is valid UTF-8, and text ``i`` is ``data[offsets[i]:offsets[i + 1]]``. The two arrays
    returned have the same form.
    """
    n_texts = len(offsets) - 1
    room = int(offsets[-1] - offsets[0]) + n_texts + rules.max_replacement_bytes
    out, out_offsets = np.empty(room, np.uint8), np.zeros(n_texts + 1, np.int64)
    if not rules.trie.size and not rules.remove_extra_whitespaces:
        _copy(rules.add_dummy_prefix, data, offsets, out, out_offsets)
        return out[: out_offsets[-1]], out_offsets
    done = 0
    while True:
        done = _normalise(*rules, data, offsets, done, out, out_offsets)
        if done == n_texts:
            return out[: out_offsets[-1]], out_offsets
        grown = np.empty(2 * out.size, np.uint8)
        grown[: out_offsets[done]] = out[: out_offsets[done]]
        out = grown
