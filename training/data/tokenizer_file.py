"""The tokenizer of a corpus, read from its path and compared with the corpus's record of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def read_tokenizer(description: Mapping[str, Any]) -> bytes:
    """Read the tokenizer's file that a manifest or a training run describes.

    Its path may be remote. Raises ValueError where it is not there, or is not the one that made the
    shards.
    """
    path = str(description["model"])
    try:
        data = _read(path)
    except OSError:
        raise ValueError(
            f"{path}: the tokenizer of the shards is not there; run this from the folder where the "
            "pipeline ran, or put it there"
        ) from None
    if hashlib.sha256(data).hexdigest() != description["sha256"]:
        raise ValueError(f"{path}: not the tokenizer that made the shards (by SHA-256)")
    return data


def _read(path: str) -> bytes:
    import fsspec

    with fsspec.open(path, "rb") as file:
        data: bytes = file.read()
    return data
