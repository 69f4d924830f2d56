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
    for path, here in files_with(*card, keys):
        with open_part(path) as file:
            of_file, values = last_values(file, keys[here], most)
        places.append(of_file + here.start)
        documents.append(values)
    both = np.concatenate(places), np.concatenate(documents)
    order = np.lexsort(both[::-1])
    return last_of_each(both[0][order], both[1][order], most)


def are_near_older(
    step: DeduplicateNear, card: Card, own: Minima, rows: npt.NDArray[Any], older: References
) -> npt.NDArray[np.bool_]:
    """Say of pairs whether their minima tell that they overlap by more than is allowed.

    A pair is a row of ``own``, by its number in ``rows``, and a document of the index.
    """
    near = np.zeros(len(rows), bool)
    order = np.argsort(older, kind="stable")
    for start in range(0, len(order), COMPARED_PAIRS):
        here = order[start : start + COMPARED_PAIRS]
        distinct, places = np.unique(older[here], return_inverse=True)
        theirs = _minima_in(card, distinct, step.n_minima)
        near[here] = step.are_near(own.take(rows[here]), theirs.take(places))
    return near


def _minima_in(card: Card, documents: References, n_minima: int) -> Minima:
    """Read the minima of distinct, ascending documents of an index."""
    splits, starts = np.unique(documents >> np.uint64(32), return_index=True)
    parts = [Minima(np.zeros((0, n_minima), np.uint16), np.zeros(0, np.uint32))]
    for split, (begin, end) in zip(
        splits.tolist(), pairwise([*starts.tolist(), len(documents)]), strict=True
    ):
        path = beside(card.path, minima_name(split))
        parts.append(read_minima(path, (documents[begin:end] & _LOW).astype(np.int64)))
    return Minima(*(np.concatenate(column) for column in zip(*parts, strict=True)))
