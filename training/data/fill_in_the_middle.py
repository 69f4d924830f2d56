"""Samples in which parts of documents are rearranged, so that a model learns to fill in the middle.

A part of a document that lies in a sample is cut in two places into prefix, middle and suffix. It
becomes ``PRE prefix SUF suffix MID middle`` (PSM) or ``PRE SUF suffix MID prefix middle`` (SPM),
the forms of "Efficient Training of Language Models to Fill in the Middle" (arXiv 2207.14255) as
Megatron-LM's and BigCode's trainers have them. As there, the suffix loses as many tokens at its end
as the three marks take, and a part stays as it is where the suffix is no longer than they are. So
samples keep their length, and documents their places.

What is rearranged depends on the seed, the position of the sample and the number of the part in it.

Shapes: B samples, T1 = sequence_length + 1 tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tokenizer.fill_in_the_middle import MiddleTokens
from training.data.order import Int64s, mixed

N_DRAWS = 4
"""Numbers that are drawn for a part: whether, which form, and where it is cut, twice."""

N_MARKS = len(MiddleTokens._fields)


class FillInTheMiddle(NamedTuple):
    """What is rearranged, and how."""

    rate: float  # share of the parts of documents that are rearranged
    spm_rate: float  # share of these that get the form SPM
    sources: frozenset[str] | None  # whose documents are; None: those of all
    tokens: MiddleTokens
    marks: tuple[int, ...]  # tokens at documents' begin and end, which stay where they are
    seed: int

    def applied(self, tokens_BT1: Int64s, positions: Int64s, sources: Collection[str]) -> Int64s:
        """Return the samples at positions, which are of the sources, rearranged."""
        result_BT1 = tokens_BT1.copy()
        keys = _keys(self.seed, positions)
        for sample, key, source in zip(result_BT1, keys, sources, strict=True):
            if self.sources is None or source in self.sources:
                for number, (begin, end) in enumerate(_parts(sample, self.marks)):
                    sample[begin:end] = self._rearranged(sample[begin:end], key, number)
        return result_BT1

    def _rearranged(self, part: Int64s, key: np.uint64, number: int) -> Int64s:
        draws = _draws(key, number)
        if not _fraction(draws[0]) < self.rate:
            return part
        first, second = sorted(int(draw % np.uint64(len(part) + 1)) for draw in draws[2:])
        prefix, middle, suffix = part[:first], part[first:second], part[second:]
        if len(suffix) <= N_MARKS:
            return part
        suffix = suffix[:-N_MARKS]
        before_prefix, before_suffix, before_middle = np.array(self.tokens, np.int64)[:, None]
        if _fraction(draws[1]) < self.spm_rate:
            pieces = [before_prefix, before_suffix, suffix, before_middle, prefix, middle]
        else:
            pieces = [before_prefix, prefix, before_suffix, suffix, before_middle, middle]
        return np.concatenate(pieces)


def _keys(seed: int, positions: Int64s) -> npt.NDArray[np.uint64]:
    """Return the key of the draws of each sample."""
    digest = hashlib.blake2b(f"{seed}/fill_in_the_middle".encode(), digest_size=8).digest()
    of_seed = np.uint64(int.from_bytes(digest, "little"))
    return mixed(of_seed ^ mixed(positions.astype(np.uint64)))


def _draws(key: np.uint64, number: int) -> npt.NDArray[np.uint64]:
    """Return the numbers drawn for a part of a sample, 64 random bits each."""
    counters = np.arange(N_DRAWS * number, N_DRAWS * (number + 1), dtype=np.uint64)
    return mixed(key ^ mixed(counters))


def _fraction(draw: np.uint64) -> float:
    """Return a number from 0 up to, not including, 1, with the 53 bits of a float."""
    return int(draw >> np.uint64(11)) / (1 << 53)


def _parts(sample: Int64s, marks: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of the parts between marks; none is empty, or of what fills up a sample."""
    begin = 0
    n_tokens = int(np.count_nonzero(sample >= 0))
    for at in [*np.flatnonzero(np.isin(sample, marks)).tolist(), n_tokens]:
        if begin < at:
            yield begin, at
        begin = at + 1
