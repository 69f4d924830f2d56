"""Packing of documents into samples by best fit, so that no short document is cut.

It follows "Fewer Truncations Improve Language Modeling" (Ding et al., arXiv 2404.10830). A document
that is longer than a sample is cut into samples, each of which begins with the last token of the
one before it; what is left at its end is packed like a short document. The longest come first. Each
goes to the fullest sample that has room for it, or to a new one. Samples that are not full at the
end are filled up, with what no loss counts.

The packing of a shard is a table of samples and their parts, in a file that is mapped into memory.
It depends on the lengths of documents and samples alone.
"""

from __future__ import annotations

import os
from bisect import bisect_left, insort
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

BEST_FIT = "best_fit"
"""Name of the packing, for options and identities of runs."""


class PackedShard(NamedTuple):
    """The samples of one shard, or of a domain in it, each made of parts of documents."""

    firsts: Int64s  # number of each sample's first part, and the number of all parts
    begins: Int64s  # of parts, in tokens of the shard
    lengths: Int64s  # of parts, in tokens

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.firsts) - 1

    def parts(self, sample: int) -> list[tuple[int, int]]:
        """Return the edges of a sample's parts, in tokens of the shard."""
        here = slice(int(self.firsts[sample]), int(self.firsts[sample + 1]))
        begins = self.begins[here]
        return list(zip(begins.tolist(), (begins + self.lengths[here]).tolist(), strict=True))


def pack(begins: Int64s, lengths: Int64s, sequence_length: int) -> PackedShard:
    """Pack documents, given by where they begin and how many tokens they have.

    A sample has room for ``sequence_length + 1`` tokens, which make ``sequence_length``
    predictions. Empty documents are left out.
    """
    part_begins, part_lengths = _cut(begins, lengths, sequence_length)
    samples, n_samples = best_fit(part_lengths, sequence_length + 1)
    order = np.lexsort((part_begins, samples))
    firsts = np.zeros(n_samples + 1, np.int64)
    np.cumsum(np.bincount(samples, minlength=n_samples), out=firsts[1:])
    return PackedShard(firsts, part_begins[order], part_lengths[order])


def _cut(begins: Int64s, lengths: Int64s, sequence_length: int) -> tuple[Int64s, Int64s]:
    """Cut long documents. Returns where all parts begin, and their lengths."""
    # The first token of a part but the first is the last of the part before: it is predicted there.
    n_parts = np.maximum(-(-(lengths - 1) // sequence_length), lengths > 0)
    of_document = np.repeat(np.arange(len(lengths)), n_parts)
    number = np.arange(len(of_document)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    offset = number * sequence_length
    left = lengths[of_document] - offset
    return begins[of_document] + offset, np.minimum(left, sequence_length + 1)


def best_fit(lengths: Int64s, room: int) -> tuple[Int64s, int]:
    """Return the sample of each part, and the number of samples, by best fit, longest first.

    No part is longer than ``room``. Parts of one length are placed together, and samples of one
    free room are filled together, so it takes time by the number of parts, not of comparisons.
    """
    assert lengths.size == 0 or (lengths.min() > 0 and lengths.max() <= room)
    order = np.argsort(-lengths, kind="stable")
    samples = np.empty(len(lengths), np.int64)
    by_room: dict[int, list[Int64s]] = {}  # samples that have so much room left
    rooms: list[int] = []  # ascending
    n_samples = 0
    edges = np.flatnonzero(np.diff(lengths[order], prepend=-1, append=-1)).tolist()
    for first, last in pairwise(edges):
        length = int(lengths[order[first]])
        while first < last:
            at = bisect_left(rooms, length)
            free = rooms[at] if at < len(rooms) else room
            each = free // length  # parts until a sample has no more room for one
            wanted = -(-(last - first) // each)
            if at < len(rooms):
                chosen = by_room[free].pop()
                if not by_room[free]:
                    del by_room[free], rooms[at]
                _give_room(by_room, rooms, free, chosen[wanted:])
                chosen = chosen[:wanted]
            else:
                chosen = n_samples + np.arange(wanted)
                n_samples += wanted
            placed = np.repeat(chosen, each)[: last - first]
            samples[order[first : first + len(placed)]] = placed
            first += len(placed)
            n_full = len(placed) // each
            _give_room(by_room, rooms, free - each * length, chosen[:n_full])
            _give_room(by_room, rooms, free - len(placed) % each * length, chosen[n_full:])
    return samples, n_samples


def _give_room(
    by_room: dict[int, list[Int64s]], rooms: list[int], free: int, samples: Int64s
) -> None:
    """Note that some samples have so much room left."""
    if free and len(samples):
        if free not in by_room:
            by_room[free] = []
            insort(rooms, free)
        by_room[free].append(samples)


def write_packed(path: Path, packed: PackedShard) -> None:
    """Write a table as one file, whole or not at all, whoever else writes the same."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    with temporary.open("wb") as file:
        np.save(file, np.concatenate(([packed.n_samples], *packed)), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_packed(path: Path) -> PackedShard:
    """Map a table that :func:`write_packed` wrote. Raises ValueError where it is damaged."""
    try:
        table: Int64s = np.load(path, mmap_mode="r", allow_pickle=False)
        n_samples = int(table[0])
        firsts = table[1 : n_samples + 2]
        n_parts = int(firsts[-1])
        if len(table) != n_samples + 2 + 2 * n_parts:
            raise ValueError("its parts are not as many as it says")
    except (ValueError, IndexError, OSError, EOFError) as error:
        raise ValueError(f"{path}: damaged; remove it, and it is made again: {error}") from None
    rest = table[n_samples + 2 :]
    return PackedShard(firsts, rest[:n_parts], rest[n_parts:])
