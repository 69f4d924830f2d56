"""Tokenizers of every kind by their file: SentencePiece models, ``tokenizer.json``, tiktoken files.

What a file is, its first bytes say.
"""

from __future__ import annotations

import functools
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tokenizer.byte_level.encode import ByteLevelEncoder
from tokenizer.byte_level.json_file import byte_level_of_json, parse_json
from tokenizer.byte_level.library import LibraryEncoder
from tokenizer.byte_level.pattern import UnsupportedPatternError
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken
from tokenizer.byte_level.tokenizer_file import NotCoveredError
from tokenizer.encode import BatchEncoder
from tokenizer.kinds import SENTENCEPIECE, TIKTOKEN, kind_of


class Encoder(Protocol):
    """An encoder of batches of texts with one tokenizer. Threads may share it."""

    vocabulary_size: int
    dtype: type[np.uint16] | type[np.int32]

    @property
    def method(self) -> str:
        """The method by which texts are encoded."""

    def encode(
        self, texts: pa.StringArray, *, bos: bool, eos: bool
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return the ids of all texts, and the offsets of each text's ids in them."""

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of a document's ids, without the marks of begin and end."""


@functools.cache
def open_encoder(path: str) -> Encoder:
    """Load the encoder of a tokenizer's file, once a process.

    A ``tokenizer.json`` that the kernels do not cover is encoded with by the library. ValueError
    names a file without a tokenizer.
    """
    try:
        return encoder_of(Path(path).read_bytes(), PurePosixPath(path).name)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from None


def encoder_of(data: bytes, file_name: str) -> Encoder:
    """Return the encoder of a file's content. Raises ValueError where it is no tokenizer's."""
    kind = kind_of(data)
    if kind == SENTENCEPIECE:
        return BatchEncoder(data)
    if kind == TIKTOKEN:
        return ByteLevelEncoder(byte_level_of_tiktoken(data, file_name))
    try:
        file = byte_level_of_json(parse_json(data))
        return ByteLevelEncoder(file, LibraryEncoder(data) if file.found_in_text else None)
    except (NotCoveredError, UnsupportedPatternError):
        return LibraryEncoder(data)
