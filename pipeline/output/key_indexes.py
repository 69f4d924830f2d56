"""Indexes of exact deduplications: the keys that a run compared, for runs that come later.

An index is the folder ``indexes/SOURCE/stepN`` of an output folder: files of keys, and a card that
says what they are, with their checksums. A run that compares with it names the card.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import INDEXES_FOLDER
from transforms.dedup.exact import CARD_FORMAT, Keys
from transforms.dedup.key_files import are_in, packed_keys, span

_CARD = "card.json"


def index_folder(source: str, step: int) -> str:
    """Return the folder of the index of a deduplication, by its position among the steps."""
    return f"{INDEXES_FOLDER}/{source}/step{step}"


def card_name(source: str, step: int) -> str:
    """Return the name of the card of a deduplication's index."""
    return f"{index_folder(source, step)}/{_CARD}"


def write_index_part(
    output: str, source: str, step: int, window: int, partition: int, keys: Keys
) -> None:
    """Write the distinct keys of one partition of a window, if there are any."""
    if len(keys):
        name = f"{index_folder(source, step)}/window{window:05d}-part{partition:05d}.keys"
        with whole_files.write_whole(output, name) as file:
            for data in packed_keys(keys):
                file.write(data)


def write_card(output: str, source: str, step: int, description: dict[str, Any]) -> None:
    """Write the card of an index whose files are all there; it has the ``description``."""
    name = card_name(source, step)
    folder = index_folder(source, step)
    files: dict[str, dict[str, Any]] = {}
    for part in sorted(storage.list_names(output, folder) - {name}):
        path = storage.join(output, part)
        files[part[len(folder) + 1 :]] = {**_span(path), "sha256": storage.sha256_of(path)}
    card = {
        "format": CARD_FORMAT,
        **description,
        "keys": sum(one["keys"] for one in files.values()),
        "files": files,
    }
    whole_files.write_bytes(output, name, storage.json_bytes(card))


def _span(path: str) -> dict[str, int]:
    """Return the number of keys in a file, the first and the last."""
    with storage.open_read(path) as file:
        n_keys, first, last = span(file)
    return {"keys": n_keys, "first": first, "last": last}


def seen_before(cards: Iterable[str], copies: Iterable[str], keys: Keys) -> npt.NDArray[np.bool_]:
    """Tell which of some distinct, ascending keys stand in any of the indexes.

    Each is given by the path of its card and by that of a copy of it on this machine. Raises
    ValueError with the path of a file that is damaged.
    """
    seen = np.zeros(len(keys), bool)
    for card, copy in zip(cards, copies, strict=True):
        folder = card.rsplit("/", 1)[0] if "/" in card else "."
        for name, first, last in _files_of(copy):
            begin, end = np.searchsorted(keys, np.array([first, last], np.uint64)).tolist()
            end += int(end < len(keys) and int(keys[end]) == last)
            if begin < end:
                path = storage.join(folder, name)
                with storage.open_read(path) as file:
                    try:
                        seen[begin:end] |= are_in(file, keys[begin:end])
                    except ValueError as error:
                        raise ValueError(f"{path}: damaged keys: {error}") from None
    return seen


@functools.cache
def _files_of(copy: str) -> list[tuple[str, int, int]]:
    """Return the files of an index, each with its first and its last key, once a process."""
    files = json.loads(Path(copy).read_bytes())["files"]
    return [(name, one["first"], one["last"]) for name, one in files.items()]
