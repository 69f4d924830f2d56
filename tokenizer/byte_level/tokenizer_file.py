"""What a byte-level BPE is, whichever file it comes from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]


class NotCoveredError(ValueError):
    """The error of a tokenizer that is not byte-level BPE as the kernels know it. It says why."""


class TokenizerFile(NamedTuple):
    """A byte-level BPE: how text is cut, what is merged, and the tokens."""

    patterns: tuple[str, ...]  # applied one within another
    composes: bool  # text becomes its NFC form first
    tokens: dict[bytes, int]  # without the special ones
    left: Ids  # the parts of merge i, its rank and what it makes
    right: Ids
    ranks: Ids
    made: Ids
    whole_words: bool  # a word that is a token is this token, whatever the merges say
    added: dict[str, int]  # tokens beside those; text becomes none that is not found in it
    found_in_text: tuple[str, ...]  # tokens that are found in text ahead of all else
    vocabulary_size: int
    bos: int | None
    eos: int | None


def check_bytes(tokens: dict[bytes, int]) -> None:
    """Raise NotCoveredError unless every byte is a token."""
    missing = [byte for byte in range(256) if bytes([byte]) not in tokens]
    if missing:
        raise NotCoveredError(f"bytes that are no token, such as {missing[0]}")
