"""Scores of sentences by a KenLM trie, a batch of sentences at a time.

The trie is read by :mod:`transforms.scoring.kenlm_model`. As in KenLM, the n-grams that end in a
word are looked up from the word back through its context. Scores are added word by word in single
precision, so a score equals KenLM's to the last bit.

Look-ups among many n-grams are cached, because the same pairs of words come again and again. A slot
of the cache holds the last look-up that fell on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from transforms.scoring.kenlm_model import (
    BINS,
    BUCKET_SHIFT,
    BUCKETS,
    ENTRY_BITS,
    FIRST_BIT,
    N_OFFSETS,
    NEXT_BITS,
    OFFSETS,
    UNIGRAM_BYTES,
    LanguageModel,
)

CACHE_BITS = 16
"""Binary logarithm of the number of slots in the cache."""

MANY_SIBLINGS = 16
"""Number of n-grams above which a look-up among them is cached: it takes longer than the cache."""

SCANNED = 6
"""Distance, in entries, below which a word is searched entry by entry."""

MAX_GUESSES = 8
"""Most guesses of a word's place before the entries are searched one by one."""

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SIGN = np.uint64(0x80000000)
_LOW_32 = np.uint64(0xFFFFFFFF)
_LOW_57 = np.uint64((1 << 57) - 1)
_ONE = np.uint64(1)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_WORD_POINTER = ir.IntType(64).as_pointer()
_FLOAT_POINTER = ir.FloatType().as_pointer()


# The helpers take addresses, because passing arrays would count their references at each call.


@intrinsic
def _load_u64(typingctx, address):  # type: ignore[no-untyped-def]
    """Read the eight bytes at an address as one little-endian number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], _WORD_POINTER), align=1)

    return types.uint64(types.int64), generate


@intrinsic
def _load_float(typingctx, address):  # type: ignore[no-untyped-def]
    """Read the four bytes at an address as a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], _FLOAT_POINTER), align=4)

    return types.float32(types.int64), generate


@intrinsic
def _as_float(typingctx, bits):  # type: ignore[no-untyped-def]
    """Return the float32 whose bits are the low 32 bits of a number."""

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
    """Return up to 57 bits, those of ``mask``, from bit number ``bit`` on."""
    return (_load_u64(data + (bit >> 3)) >> np.uint64(bit & 7)) & mask


@njit(cache=True, nogil=True, inline="always")
def _find(data, first_bit, entry_bits, mask, word, density, begin, end):  # type: ignore[no-untyped-def]
    """Return the entry of ``word`` among the entries from ``begin`` to ``end``, or -1.

    Words are numbered in the order of their hashes, so their entries are spread evenly.
    ``density`` is one over the number of words. With it the distance from an entry to that of
    ``word`` is guessed from the difference of their numbers.
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
def _values(data, bit, bins, n_bits, backoff_bits, is_longest):  # type: ignore[no-untyped-def]
    """Return an entry's log10 probability and its back-off, which is 0 for the longest n-grams."""
    if n_bits == 0:
        probability = _as_float(_read(data, bit, _LOW_32) | _SIGN)
        if is_longest:
            return probability, np.float32(0)
        return probability, _as_float(_read(data, bit + 31, _LOW_32))
    number = np.int64(_read(data, bit, _LOW_57))
    n_probabilities = np.int64(1) << n_bits
    if is_longest:
        return _load_float(bins + 4 * (number & (n_probabilities - 1))), np.float32(0)
    probability = (number >> backoff_bits) & (n_probabilities - 1)
    backoff = number & ((np.int64(1) << backoff_bits) - 1)
    return _load_float(bins + 4 * probability), _load_float(bins + 4 * (n_probabilities + backoff))


@njit(cache=True, nogil=True, inline="always")
def _children(  # type: ignore[no-untyped-def]
    data, bit, entry_bits, next_bits, entry, offsets, n_offsets, bucket
):
    """Return the first of an entry's children in the next level, and the end of its children.

    ``bit`` is the first bit of the entry's pointer, and ``bucket`` the address of its bucket.
    """
    mask = (_ONE << np.uint64(next_bits)) - _ONE
    begin = np.int64(_read(data, bit, mask))
    end = np.int64(_read(data, bit + entry_bits, mask))
    if n_offsets:
        low = np.int64(_load_u64(bucket))
        n_left = np.int64(_load_u64(bucket + 8)) - low + 1
        while n_left > 1:  # binary search without a branch, which would be mispredicted too often
            half = n_left >> 1
            low += half * np.int64(np.int64(_load_u64(offsets + 8 * (low + half))) <= entry)
            n_left -= half
        begin |= low << next_bits
        while low + 1 < n_offsets and np.int64(_load_u64(offsets + 8 * low + 8)) <= entry + 1:
            low += 1
        end |= low << next_bits
    return begin, end


@njit(cache=True, nogil=True)
def _score(model, words, offsets, cache, totals):  # type: ignore[no-untyped-def]
    data, unigrams = model.data.ctypes.data, model.unigrams.ctypes.data
    all_bins, all_buckets = model.bins.ctypes.data, model.buckets.ctypes.data
    levels, n_words = model.levels, model.hashes.size
    word_bits, n_bits, backoff_bits = model.word_bits, model.probability_bits, model.backoff_bits
    first_word, last_word = np.int64(model.begin), np.int64(model.end)
    order, longest = model.order, model.order - 2
    word_mask = (_ONE << np.uint64(word_bits)) - _ONE
    density = 1.0 / np.float64(n_words + 1)
    cache_shift = np.uint64(64 - CACHE_BITS)
    backoffs = np.zeros((2, order), np.float32)
    side = 0
    for text in range(offsets.size - 1):
        start, stop = offsets[text], offsets[text + 1]
        n_context = np.int64(1)
        backoffs[side, 0] = _load_float(unigrams + UNIGRAM_BYTES * first_word + 4)
        total = np.float32(0)
        for i in range(start, stop + 1):
            word = np.int64(words[i]) if i < stop else last_word
            at_word = unigrams + UNIGRAM_BYTES * word
            probability, backoff = _load_float(at_word), _load_float(at_word + 4)
            begin = np.int64(_load_u64(at_word + 8))
            end = np.int64(_load_u64(at_word + 24))
            other = 1 - side
            backoffs[other, 0] = backoff
            # A back-off of -0.0 means that no longer n-gram extends this one, 0.0 that some do.
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
                first_bit, entry_bits = levels[level, FIRST_BIT], levels[level, ENTRY_BITS]
                entry = _find(data, first_bit, entry_bits, word_mask, before, density, begin, end)
                if entry < 0:
                    break
                bit = first_bit + entry * entry_bits
                probability, backoff = _values(
                    data, bit + word_bits, all_bins + 4 * levels[level, BINS],
                    n_bits, backoff_bits, level == longest,
                )  # fmt: skip
                n_found = level + 2
                if level < longest:
                    backoffs[other, level + 1] = backoff
                    if _as_bits(backoff) != _SIGN:
                        n_next = n_found
                if level < longest and (slot >= 0 or level + 1 < n_context):
                    next_bits = levels[level, NEXT_BITS]
                    bucket = levels[level, BUCKETS] + (entry >> levels[level, BUCKET_SHIFT])
                    begin, end = _children(
                        data, bit + entry_bits - next_bits, entry_bits, next_bits, entry,
                        data + levels[level, OFFSETS], levels[level, N_OFFSETS],
                        all_buckets + 8 * bucket,
                    )  # fmt: skip
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
    """A scorer of batches of sentences with one model. Threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._idle_caches: list[npt.NDArray[np.uint64]] = []

    def score_batch(
        self, words: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the log10 probability of each sentence, between ``<s>`` and ``</s>``.

        Sentence ``i`` has the word numbers ``words[offsets[i]:offsets[i + 1]]``. The scores equal
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
