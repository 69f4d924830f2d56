"""Scores of sentences by KenLM's trie, a batch at a time; :mod:`transforms.kenlm_model` reads it.

A word's n-grams are looked up as KenLM does, from the word itself back through its context, and the
scores added in its order. What is looked up among many siblings is remembered in a cache that
each slot of holds the last one only: most are pairs of words that come again and again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from transforms.kenlm_model import (
    BINS,
    BUCKET_SHIFT,
    BUCKETS,
    ENTRY_BITS,
    FIRST_BIT,
    N_OFFSETS,
    NEXT_BITS,
    OFFSETS,
    LanguageModel,
)
from transforms.xxh64 import load_u64

CACHE_BITS = 16
MANY_SIBLINGS = 16
"""Among so many, a look-up takes longer than the cache does."""

SCANNED = 6
"""A word that is guessed to lie nearer than this is looked for one by one."""

MAX_GUESSES = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SIGN = np.uint64(0x80000000)
_LOW_32 = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


@intrinsic
def _as_float(typingctx, bits):  # type: ignore[no-untyped-def]
    """Take the low 32 bits of a number for a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        low = builder.trunc(arguments[0], ir.IntType(32))
        return builder.bitcast(low, ir.FloatType())

    return types.float32(types.uint64), generate


@intrinsic
def _as_bits(typingctx, number):  # type: ignore[no-untyped-def]
    """Return the bits of a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        low = builder.bitcast(arguments[0], ir.IntType(32))
        return builder.zext(low, ir.IntType(64))

    return types.uint64(types.float32), generate


@njit(cache=True, nogil=True, inline="always")
def _read(data, bit, mask):  # type: ignore[no-untyped-def]
    """Return up to 57 bits from bit number ``bit`` on."""
    return (load_u64(data, bit >> 3) >> np.uint64(bit & 7)) & mask


@njit(cache=True, nogil=True, inline="always")
def _find(data, first_bit, entry_bits, mask, word, density, begin, end):  # type: ignore[no-untyped-def]
    """Return the entry of ``word`` among those from ``begin`` to ``end``, or -1.

    Words are numbered by their hashes, and so lie evenly: from any entry, the distance to the
    word's is guessed by ``density``, the entries a word if all had as many.
    """
    last = end - 1
    at = begin
    if end - begin > SCANNED:
        density *= np.float64(end - begin)
        at += np.int64(np.float64(word) * density)
        for _ in range(MAX_GUESSES):
            at = min(max(at, begin), last)
            step = np.int64(
                np.float64(word - np.int64(_read(data, first_bit + at * entry_bits, mask)))
                * density
            )
            if -SCANNED < step < SCANNED:
                break
            at += step
        at = min(max(at, begin), last)
    bit = first_bit + at * entry_bits
    key = np.int64(_read(data, bit, mask))
    while key < word and at < last:
        at += 1
        bit += entry_bits
        key = np.int64(_read(data, bit, mask))
    while key > word and at > begin:
        at -= 1
        bit -= entry_bits
        key = np.int64(_read(data, bit, mask))
    return at if key == word else np.int64(-1)


@njit(cache=True, nogil=True, inline="always")
def _values(model, level, entry):  # type: ignore[no-untyped-def]
    """Return an entry's log10 probability and, but for the longest n-grams, its back-off."""
    row = model.levels[level]
    bit = row[FIRST_BIT] + entry * row[ENTRY_BITS] + model.word_bits
    n_bits = model.probability_bits
    is_longest = level == model.order - 2
    if n_bits == 0:
        bits = _read(model.data, bit, _LOW_32) | _SIGN
        if is_longest:
            return _as_float(bits), np.float32(0)
        return _as_float(bits), _as_float(_read(model.data, bit + 31, _LOW_32))
    bins, backoff_mask = row[BINS], (_ONE << np.uint64(model.backoff_bits)) - _ONE
    if is_longest:
        number = np.int64(_read(model.data, bit, (_ONE << np.uint64(n_bits)) - _ONE))
        return model.bins[bins + number], np.float32(0)
    number = np.int64(_read(model.data, bit, _EMPTY))
    n_probabilities = np.int64(1) << n_bits
    probability = (number >> model.backoff_bits) & (n_probabilities - 1)
    backoff = number & np.int64(backoff_mask)
    return model.bins[bins + probability], model.bins[bins + n_probabilities + backoff]


@njit(cache=True, nogil=True, inline="always")
def _children(model, level, entry):  # type: ignore[no-untyped-def]
    """Return the first of an entry's children at the next level, and the end of them."""
    row = model.levels[level]
    n_bits = row[NEXT_BITS]
    mask = (_ONE << np.uint64(n_bits)) - _ONE
    bit = row[FIRST_BIT] + (entry + 1) * row[ENTRY_BITS] - n_bits
    begin = np.int64(_read(model.data, bit, mask))
    end = np.int64(_read(model.data, bit + row[ENTRY_BITS], mask))
    n_offsets = row[N_OFFSETS]
    if n_offsets:
        offsets = model.high_parts[row[OFFSETS] : row[OFFSETS] + n_offsets]
        bucket = row[BUCKETS] + (entry >> row[BUCKET_SHIFT])
        low, high = model.buckets[bucket], model.buckets[bucket + 1]
        n = high - low + 1
        while n > 1:  # without a branch that no processor can foretell
            half = n >> 1
            low += half * np.int64(np.int64(offsets[low + half]) <= entry)
            n -= half
        begin |= low << n_bits
        while low + 1 < n_offsets and np.int64(offsets[low + 1]) <= entry + 1:
            low += 1
        end |= low << n_bits
    return begin, end


@njit(cache=True, nogil=True)
def _score(model, words, offsets, cache, totals):  # type: ignore[no-untyped-def]
    order, longest = model.order, model.order - 2
    word_mask = (_ONE << np.uint64(model.word_bits)) - _ONE
    density = 1.0 / np.float64(model.hashes.size + 1)
    cache_shift = np.uint64(64 - CACHE_BITS)
    backoffs = np.zeros((2, order), np.float32)
    side = 0
    for text in range(offsets.size - 1):
        start, stop = offsets[text], offsets[text + 1]
        n_context = np.int64(1)
        backoffs[side, 0] = model.weights[4 * model.begin + 1]
        total = np.float32(0)
        for i in range(start, stop + 1):
            word = np.int64(words[i]) if i < stop else np.int64(model.end)
            probability, backoff = model.weights[4 * word], model.weights[4 * word + 1]
            begin = np.int64(model.children[2 * word + 1])
            end = np.int64(model.children[2 * word + 3])
            other = 1 - side
            backoffs[other, 0] = backoff
            # A back-off of -0.0 says that no longer n-gram begins so, one of 0.0 that some does.
            n_next = np.int64(_as_bits(backoff) != _SIGN)
            n_found = np.int64(1)
            level = np.int64(0)
            while level < n_context and begin < end:
                at = i - 1 - level
                before = np.int64(words[at]) if at >= start else np.int64(model.begin)
                slot = np.int64(-1)
                if end - begin > MANY_SIBLINGS:
                    key = (
                        (np.uint64(level) << np.uint64(60))
                        | (np.uint64(begin) << np.uint64(model.word_bits))
                        | np.uint64(before)
                    )
                    slot = 4 * np.int64((key * _MIX) >> cache_shift)
                    if cache[slot] == key:
                        if cache[slot + 2] == _EMPTY:
                            break
                        values = cache[slot + 1]
                        probability = _as_float(values)
                        backoff = _as_float(values >> np.uint64(32))
                        begin, end = np.int64(cache[slot + 2]), np.int64(cache[slot + 3])
                        n_found = level + 2
                        if level < longest:
                            backoffs[other, level + 1] = backoff
                            if _as_bits(backoff) != _SIGN:
                                n_next = n_found
                        level += 1
                        continue
                    cache[slot] = key
                    cache[slot + 2] = _EMPTY
                entry = _find(
                    model.data, model.levels[level, FIRST_BIT], model.levels[level, ENTRY_BITS],
                    word_mask, before, density, begin, end,
                )  # fmt: skip
                if entry < 0:
                    break
                probability, backoff = _values(model, level, entry)
                n_found = level + 2
                if level < longest:
                    backoffs[other, level + 1] = backoff
                    if _as_bits(backoff) != _SIGN:
                        n_next = n_found
                if level < longest and (slot >= 0 or level + 1 < n_context):
                    begin, end = _children(model, level, entry)
                else:
                    begin = end = np.int64(0)
                if slot >= 0:
                    values = _as_bits(probability) | (_as_bits(backoff) << np.uint64(32))
                    cache[slot + 1] = values
                    cache[slot + 2], cache[slot + 3] = np.uint64(begin), np.uint64(end)
                level += 1
            for j in range(n_found - 1, n_context):
                probability += backoffs[side, j]
            total += probability
            n_context = n_next
            side = 1 - side
        totals[text] = total


def score_batch(
    model: LanguageModel, words: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the log10 probability of each sentence between its begin and end.

    Sentence ``i`` has the model's words ``words[offsets[i]:offsets[i + 1]]``. The scores are those
    of ``kenlm.Model.score`` to the last bit.
    """
    assert not len(words) or words.max() <= len(model.hashes)
    cache = np.empty(4 << CACHE_BITS, np.uint64)
    cache[::4] = _EMPTY
    totals = np.empty(len(offsets) - 1, np.float64)
    _score(model, words, offsets, cache, totals)
    return totals
