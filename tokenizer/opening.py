"""Tokenizers of every kind by their file: SentencePiece models, ``tokenizer.json``, tiktoken files.

What a file is, its first bytes say. A folder stands for the tokenizer in it.
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
from tokenizer.byte_level.json_file import byte_level_of_json, marks, parse_json
from tokenizer.byte_level.library import LibraryEncoder, chosen_marks
from tokenizer.byte_level.pattern import UnsupportedPatternError, parse_pattern
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken
from tokenizer.byte_level.tiktoken_json import json_of_tiktoken
from tokenizer.byte_level.tokenizer_file import NotCoveredError, TokenizerFile
from tokenizer.encode import BatchEncoder, check_model, sentencepiece_marks
from tokenizer.kinds import JSON, SENTENCEPIECE, TIKTOKEN, kind_of

FILES_OF_FOLDER = ("tokenizer.json", "tokenizer.model")
"""Files that a folder may stand for; the first that it has is taken."""


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
    _check_special(kind := kind_of(data), special_in_text)
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


def _check_special(kind: str, special_in_text: bool) -> None:
    if special_in_text and kind == SENTENCEPIECE:
        raise ValueError("SentencePiece makes no special tokens of text (special_tokens_in_text)")


def check_tokenizer(
    path: str, *, bos: bool = False, eos: bool = False, special_in_text: bool = False
) -> str | None:
    """Check a tokenizer's file. Return why its text goes to the library whole, None if it does not.

    Raises ValueError, with the file's name, where it is no tokenizer, or has no token that ``bos``
    or ``eos`` asks for, or cannot do what ``special_in_text`` asks for. This is faster than
    :func:`open_encoder`.
    """
    data = Path(path).read_bytes()
    kind = kind_of(data)
    try:
        _check_special(kind, special_in_text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if kind == SENTENCEPIECE:
        check_model(path, bos=bos, eos=eos)
        return None
    try:
        chosen_marks(*marks_of(data, path), bos=bos, eos=eos)
        if kind == TIKTOKEN:
            return None
        try:
            _check_patterns(byte_level_of_json(parse_json(data)))
        except (NotCoveredError, UnsupportedPatternError) as error:
            LibraryEncoder(data)
            return str(error)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return None


def _check_patterns(file: TokenizerFile) -> None:
    for pattern in file.patterns:
        parse_pattern(pattern)


def mark_ids(path: str) -> tuple[int | None, int | None]:
    """Return the ids of begin and end of sequence of a tokenizer's file, None for none."""
    return marks_of(Path(path).read_bytes(), path)


def marks_of(data: bytes, path: str) -> tuple[int | None, int | None]:
    """Return the ids of begin and end of sequence of a file's content, None for none."""
    kind = kind_of(data)
    if kind == SENTENCEPIECE:
        return sentencepiece_marks(data)
    if kind == JSON:
        return marks(parse_json(data))
    file = byte_level_of_tiktoken(data, PurePosixPath(path).name)
    return file.bos, file.eos
