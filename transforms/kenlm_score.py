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
def _values(  # type: ignore[no-untyped-def]
    data, levels, bins, word_bits, n_bits, backoff_bits, is_longest, level, entry
):
    """Return an entry's log10 probability and, but for the longest n-grams, its back-off."""
    bit = levels[level, FIRST_BIT] + entry * levels[level, ENTRY_BITS] + word_bits
    if n_bits == 0:
        bits = _read(data, bit, _LOW_32) | _SIGN
        if is_longest:
            return _as_float(bits), np.float32(0)
        return _as_float(bits), _as_float(_read(data, bit + 31, _LOW_32))
    first, backoff_mask = levels[level, BINS], (_ONE << np.uint64(backoff_bits)) - _ONE
    if is_longest:
        number = np.int64(_read(data, bit, (_ONE << np.uint64(n_bits)) - _ONE))
        return bins[first + number], np.float32(0)
    number = np.int64(_read(data, bit, _EMPTY))
    n_probabilities = np.int64(1) << n_bits
    probability = (number >> backoff_bits) & (n_probabilities - 1)
    backoff = number & np.int64(backoff_mask)
    return bins[first + probability], bins[first + n_probabilities + backoff]


@njit(cache=True, nogil=True, inline="always")
def _children(data, levels, high_parts, buckets, level, entry):  # type: ignore[no-untyped-def]
    """Return the first of an entry's children at the next level, and the end of them."""
    n_bits = levels[level, NEXT_BITS]
    mask = (_ONE << np.uint64(n_bits)) - _ONE
    bit = levels[level, FIRST_BIT] + (entry + 1) * levels[level, ENTRY_BITS] - n_bits
    begin = np.int64(_read(data, bit, mask))
    end = np.int64(_read(data, bit + levels[level, ENTRY_BITS], mask))
    n_offsets = levels[level, N_OFFSETS]
    if n_offsets:
        first = levels[level, OFFSETS]
        bucket = levels[level, BUCKETS] + (entry >> levels[level, BUCKET_SHIFT])
        low, high = buckets[bucket], buckets[bucket + 1]
        n = high - low + 1
        while n > 1:  # without a branch that no processor can foretell
            half = n >> 1
            low += half * np.int64(np.int64(high_parts[first + low + half]) <= entry)
            n -= half
        begin |= low << n_bits
        while low + 1 < n_offsets and np.int64(high_parts[first + low + 1]) <= entry + 1:
            low += 1
        end |= low << n_bits
    return begin, end


@njit(cache=True, nogil=True)
def _score(model, words, offsets, cache, totals):  # type: ignore[no-untyped-def]
    # Taken out of the tuple once: each time costs a count of its references.
    data, weights, children, levels = model.data, model.weights, model.children, model.levels
    bins, high_parts, buckets = model.bins, model.high_parts, model.buckets
    word_bits, n_bits, backoff_bits = model.word_bits, model.probability_bits, model.backoff_bits
    first_word, last_word = np.int64(model.begin), np.int64(model.end)
    order, longest = model.order, model.order - 2
    word_mask = (_ONE << np.uint64(word_bits)) - _ONE
    density = 1.0 / np.float64(model.hashes.size + 1)
    cache_shift = np.uint64(64 - CACHE_BITS)
    backoffs = np.zeros((2, order), np.float32)
    side = 0
    for text in range(offsets.size - 1):
        start, stop = offsets[text], offsets[text + 1]
        n_context = np.int64(1)
        backoffs[side, 0] = weights[4 * first_word + 1]
        total = np.float32(0)
        for i in range(start, stop + 1):
            word = np.int64(words[i]) if i < stop else last_word
            probability, backoff = weights[4 * word], weights[4 * word + 1]
            begin = np.int64(children[2 * word + 1])
            end = np.int64(children[2 * word + 3])
            other = 1 - side
            backoffs[other, 0] = backoff
            # A back-off of -0.0 says that no longer n-gram begins so, one of 0.0 that some does.
            n_next = np.int64(_as_bits(backoff) != _SIGN)
            n_found = np.int64(1)
            level = np.int64(0)
            while level < n_context and begin < end:
                at = i - 1 - level
                before = np.int64(words[at]) if at >= start else first_word
                slot = np.int64(-1)
                if end - begin > MANY_SIBLINGS:
                    key = (
                        (np.uint64(level) << np.uint64(60))
                        | (np.uint64(begin) << np.uint64(word_bits))
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
                    data, levels[level, FIRST_BIT], levels[level, ENTRY_BITS],
                    word_mask, before, density, begin, end,
                )  # fmt: skip
                if entry < 0:
                    break
                probability, backoff = _values(
                    data,
                    levels,
                    bins,
                    word_bits,
                    n_bits,
                    backoff_bits,
                    level == longest,
                    level,
                    entry,
                )
                n_found = level + 2
                if level < longest:
                    backoffs[other, level + 1] = backoff
                    if _as_bits(backoff) != _SIGN:
                        n_next = n_found
                if level < longest and (slot >= 0 or level + 1 < n_context):
                    begin, end = _children(data, levels, high_parts, buckets, level, entry)
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


class SentenceScorer:
    """Scores batches of sentences with one model; threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._idle_caches: list[npt.NDArray[np.uint64]] = []

    def score_batch(
        self, words: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the log10 probability of each sentence between its begin and end.

        Sentence ``i`` has the model's words ``words[offsets[i]:offsets[i + 1]]``. The scores are
        those of ``kenlm.Model.score`` to the last bit.
        """
        assert not len(words) or words.max() <= len(self.model.hashes)
        totals = np.empty(len(offsets) - 1, np.float64)
        try:
            cache = self._idle_caches.pop()
        except IndexError:
            cache = np.full(4 << CACHE_BITS, _EMPTY, np.uint64)
        _score(self.model, words, offsets, cache, totals)
        self._idle_caches.append(cache)
        return totals
