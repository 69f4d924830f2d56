"""Checks of tokenizers' files, without what encoding takes: they are made before work starts.

A folder stands for the tokenizer in it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import sentencepiece

from tokenizer.byte_level.automaton import automaton
from tokenizer.byte_level.json_file import byte_level_of_json, marks, parse_json
from tokenizer.byte_level.known_patterns import PATTERNS
from tokenizer.byte_level.library import LibraryEncoder, chosen_marks
from tokenizer.byte_level.pattern import UnsupportedPatternError
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken
from tokenizer.byte_level.tokenizer_file import NotCoveredError, TokenizerFile
from tokenizer.kinds import JSON, SENTENCEPIECE, TIKTOKEN, kind_of
from tokenizer.model_file import ModelFile, parse_model

FILES_OF_FOLDER = ("tokenizer.json", "tokenizer.model")
"""Files that a folder may stand for; the first that it has is taken."""

KNOWN = frozenset(pattern for patterns in PATTERNS.values() for pattern in patterns)
"""Patterns that have automata for certain, so that a check need not make them."""


def check_special(kind: str, special_in_text: bool) -> None:
    """Raise ValueError where a kind of tokenizer makes no special tokens of text, but should."""
    if special_in_text and kind == SENTENCEPIECE:
        raise ValueError("SentencePiece makes no special tokens of text (special_tokens_in_text)")


def check_tokenizer(
    path: str, *, bos: bool = False, eos: bool = False, special_in_text: bool = False
) -> str | None:
    """Check a tokenizer's file. Return why its text goes to the library whole, None if it does not.

    Raises ValueError, with the file's name, where it is no tokenizer, or has no token that ``bos``
    or ``eos`` asks for, or cannot do what ``special_in_text`` asks for. This is faster than to
    open its encoder.
    """
    data = Path(path).read_bytes()
    kind = kind_of(data)
    try:
        check_special(kind, special_in_text)
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
    """Make the automata of patterns, which shows that there are any; known ones have theirs."""
    for pattern in file.patterns:
        if pattern not in KNOWN:
            automaton(pattern)


def marks_of(data: bytes, path: str) -> tuple[int | None, int | None]:
    """Return the ids of begin and end of sequence of a file's content, None for none."""
    kind = kind_of(data)
    if kind == SENTENCEPIECE:
        return sentencepiece_marks(data)
    if kind == JSON:
        return marks(parse_json(data))
    file = byte_level_of_tiktoken(data, PurePosixPath(path).name)
    return file.bos, file.eos


@lru_cache(maxsize=2)
def opened_sentencepiece(model_proto: bytes) -> tuple[ModelFile, Any]:
    """Return a parsed model file, and SentencePiece's processor with the model.

    The last two are kept, since a model that was checked is mostly encoded with next.
    Raises ValueError or RuntimeError where the bytes are not a model.
    """
    return parse_model(model_proto), sentencepiece.SentencePieceProcessor(model_proto=model_proto)


def mark_id(processor: Any, name: str) -> int:
    """Return the id of ``bos`` or ``eos``. Raises ValueError where the tokenizer has none."""
    number = int(getattr(processor, f"{name}_id")())
    if number < 0:
        raise ValueError(f"the tokenizer has no {name} token")
    return number


def sentencepiece_marks(model_proto: bytes) -> tuple[int | None, int | None]:
    """Return a model's ids of begin and end of sequence, None for none."""
    _, processor = opened_sentencepiece(model_proto)
    bos, eos = (int(number) for number in (processor.bos_id(), processor.eos_id()))
    return bos if bos >= 0 else None, eos if eos >= 0 else None


def check_model(path: str, *, bos: bool = False, eos: bool = False) -> None:
    """Raise ValueError, with the file's name, where it is not a SentencePiece model.

    A model without a token that ``bos`` or ``eos`` asks for raises it, too. This is much faster
    than to load its encoder.
    """
    try:
        _, processor = opened_sentencepiece(Path(path).read_bytes())
        for name in ["bos"] * bos + ["eos"] * eos:
            mark_id(processor, name)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from None
