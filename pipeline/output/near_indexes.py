"""Indexes of near-duplicates: which documents of earlier runs have a band's key, and their minima.

Beside the files of keys, whose values are references of documents, an index has a file of minima
for each split. A document falls to one of an earlier run where the two share a key and their minima
say that they overlap by enough. That depends on the document and the indexes alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.output import whole_files
from pipeline.output.key_indexes import beside, files_with, open_part
from transforms.dedup.key_files import Keys, last_of_each, last_values
from transforms.dedup.near import DeduplicateNear, References
from transforms.dedup.sketch_files import Minima, minima_of, packed_minima

COMPARED_PAIRS = 1 << 14
"""Pairs whose minima are held at a time (some 8 MB with 112 minima)."""

HELD_DOCUMENTS = 1 << 18
"""Documents of an index that are held before those that are too many for a key go (4 MB)."""

_LOW = np.uint64(0xFFFFFFFF)


class Card(NamedTuple):
    """The card of an index: its path, and that of a copy on this machine."""

    path: str
    copy: str


def minima_name(number: int) -> str:
    """Return the name in its folder of the file of a split's minima, by its number in the round."""
    return f"split{number:010d}.minima"


def split_of_minima(name: str) -> int | None:
    """Return the number of the split that a file of an index has minima of; None of others."""
    matched = re.fullmatch(r"split(\d+)\.minima", name)
    return int(matched[1]) if matched else None


def write_minima(output: str, name: str, chunks: Sequence[Minima], n_minima: int) -> None:
    """Write the minima of a split's documents."""
    with whole_files.write_whole(output, name) as file:
        for data in packed_minima(chunks, n_minima):
            file.write(data)


def read_minima(path: str, numbers: npt.NDArray[Any]) -> Minima:
    """Read minima by the ascending numbers of documents. Raises ValueError where damaged."""
    with open_part(path) as file:
        return minima_of(file, numbers)


def documents_with(
    card: Card, keys: Keys, most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return the last documents of an index that have some distinct, ascending band keys.

    They are ``most`` for each key if there are more, and come with the places of their keys.
    """
    places = [np.zeros(0, np.int64)]
    documents = [np.zeros(0, np.uint64)]
    n_held = 0
    for path, here in files_with(*card, keys):
        with open_part(path) as file:
            of_file, values = last_values(file, keys[here], most)
        places.append(of_file + here.start)
        documents.append(values)
        n_held += len(values)
        if n_held > 2 * HELD_DOCUMENTS:
            last = _last_in_order(places, documents, most)
            places, documents = [last[0]], [last[1]]
            n_held = len(last[0])
    return _last_in_order(places, documents, most)


def _last_in_order(
    places: list[npt.NDArray[np.int64]], documents: list[References], most: int
) -> tuple[npt.NDArray[np.int64], References]:
    both = np.concatenate(places), np.concatenate(documents)
    order = np.lexsort(both[::-1])
    return last_of_each(both[0][order], both[1][order], most)


def are_near_older(
    step: DeduplicateNear, card: Card, own: Minima, rows: npt.NDArray[Any], older: References
) -> npt.NDArray[np.bool_]:
    """Say of pairs whether their minima tell that they overlap by more than is allowed.

    A pair is a row of ``own``, by its number in ``rows``, and a document of the index. Each file of
    the index's minima is opened once, and of it those blocks are read that have such documents.
    """
    near = np.zeros(len(rows), bool)
    order = np.argsort(older, kind="stable")
    splits, starts = np.unique(older[order] >> np.uint64(32), return_index=True)
    bounds = pairwise([*starts.tolist(), len(order)])
    for split, (begin, end) in zip(splits.tolist(), bounds, strict=True):
        with open_part(beside(card.path, minima_name(split))) as file:
            for start in range(begin, end, COMPARED_PAIRS):
                here = order[start : min(start + COMPARED_PAIRS, end)]
                numbers = (older[here] & _LOW).astype(np.int64)
                distinct, places = np.unique(numbers, return_inverse=True)
                theirs = minima_of(file, distinct)
                near[here] = step.are_near(own.take(rows[here]), theirs.take(places))
    return near
