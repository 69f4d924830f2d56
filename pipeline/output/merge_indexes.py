"""Merging of indexes, of which one block a window is held at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

import numpy as np

from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.output import whole_files
from pipeline.output.key_indexes import CARD, KEYS_SUFFIX, beside, open_part, write_card_of
from pipeline.output.near_indexes import minima_name, split_of_minima
from transforms.dedup.indexed import read_card
from transforms.dedup.key_files import REFERENCES, Rows, merged_rows, packed_rows, read_rows, summed

FILE_KEYS = 1 << 24
"""Keys after which the next file begins."""

_CHUNK_BYTES = 1 << 20

_OF_ONE_RUN = ("format", "keys", "files", "sources", "run", "merged")
"""What a card says that is not so of all indexes that can be merged."""


def card_path(folder: str) -> str:
    """Return the path of the card of an index."""
    return storage.join(folder, CARD)


def card_of(folder: str) -> dict[str, Any]:
    """Read the card of the index in a folder. Raises ValueError where there is none."""
    path = card_path(folder)
    if not storage.exists(path):
        raise ValueError(f"{folder}: there is no {CARD}, so no whole index")
    return read_card(local_copy(path))


def merge_indexes(folders: Sequence[str], output: str) -> dict[str, Any]:
    """Write one index of several, the oldest first, into a folder; return its card.

    Counts are added up, and splits are numbered anew. Raises ValueError where the indexes were not
    made alike, where a file is damaged, and where the folder is not empty.
    """
    cards = [card_of(folder) for folder in folders]
    for folder, card in zip(folders, cards, strict=True):
        for name in ("unit", "made_with"):
            if card[name] != cards[0][name]:
                raise ValueError(
                    f"{folder}: its {name} is {card[name]}, that of {folders[0]} {cards[0][name]}"
                )
    if len(set(folders)) < len(folders):
        raise ValueError(f"{', '.join(folders)}: an index is given twice")
    if storage.list_names(output, ""):
        raise ValueError(f"{output}: it is not empty; give another folder")
    origins: dict[str, Any] = {}
    streams: list[Iterator[Rows]] = []
    for folder, card in zip(folders, cards, strict=True):
        splits = _copy_minima(folder, card, output, origins)
        streams += (_renumbered(one, splits) for one in _windows(folder, card))
    rows = merged_rows(streams)
    chunks = rows if origins else map(summed, rows)  # whose minima lie there are near-duplicates
    for number, of_file in enumerate(_cut(chunks)):
        _write_keys(output, number, of_file)
    description = {name: value for name, value in cards[0].items() if name not in _OF_ONE_RUN}
    description["sources"] = sorted({source for card in cards for source in card["sources"]})
    description["merged"] = [card_path(folder) for folder in folders]
    storage.remove(output, "work")  # where files lie until they are whole
    write_card_of(output, "", description, origins)
    storage.remove(output, "work")
    return card_of(output)


def _windows(folder: str, card: dict[str, Any]) -> Iterator[Iterator[Rows]]:
    """Yield the rows of each window of an index, in order: its files have ranges of the keys."""
    names = sorted(name for name in card["files"] if name.endswith(KEYS_SUFFIX))
    for _, of_window in groupby(names, lambda name: name.split("-")[0]):
        ordered = sorted(of_window, key=lambda name: int(card["files"][name]["first"]))
        yield _rows([beside(card_path(folder), name) for name in ordered])


def _rows(paths: Iterable[str]) -> Iterator[Rows]:
    for path in paths:
        with open_part(path) as file:
            yield from read_rows(file)


def _renumbered(chunks: Iterator[Rows], splits: dict[int, int]) -> Iterator[Rows]:
    """Give documents the numbers of their splits in the merged index; counts are as they were."""
    if not splits:
        yield from chunks
        return
    old = np.array(sorted(splits), np.uint64)
    new = np.array([splits[split] for split in old.tolist()], np.uint64)
    for keys, documents in chunks:
        places = np.searchsorted(old, documents >> np.uint64(32))
        low = documents & np.uint64(0xFFFFFFFF)
        yield Rows(keys, (new[places] << np.uint64(32) | low).astype(REFERENCES))


def _copy_minima(
    folder: str, card: dict[str, Any], output: str, origins: dict[str, Any]
) -> dict[int, int]:
    """Copy an index's files of minima, and note where they come from; return the new numbers."""
    made = {}
    for name in sorted(card["files"]):
        split = split_of_minima(name)
        if split is None:
            continue
        one = card["files"][name]
        made[split] = len(origins)
        new_name = minima_name(len(origins))
        origins[new_name] = one.get("from", [card_path(folder), split])
        path = beside(card_path(folder), name)
        with storage.open_read(path) as read, whole_files.write_whole(output, new_name) as file:
            while data := read.read(_CHUNK_BYTES):
                file.write(data)
            if file.sha256 != one["sha256"]:
                raise ValueError(f"{path}: damaged index: its SHA-256 is not that of the card")
    return made


def _cut(chunks: Iterator[Rows]) -> Iterator[Iterator[Rows]]:
    """Yield the chunks of each file; those of one are taken before those of the next."""
    for first in chunks:
        yield _up_to_size(first, chunks)


def _up_to_size(first: Rows, more: Iterator[Rows]) -> Iterator[Rows]:
    n_keys = len(first.keys)
    yield first
    while n_keys < FILE_KEYS and (chunk := next(more, None)) is not None:
        n_keys += len(chunk.keys)
        yield chunk


def _write_keys(output: str, number: int, chunks: Iterator[Rows]) -> None:
    first = next(chunks)
    name = f"window00000-part{number:05d}{KEYS_SUFFIX}"
    with whole_files.write_whole(output, name) as file:
        for data in packed_rows(chain([first], chunks), first.values.dtype):
            file.write(data)
