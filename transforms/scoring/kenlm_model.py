"""KenLM's binary models, mapped into memory and laid out for kernels.

The file is KenLM's trie (Heafield, 2011, "KenLM: Faster and Smaller Language Model Queries"), with
or without quantised probabilities and array-compressed pointers. It holds n-grams in reverse, the
last word first. The n-grams of each order are an array of bit-packed entries. The children of an
n-gram, its longer n-grams, stand together and are sorted by word.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.kernels.hashing import load_u64
from transforms.kernels.key_sets import place_of

MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
_SANITY = struct.pack("<56s3f3IQ", MAGIC, 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
_PARAMETERS = struct.Struct("<B3xfiB3xI")

TRIE, QUANTISED_TRIE, ARRAY_TRIE, QUANTISED_ARRAY_TRIE = 2, 3, 4, 5
"""Kinds of models that can be read, by their numbers in the file. Kinds 0 and 1 are hash tables."""

TRIE_VERSION = 1
QUANTISATION_VERSION = 2
ARRAY_VERSION = 0
MAX_ORDER = 6
"""Highest order of a model, the one that the package ``kenlm`` is compiled for."""

_MURMUR = np.uint64(0xC6A4A7935BD1E995)
UNIGRAM_BYTES = 16
MAX_BUCKETS = 1 << 16
"""Most buckets of a level. They shorten the search in the level's offset array."""


class LanguageModel(NamedTuple):
    """A model's file and the places of its parts, for the kernels.

    A level is the array of n-grams of one order, from 2 on.
    """

    data: npt.NDArray[np.uint8]  # the whole file
    hashes: npt.NDArray[np.uint64]  # hashes of the words from word 1 on, ascending; word 0 is <unk>
    unigrams: npt.NDArray[np.uint8]
    """The words, 16 bytes each: log10 probability and back-off as float32, and the number of the
    word's first bigram as uint64. The bigrams of a word end where those of the next begin."""
    levels: npt.NDArray[np.int64]
    """One row a level. The constants below are its columns."""
    bins: npt.NDArray[np.float32]
    """Quantised values of all levels. In each level the probabilities come before the back-offs."""
    buckets: npt.NDArray[np.int64]
    """Where to begin the search for an entry in its level's offset array, by the high bits of the
    entry's number. All levels, one after the other."""
    order: int
    word_bits: int
    probability_bits: int  # 0: not quantised
    backoff_bits: int
    begin: int  # number of the word <s>
    end: int  # number of the word </s>


FIRST_BIT, ENTRY_BITS, NEXT_BITS, OFFSETS, N_OFFSETS, BUCKETS, BUCKET_SHIFT, BINS = range(8)
"""Columns of ``levels``. FIRST_BIT: where in the file the first entry begins, in bits. ENTRY_BITS,
NEXT_BITS: bits of an entry, and of the pointer in it. OFFSETS, N_OFFSETS: where in the file the
offset array begins, in bytes, and its length, 0 for none. BUCKETS, BINS: where the level's part of
``buckets`` and ``bins`` begins. BUCKET_SHIFT: bits by which an entry's number is shifted to find
its bucket."""


def _bits(number: int) -> int:
    return number.bit_length()


def _chopped_bits(n_entries: int, max_next: int, max_chopped: int) -> int:
    """Return how many high bits of a level's pointers KenLM stores in its offset array."""
    required = _bits(max_next)
    costs = [
        (max_next >> (required - chopped)) * 64 - n_entries * chopped
        for chopped in range(min(required, max_chopped) + 1)
    ]
    return costs.index(min(costs))


def load(path: str) -> LanguageModel | None:
    """Map a binary KenLM model into memory.

    Returns None for kinds of models that cannot be read here. Raises ValueError where the file
    cannot be opened or is shorter than its header says.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(len(_SANITY) + _PARAMETERS.size)
            if not head.startswith(_SANITY) or len(head) < len(_SANITY) + _PARAMETERS.size:
                return None
            order, _, kind, _, version = _PARAMETERS.unpack_from(head, len(_SANITY))
            if not TRIE <= kind <= QUANTISED_ARRAY_TRIE or version != TRIE_VERSION:
                return None
            if not 2 <= order <= MAX_ORDER:
                return None
            data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except OSError as error:
        raise ValueError(f"{path}: not a KenLM model: {error}") from None
    try:
        return _layout(data, order, kind)
    except (IndexError, ValueError):
        raise ValueError(f"{path}: shorter than its header says") from None


def _layout(data: npt.NDArray[np.uint8], order: int, kind: int) -> LanguageModel | None:
    at = len(_SANITY) + _PARAMETERS.size
    counts = [int(count) for count in np.frombuffer(data, "<u8", order, at)]
    at += 8 * order
    at += -at % 8
    (n_words,) = np.frombuffer(data, "<u8", 1, at)
    hashes = np.frombuffer(data, np.uint64, int(n_words), at + 8)
    at += 8 + 8 * counts[0]

    probability_bits = backoff_bits = 0
    bins, n_bins = np.zeros(0, np.float32), 0
    if kind in (QUANTISED_TRIE, QUANTISED_ARRAY_TRIE):
        quantisation, probability_bits, backoff_bits = map(int, data[at : at + 3])
        if quantisation != QUANTISATION_VERSION:
            return None
        n_bins = (1 << probability_bits) + (1 << backoff_bits)
        bins = np.frombuffer(
            data, np.float32, (order - 2) * n_bins + (1 << probability_bits), at + 8
        )
        at += 8 + 4 * len(bins)

    unigrams = np.frombuffer(data, np.uint8, UNIGRAM_BYTES * (counts[0] + 2), at)
    at += len(unigrams)

    word_bits = _bits(counts[0])
    is_array = kind in (ARRAY_TRIE, QUANTISED_ARRAY_TRIE)
    if is_array and order > 2 and data[at] != ARRAY_VERSION:
        return None
    max_chopped = int(data[at + 1]) if is_array and order > 2 else 0
    levels, buckets, n_buckets = np.zeros((order - 1, 8), np.int64), [np.zeros(0, np.int64)], 0
    for level, n_entries in enumerate(counts[1:]):
        value_bits = probability_bits or 31
        next_bits = 0
        row = levels[level]
        if level < order - 2:
            value_bits += backoff_bits or 32
            max_next = counts[level + 2]
            chopped = _chopped_bits(n_entries + 1, max_next, max_chopped) if is_array else 0
            next_bits = _bits(max_next) - chopped
            if is_array:
                first, n_offsets = (at + 7) // 8 * 8 + 8, (max_next >> next_bits) + 1
                offsets = np.frombuffer(data, np.uint64, n_offsets, first)
                shift = max(0, _bits(n_entries) - _bits(MAX_BUCKETS) + 1)
                starts = np.arange((n_entries >> shift) + 2, dtype=np.uint64) << np.uint64(shift)
                buckets.append(np.searchsorted(offsets, starts, side="right") - 1)
                row[[OFFSETS, N_OFFSETS]] = first, n_offsets
                row[[BUCKETS, BUCKET_SHIFT]] = n_buckets, shift
                n_buckets += len(starts)
                at += 8 * (1 + n_offsets) + 7
        entry_bits = word_bits + value_bits + next_bits
        row[[FIRST_BIT, ENTRY_BITS]] = 8 * at, entry_bits
        row[[NEXT_BITS, BINS]] = next_bits, level * n_bins
        at += ((1 + n_entries) * entry_bits + 7) // 8 + 8
    if at > len(data):
        raise IndexError
    marks = np.frombuffer(b"<s></s>", np.uint8)
    begin, end = map(int, _numbers(hashes, marks, np.array([0, 3, 7])))
    return LanguageModel(
        data, hashes, unigrams, levels, bins, np.concatenate(buckets),
        order, word_bits, probability_bits, backoff_bits, begin, end,
    )  # fmt: skip


def word_numbers(
    model: LanguageModel, words: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint32]:
    """Return the model's numbers of words, 0 (``<unk>``) for unknown words.

    Word ``i`` is ``words[offsets[i]:offsets[i + 1]]``.
    """
    return _numbers(model.hashes, words, offsets)


@njit(cache=True, nogil=True)
def _numbers(hashes, words, offsets):  # type: ignore[no-untyped-def]
    numbers = np.zeros(offsets.size - 1, np.uint32)
    for word in range(offsets.size - 1):
        wanted = _murmur_hash(words, offsets[word], offsets[word + 1])
        numbers[word] = place_of(hashes, wanted) + 1
    return numbers


@njit(cache=True, nogil=True)
def _murmur_hash(data, start, end):  # type: ignore[no-untyped-def]
    """Hash a word by MurmurHash64A (Austin Appleby's MurmurHash2 of 64 bits) with seed 0."""
    value = np.uint64(end - start) * _MURMUR
    while start + 8 <= end:
        part = load_u64(data, start) * _MURMUR
        part = (part ^ (part >> np.uint64(47))) * _MURMUR
        value = (value ^ part) * _MURMUR
        start += 8
    if start < end:
        part = np.uint64(0)
        for i in range(start, end):
            part |= np.uint64(data[i]) << np.uint64(8 * (i - start))
        value = (value ^ part) * _MURMUR
    value = (value ^ (value >> np.uint64(47))) * _MURMUR
    return value ^ (value >> np.uint64(47))
