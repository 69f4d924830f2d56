"""Text vectors of a fastText classifier, for a column of texts at a time.

The vector of a text is the mean of rows of the input matrix: those of its words, of their character
n-grams, and of the end of the sentence (arXiv 1607.01759). Words repeat, so the row numbers of a
word are kept in a cache of fixed size. A word replaces an older one in the same slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.string_table import StringTable, hash_bytes, table_of
from transforms.kernels.hashing import load_u64
from transforms.scoring.fasttext_model import FastTextModel

_CACHE_SLOTS = 1 << 16
"""Slots of the word cache, of 128 bytes each. A power of two."""

_LONGEST_CACHED = 32
"""Longest word in the cache, in bytes. Longer words seldom repeat."""

_FIRST_ROW = 9
"""Index of the first row number in a cache slot, in units of 32 bits. The word and the number of
its rows stand before it."""

_SLOT_ROWS = 32 - _FIRST_ROW
"""Most row numbers in a cache slot. A word with more rows is not cached."""

_LABEL_START = np.uint64(int.from_bytes(b"__label_", "little"))


class Features(NamedTuple):
    """A model's tables, by which a kernel finds the input rows of a word."""

    matrix: npt.NDArray[np.float32]
    vocabulary: StringTable  # the words, then the labels, in the model's order
    n_words: int
    end_of_sentence: int  # row of the end of the sentence, or -1
    minn: int
    maxn: int
    bucket: int
    kept: npt.NDArray[np.uint64]  # for every 64 buckets: bits of those kept; how many kept before
    row_of_kept: npt.NDArray[np.int32]  # row of every kept bucket


_hash_bytes = njit(inline="always")(hash_bytes.py_func)  # inlined: a call would count references


@njit(cache=True, nogil=True, inline="always")
def _number_in(slots, hashes, ends, arena, data, start, end):  # type: ignore[no-untyped-def]
    """Return the number of the word ``data[start:end]`` in the vocabulary, or -1."""
    value = _hash_bytes(data, start, end)
    mask = np.uint64(slots.size - 1)
    at = value & mask
    while slots[at] != -1:
        entry = slots[at]
        first = ends[entry]
        if hashes[entry] == value and ends[entry + 1] - first == end - start:
            k = 0
            while k < end - start and arena[first + k] == data[start + k]:
                k += 1
            if k == end - start:
                return entry
        at = (at + np.uint64(1)) & mask
    return np.int32(-1)


@njit(cache=True, nogil=True, inline="always")
def _bits_set(word):  # type: ignore[no-untyped-def]
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    twos = np.uint64(0x3333333333333333)
    word = (word & twos) + ((word >> np.uint64(2)) & twos)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True, inline="always")
def _find_ngrams(  # type: ignore[no-untyped-def]
    kept, row_of_kept, bucket, minn, maxn, data, start, end, rows, n_rows
):
    """Append the rows of the character n-grams of ``data[start:end]`` to ``rows``.

    ``rows`` has ``n_rows`` rows before. Returns the new number of rows.
    """
    first = n_rows
    for i in range(start, end):
        if data[i] & 0xC0 == 0x80:
            continue
        value = np.uint64(2166136261)
        j = i
        n = 1
        while j < end and n <= maxn:
            while True:
                byte = np.uint64(data[j])
                if byte >= np.uint64(0x80):  # fastText hashes signed characters
                    byte |= np.uint64(0xFFFFFF00)
                value = ((value ^ byte) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
                j += 1
                if j >= end or data[j] & 0xC0 != 0x80:
                    break
            if n >= minn and not (n == 1 and (i == start or j == end)):
                at = np.uint32(value) % np.uint32(bucket)
                # Without a branch, which would be mispredicted too often.
                rows[n_rows] = at
                n_rows += kept[at >> 6, 0] >> np.uint64(at & 63) & 1
            n += 1
    for k in range(first, n_rows):
        at = rows[k]
        lower = kept[at >> 6, 0] & ~(~np.uint64(0) << np.uint64(at & 63))
        rows[k] = row_of_kept[np.int64(kept[at >> 6, 1]) + _bits_set(lower)]
    return n_rows


@njit(cache=True, nogil=True, inline="always")
def _starts_with_label(data, start, end):  # type: ignore[no-untyped-def]
    return end - start >= 9 and load_u64(data, start) == _LABEL_START and data[start + 8] == 95


@njit(cache=True, nogil=True, inline="always")
def _is_end_of_sentence(data, start, end):  # type: ignore[no-untyped-def]
    return (
        end - start == 4
        and data[start] == 60
        and data[start + 1] == 47
        and data[start + 2] == 115
        and data[start + 3] == 62
    )


@njit(cache=True, nogil=True, inline="always")
def _most_rows(features, n_bytes):  # type: ignore[no-untyped-def]
    """Return the most rows that a word of ``n_bytes`` bytes may have."""
    return 1 + (n_bytes + 2) * max(features.maxn - features.minn + 1, 0)


@njit(cache=True, nogil=True, inline="always")
def _word_key(data, start, end):  # type: ignore[no-untyped-def]
    """Return a word of up to 32 bytes as four 64-bit numbers, padded with zero bytes.

    No word holds a zero byte, so different words have different keys.
    """
    key0, key1, key2, key3 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    n = end - start
    last = load_u64(data, start + (n - 1) // 8 * 8)
    last &= ~np.uint64(0) >> np.uint64((8 - n) % 8 * 8)
    if n <= 8:
        key0 = last
    else:
        key0 = load_u64(data, start)
        if n <= 16:
            key1 = last
        else:
            key1 = load_u64(data, start + 8)
            if n <= 24:
                key2 = last
            else:
                key2 = load_u64(data, start + 16)
                key3 = last
    return key0, key1, key2, key3


@njit(cache=True, nogil=True, inline="always")
def _slot(key0, key1, key2, key3, n_slots):  # type: ignore[no-untyped-def]
    value = key0 * np.uint64(0x9E3779B185EBCA87)
    value = (value ^ (value >> np.uint64(32)) ^ key1) * np.uint64(0xC2B2AE3D27D4EB4F)
    value = (value ^ (value >> np.uint64(32)) ^ key2) * np.uint64(0x9E3779B185EBCA87)
    value = (value ^ (value >> np.uint64(32)) ^ key3) * np.uint64(0xC2B2AE3D27D4EB4F)
    return np.int64((value >> np.uint64(32)) & np.uint64(n_slots - 1))


@njit(cache=True, nogil=True)
def _sum_text(features, cache, data, end, rows, total):  # type: ignore[no-untyped-def]
    """Add the rows of the text ``data[1:end]``, and of its end, to ``total``; return their number.

    The rows are added one by one, in fastText's order. The sum of float32 numbers depends on the
    order, in a long text by more than the score may differ.
    """
    # Each use of a tuple's array would count its references, so the arrays are taken out first.
    matrix, kept, row_of_kept = features.matrix, features.kept, features.row_of_kept
    bucket, minn, maxn = features.bucket, features.minn, features.maxn
    slots, hashes, ends, arena, _ = features.vocabulary
    numbers = cache.view(np.int32)
    count = 0
    i = 1
    while i < end:
        start = i
        while i < end:
            byte = data[i]
            if byte <= 32 and (byte == 32 or (byte >= 9 and byte <= 13) or byte == 0):
                break
            i += 1
        if i > start:
            if _is_end_of_sentence(data, start, i):
                break
            slot = np.int64(-1)
            if i - start <= _LONGEST_CACHED:
                key0, key1, key2, key3 = _word_key(data, start, i)
                slot = _slot(key0, key1, key2, key3, cache.shape[0])
                if (
                    cache[slot, 0] == key0
                    and cache[slot, 1] == key1
                    and cache[slot, 2] == key2
                    and cache[slot, 3] == key3
                ):
                    n_rows = np.int64(numbers[slot, _FIRST_ROW - 1])
                    for k in range(n_rows):
                        row = numbers[slot, _FIRST_ROW + k]
                        for d in range(total.size):
                            total[d] += matrix[row, d]
                    count += int(n_rows)
                    i += 1
                    continue
            # The word is not in the cache. Its own row comes first, then the rows of its n-grams.
            n_rows = np.int64(0)
            entry = _number_in(slots, hashes, ends, arena, data, start, i)
            if 0 <= entry < features.n_words:
                rows[0] = entry
                n_rows = np.int64(1)
            is_label = not n_rows and _starts_with_label(data, start, i)
            if entry < features.n_words and not is_label and maxn > 0:
                data[start - 1] = 60
                data[i] = 62
                n_rows = _find_ngrams(
                    kept, row_of_kept, bucket, minn, maxn, data, start - 1, i + 1, rows, n_rows
                )
            if slot >= 0 and n_rows <= _SLOT_ROWS:
                cache[slot, 0] = key0
                cache[slot, 1] = key1
                cache[slot, 2] = key2
                cache[slot, 3] = key3
                numbers[slot, _FIRST_ROW - 1] = n_rows
                for k in range(n_rows):
                    numbers[slot, _FIRST_ROW + k] = rows[k]
            for k in range(n_rows):
                for d in range(total.size):
                    total[d] += matrix[rows[k], d]
            count += int(n_rows)
        i += 1
    if features.end_of_sentence >= 0:
        total += matrix[features.end_of_sentence]
        count += 1
    return count


@njit(cache=True, nogil=True)
def text_vectors(features, cache, data, offsets, delete_newlines):  # type: ignore[no-untyped-def]
    """Return the mean of the rows of each text, and which texts have rows."""
    n_texts = offsets.size - 1
    dim = features.matrix.shape[1]
    vectors = np.zeros((n_texts, dim), np.float32)
    has_rows = np.zeros(n_texts, np.bool_)
    longest = 0
    for t in range(n_texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    text = np.zeros(longest + 2 + _LONGEST_CACHED, np.uint8)
    rows = np.empty(_most_rows(features, longest), np.int32)
    for t in range(n_texts):
        end = 1
        for i in range(offsets[t], offsets[t + 1]):
            text[end] = data[i]
            end += data[i] != 10 or not delete_newlines
        total = np.zeros(dim, np.float32)
        count = _sum_text(features, cache, text, end, rows, total)
        if count:
            has_rows[t] = True
            vectors[t] = total * np.float32(1.0 / count)
    return vectors, has_rows


def features_of(model: FastTextModel) -> Features:
    """Make the tables of a model that the kernel reads."""
    bucket = max(model.bucket, 1)
    has_row = np.zeros(-(-bucket // 64) * 64, np.uint8)
    if model.pruned is None:
        has_row[:] = 1
        row_of_kept = np.arange(bucket)
    else:
        kept_buckets = sorted(model.pruned)
        has_row[kept_buckets] = 1
        row_of_kept = np.array([model.pruned[k] for k in kept_buckets], np.int64)
    bits = np.packbits(has_row, bitorder="little").view("<u8")
    per_word = has_row.reshape(-1, 64).sum(axis=1, dtype=np.uint64)
    words = model.entries[: model.n_words]
    vocabulary = table_of(model.entries)
    assert vocabulary.count[0] == len(model.entries), "a word stands twice in the model"
    return Features(
        matrix=model.input_rows,
        vocabulary=vocabulary,
        n_words=model.n_words,
        end_of_sentence=words.index(b"</s>") if b"</s>" in words else -1,
        minn=model.minn,
        maxn=model.maxn,
        bucket=bucket,
        kept=np.stack([bits, np.cumsum(per_word) - per_word], axis=1),
        row_of_kept=(row_of_kept + model.n_words).astype(np.int32),
    )


def empty_cache() -> npt.NDArray[np.uint64]:
    """Make an empty word cache. A slot holds a word, how many rows it has, and the row numbers."""
    return np.zeros((_CACHE_SLOTS, 16), np.uint64)
