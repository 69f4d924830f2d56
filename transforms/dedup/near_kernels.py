"""Kernels of near-duplicates: band keys of shingles, pairs of a bucket, and what two share."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.kernels.hashing import BASE, mix

BINS_OF_OVERLAP = 4
"""Bins of sizes, in the range of those that ``min_overlap`` allows, of which each has documents of
its own at hand: with few, most that are there are too small for a document."""

LOW = np.uint64(0xFFFFFFFF)
"""Mask of the lower half of a reference: the number of a document in its split."""


@cache
def permutations(n: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return ``n`` odd factors and ``n`` summands: x * factor + summand permutes the u32."""
    numbers = _mixed(np.arange(1, 2 * n + 1, dtype=np.uint64) * BASE)
    drawn = (numbers >> np.uint64(32)).astype(np.uint32)
    return drawn[:n] | np.uint32(1), drawn[n:]


@njit(cache=True, nogil=True)
def _mixed(values):  # type: ignore[no-untyped-def]
    out = np.empty_like(values)
    for i in range(values.size):
        out[i] = mix(values[i])
    return out


@njit(cache=True, nogil=True)
def band_keys(hashes, offsets, factors, summands, bands):  # type: ignore[no-untyped-def]
    """Return the keys of each text's bands, a row a text, and the lower two bytes of its minima."""
    n_texts = offsets.size - 1
    rows = factors.size // bands
    keys = np.empty((n_texts, bands), np.uint64)
    low_minima = np.empty((n_texts, factors.size), np.uint16)
    minima = np.empty(factors.size, np.uint32)
    for t in range(n_texts):
        minima[:] = LOW
        for i in range(offsets[t], offsets[t + 1]):
            x = np.uint32(hashes[i] & LOW)
            for k in range(factors.size):
                value = np.uint32(factors[k] * x + summands[k])
                minima[k] = min(minima[k], value)
        for band in range(bands):
            key = mix(np.uint64(band + 1))
            for k in range(band * rows, (band + 1) * rows):
                key = mix(key ^ np.uint64(minima[k])) * BASE
            keys[t, band] = mix(key)
        low_minima[t, :] = minima.astype(np.uint16)
    return keys, low_minima


@njit(cache=True, nogil=True)
def bucket_pairs(  # type: ignore[no-untyped-def]
    references, shingles, starts, sizes, min_overlap, max_neighbours, n_small, begin, pairs
):
    """Pair documents from ``begin`` on with some ahead in their bucket, while there is room.

    ``starts`` and ``sizes`` are of each document's bucket. Of a pair the bucket's size is noted,
    and in the upper half the shingles of the document ahead. Return the number of pairs, and the
    first document that is not done.
    """
    bin_width = -math.log(min(max(min_overlap, 0.5), 0.99)) / BINS_OF_OVERLAP
    n_bins = int(math.log(2.0**32) / bin_width) + 1
    smallest = np.empty((n_bins if n_small else 0, n_small), np.int64)
    filled, bucket_of = np.zeros(len(smallest), np.int64), np.full(len(smallest), -1)
    n_pairs = 0
    for i in range(starts[begin] if n_small else begin, references.size):
        size, bucket_size = shingles[i], np.uint64(sizes[i])
        if i >= begin:
            if n_pairs + max_neighbours > len(pairs):
                return n_pairs, i
            n_left = n_small if i - starts[i] > max_neighbours else 0
            ahead = max(i - max_neighbours + n_left, starts[i])
            for j in range(i - 1, ahead - 1, -1):
                fewer, more = min(size, shingles[j]), max(size, shingles[j])
                if fewer / more > min_overlap and references[i] != references[j]:
                    pairs[n_pairs, 0] = references[i]
                    pairs[n_pairs, 1] = references[j]
                    pairs[n_pairs, 2] = np.uint64(shingles[j]) << np.uint64(32) | bucket_size
                    n_pairs += 1
            at = int(math.log(max(size * min_overlap, 1.0)) / bin_width)
            last = min(int(math.log(size / max(min_overlap, 0.01)) / bin_width), n_bins - 1)
            while n_left and at <= last:
                for k in range(filled[at] if bucket_of[at] == starts[i] else 0):
                    j = smallest[at, k]
                    fewer, more = min(size, shingles[j]), max(size, shingles[j])
                    close = fewer / more > min_overlap and references[i] != references[j]
                    if n_left and j < ahead and close:
                        pairs[n_pairs, 0] = references[i]
                        pairs[n_pairs, 1] = references[j]
                        pairs[n_pairs, 2] = np.uint64(shingles[j]) << np.uint64(32) | bucket_size
                        n_pairs += 1
                        n_left -= 1
                at += 1
        if n_small:
            at = int(math.log(size) / bin_width)
            if bucket_of[at] != starts[i]:
                bucket_of[at], filled[at] = starts[i], 0
            k = filled[at]
            filled[at] = min(k + 1, n_small)
            while k and shingles[smallest[at, k - 1]] > size:
                if k < n_small:
                    smallest[at, k] = smallest[at, k - 1]
                k -= 1
            if k < n_small:
                smallest[at, k] = i
    return n_pairs, references.size


@njit(cache=True, nogil=True)
def shared(a, b):  # type: ignore[no-untyped-def]
    """Count the values that two ascending arrays of distinct values share."""
    i = j = shared = 0
    while i < a.size and j < b.size:
        shared += a[i] == b[j]
        step_a, step_b = a[i] <= b[j], b[j] <= a[i]
        i += step_a
        j += step_b
    return shared
