"""Tokenizers of every kind by their file: SentencePiece models, ``tokenizer.json``, tiktoken files.

What a file is, its first bytes say.
"""

from __future__ import annotations

import functools
import json
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
from tokenizer.byte_level.tiktoken_json import json_of_tiktoken
from tokenizer.byte_level.tokenizer_file import NotCoveredError
from tokenizer.checking import check_special
from tokenizer.encode import BatchEncoder
from tokenizer.kinds import JSON, SENTENCEPIECE, TIKTOKEN, kind_of


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
def open_encoder(path: str, *, special_in_text: bool = False) -> Encoder:
    """Load the encoder of a tokenizer's file, once a process.

    A ``tokenizer.json`` that the kernels do not cover is encoded with by the library. ValueError
    names a file without a tokenizer, and as :func:`encoder_of` does.
    """
    name = PurePosixPath(path).name
    try:
        return encoder_of(Path(path).read_bytes(), name, special_in_text=special_in_text)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from None


def encoder_of(data: bytes, file_name: str, *, special_in_text: bool = False) -> Encoder:
    """Return the encoder of a file's content.

    With ``special_in_text``, special tokens that are spelt out in a text become these tokens.
    Raises ValueError where the file is no tokenizer's, or a SentencePiece model is asked for that.
    """
    check_special(kind := kind_of(data), special_in_text)
    if kind == SENTENCEPIECE:
        return BatchEncoder(data)
    if kind == TIKTOKEN:
        file = byte_level_of_tiktoken(data, file_name)
        if not special_in_text:
            return ByteLevelEncoder(file)
        data = json.dumps(json_of_tiktoken(data, file_name)).encode()
    try:
        if kind == JSON:
            file = byte_level_of_json(parse_json(data))
        needed = special_in_text or file.found_in_text
        library = LibraryEncoder(data, special_in_text=special_in_text) if needed else None
        return ByteLevelEncoder(file, library, special_in_text=special_in_text)
    except (NotCoveredError, UnsupportedPatternError):
        return LibraryEncoder(data, special_in_text=special_in_text)
