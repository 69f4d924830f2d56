"""SentencePiece model files: their pieces, and their settings for normalising and splitting text.

The file is a protocol buffer (``sentencepiece_model.proto``). The few fields that are needed are
parsed here, because the Python classes of the package need a newer protobuf runtime than Beam
allows.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

UNIGRAM, BPE = 1, 2
"""Values of ``model_type``."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Values of a piece's type."""

TRAINER, NORMALISER, DENORMALISER = 2, 3, 5
"""Numbers of the model's messages other than pieces."""

CHARSMAP, ADD_DUMMY_PREFIX, RULES_FILE = 2, 3, 6
"""Numbers of fields of a normaliser."""

SPACE_MARK = "\u2581".encode()
"""UTF-8 of the character that stands for a space in SentencePiece's pieces."""


class Piece(NamedTuple):
    """An entry of the vocabulary. Its id is its position."""

    text: bytes
    score: float
    kind: int


class ModelFile(NamedTuple):
    """The parts of a model file on which encoding depends."""

    pieces: list[Piece]
    model_type: int
    byte_fallback: bool
    whitespace_as_suffix: bool
    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


def parse_model(data: bytes) -> ModelFile:
    """Parse a serialised ``ModelProto``. Raises ValueError where it is not one, or is cut off.

    Pieces come first in the file, and the settings of the trainer and the normaliser, which every
    model has, after them. A file that was cut off between two pieces is recognised by the missing
    settings; otherwise it would pass for a smaller model.
    """
    pieces: list[Piece] = []
    trainer: dict[int, bytes | int] | None = None
    normalizer: dict[int, bytes | int] | None = None
    for number, value in _fields(data):
        if number == 1:
            piece = dict(_fields(_message(value)))
            (score,) = struct.unpack("<f", _message(piece.get(2, bytes(4))))
            pieces.append(Piece(_message(piece.get(1, b"")), score, int(piece.get(3, NORMAL))))
        elif number == TRAINER:
            trainer = dict(_fields(_message(value)))
        elif number == NORMALISER:
            normalizer = dict(_fields(_message(value)))
    if not pieces:
        raise ValueError("not a SentencePiece model")
    if trainer is None or normalizer is None:
        raise ValueError("a SentencePiece model without its rules: the file was cut off")
    return ModelFile(
        pieces,
        model_type=int(trainer.get(3, UNIGRAM)),
        byte_fallback=bool(trainer.get(35, False)),
        whitespace_as_suffix=bool(trainer.get(24, False)),
        charsmap=_message(normalizer.get(2, b"")),
        add_dummy_prefix=bool(normalizer.get(3, True)),
        remove_extra_whitespaces=bool(normalizer.get(4, True)),
        escape_whitespaces=bool(normalizer.get(5, True)),
    )


def denormaliser_map(data: bytes) -> bytes:
    """Return the character map of a model's denormaliser, which decoding applies; often empty.

    Raises ValueError where ``data`` is not a model. This is much faster than :func:`parse_model`.
    """
    charsmap = b""
    for number, value in _fields(data):
        if number == DENORMALISER:
            charsmap = _message(dict(_fields(_message(value))).get(CHARSMAP, b""))
    return charsmap


def _message(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a SentencePiece model has bytes")
    return value


def without_fields(data: bytes, dropped: Mapping[int, Collection[int]]) -> bytes:
    """Return a serialised ``ModelProto`` without some fields of its messages.

    ``dropped`` maps the number of a message to the numbers of the fields to leave out. Raises
    ValueError where ``data`` is not a model.
    """
    parts = []
    for number, value, start, end in _spans(data):
        if number in dropped:
            message = _message(value)
            kept = b"".join(
                message[first:last]
                for inner, _, first, last in _spans(message)
                if inner not in dropped[number]
            )
            parts += [_varint(number << 3 | 2), _varint(len(kept)), kept]
        else:
            parts.append(data[start:end])
    return b"".join(parts)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the number and the value of each field of a protocol buffer message."""
    return ((number, value) for number, value, _, _ in _spans(data))


def _spans(data: bytes) -> Iterator[tuple[int, bytes | int, int, int]]:
    """Yield the number and value of each field of a message, and its begin and end in bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(data):
                raise ValueError("a SentencePiece model that ends within a field")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        start = at
        key = varint()
        wire_type = key & 7
        if wire_type == 0:
            number = varint()
            yield key >> 3, number, start, at
            continue
        if wire_type not in (1, 2, 5):
            raise ValueError("not a SentencePiece model")
        size = varint() if wire_type == 2 else 8 if wire_type == 1 else 4
        if at + size > len(data):
            raise ValueError("a SentencePiece model that ends within a field")
        at += size
        yield key >> 3, data[at - size : at], start, at
