"""Indexes of deduplications: the keys that a run compared, for runs that come later.

An index is the folder ``indexes/SOURCE/stepN`` of an output folder: files of keys, and a card that
says what they are, with their checksums. A run that compares with it names the card. Beside the
keys of near-duplicates lie the documents' minima (:mod:`pipeline.output.near_indexes`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.layout import INDEXES_FOLDER
from transforms.dedup.indexed import CARD_FORMAT
from transforms.dedup.key_files import Keys, Rows, are_in, packed_rows, span
from transforms.dedup.sketch_files import count_documents

CARD = "card.json"
"""Name of an index's card in its folder."""

KEYS_SUFFIX = ".keys"
"""How the names of files of keys end."""


def index_folder(source: str, step: int) -> str:
    """Return the folder of the index of a deduplication, by its position among the steps."""
    return f"{INDEXES_FOLDER}/{source}/step{step}"


def card_name(source: str, step: int) -> str:
    """Return the name of the card of a deduplication's index."""
    return f"{index_folder(source, step)}/{CARD}"


def write_index_part(
    output: str, source: str, step: int, window: int, partition: int, rows: Rows
) -> None:
    """Write the keys of one partition of a window and their values, if there are any."""
    if len(rows.keys):
        name = f"{index_folder(source, step)}/window{window:05d}-part{partition:05d}{KEYS_SUFFIX}"
        with whole_files.write_whole(output, name) as file:
            for data in packed_rows([rows], rows.values.dtype):
                file.write(data)


def write_card(output: str, source: str, step: int, description: dict[str, Any]) -> None:
    """Write the card of an index whose files are all there; it has the ``description``."""
    write_card_of(output, index_folder(source, step), description, {})


def write_card_of(
    output: str, folder: str, description: dict[str, Any], origins: dict[str, Any]
) -> None:
    """Write the card of the index in a folder of the output folder, or in that itself.

    ``origins`` say of a file, by its name, where it comes from.
    """
    names = storage.list_names(output, folder) - {f"{folder}/{CARD}".lstrip("/")}
    files: dict[str, dict[str, Any]] = {}
    for name, digest in storage.sha256_of_each(output, names).items():
        short = name.removeprefix(f"{folder}/")
        origin = {"from": origins[short]} if short in origins else {}
        files[short] = {**_content(storage.join(output, name)), "sha256": digest, **origin}
    card = {
        "format": CARD_FORMAT,
        **description,
        "keys": sum(one.get("keys", 0) for one in files.values()),
        "files": files,
    }
    whole_files.write_bytes(output, f"{folder}/{CARD}".lstrip("/"), storage.json_bytes(card))


def _content(path: str) -> dict[str, int]:
    """Return the number of keys in a file, the first and the last, or that of documents."""
    with storage.open_read(path) as file:
        if not path.endswith(KEYS_SUFFIX):
            return {"documents": count_documents(file)}
        n_keys, first, last = span(file)
    return {"keys": n_keys, "first": first, "last": last}


def seen_before(cards: Iterable[str], copies: Iterable[str], keys: Keys) -> npt.NDArray[np.bool_]:
    """Tell which of some distinct, ascending keys stand in any of the indexes.

    Each is given by the path of its card and by that of a copy of it on this machine. Raises
    ValueError with the path of a file that is damaged.
    """
    seen = np.zeros(len(keys), bool)
    for card, copy in zip(cards, copies, strict=True):
        for path, here in files_with(card, copy, keys):
            with open_part(path) as file:
                seen[here] |= are_in(file, keys[here])
    return seen


def files_with(card: str, copy: str, keys: Keys) -> Iterator[tuple[str, slice]]:
    """Yield the files of an index that may have some ascending keys, and where these stand."""
    for name, one in files_of(copy).items():
        if not name.endswith(KEYS_SUFFIX):
            continue
        bounds = np.array([one["first"], one["last"]], np.uint64)
        begin = int(np.searchsorted(keys, bounds[0]))
        end = int(np.searchsorted(keys, bounds[1], side="right"))
        if begin < end:
            yield beside(card, name), slice(begin, end)


def beside(card: str, name: str) -> str:
    """Return the path of a file of the index that a card is of."""
    return storage.join(card.rsplit("/", 1)[0] if "/" in card else ".", name)


@contextmanager
def open_part(path: str) -> Iterator[BinaryIO]:
    """Open a file of an index. What is told of damage within the block names the file."""
    with storage.open_read(path) as file:
        try:
            yield file
        except ValueError as error:
            raise ValueError(f"{path}: damaged index: {error}") from None


@functools.cache
def files_of(copy: str) -> dict[str, dict[str, Any]]:
    """Return what a card says of the files of its index, read once a process."""
    files: dict[str, dict[str, Any]] = json.loads(Path(copy).read_bytes())["files"]
    return files
