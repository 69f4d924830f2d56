"""Decoding of many token ids at once: Arrow looks the bytes of each id up in a table.

Tokenizers that were trained here escape U+2581 (:mod:`tokenizer.train`). Their texts are shown
without the escapes, as SentencePiece and exported tokenizers decode them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sentencepiece import SentencePieceProcessor

from pipeline.files import storage
from pipeline.output.arrow_values import array_of_buffers, numbers
from pipeline.output.layout import holds_text
from tokenizer.character_map import reverses_escapes
from tokenizer.kinds import SENTENCEPIECE, kind_of
from tokenizer.model_file import denormaliser_map
from tokenizer.train import ESCAPES

if TYPE_CHECKING:
    from tokenizer.token_names import TokenNames

SPACE_MARK = "\u2581"
"""Character that stands for a space in SentencePiece's pieces."""

DECODED_TOKENS = 1 << 21
"""Tokens decoded at a time, about 8 MB of text. A longer document is decoded whole."""

_RESTORED = {escape.encode(): text.encode() for text, escape in ESCAPES.items()}
_ESCAPE = re.compile(b"|".join(map(re.escape, _RESTORED)))


class PieceTable(NamedTuple):
    """The bytes to which each token id of a tokenizer decodes; of shards of text, a byte to one."""

    processor: Any  # SentencePiece's, or what names other tokens and encodes; None for bytes
    pieces: pa.BinaryArray  # UTF-8 of each id; one byte for a byte piece, empty for a mark
    is_mark: npt.NDArray[np.bool_]  # true for begin and end of sequence and padding
    starts_with_space: bool  # the model puts a space before each text, which is no part of it
    has_escapes: bool  # the model writes U+2581 by an escape

    @property
    def is_of_bytes(self) -> bool:
        """Whether it is of shards of text, which have no tokens."""
        return self.processor is None


class DecodedTokens(NamedTuple):
    """Decoded tokens; the bytes of token ``i`` are ``data[offsets[i]:offsets[i + 1]]``."""

    data: bytes
    offsets: npt.NDArray[np.int64]


def read_tokenizer(manifest: dict[str, Any]) -> bytes:
    """Read the file of the tokenizer that made a run's shards.

    Raises ValueError if it is missing or has changed.
    """
    model = manifest["tokenizer"]["model"]
    if not storage.exists(model):
        raise ValueError(
            f"{model}: the tokenizer of the shards is not there; run this from the folder where "
            "the pipeline ran, or put it there"
        )
    data = storage.read_bytes(model)
    if hashlib.sha256(data).hexdigest() != manifest["tokenizer"]["sha256"]:
        raise ValueError(f"{model}: not the tokenizer that made the shards (by SHA-256)")
    return data


def load_piece_table(manifest: dict[str, Any]) -> PieceTable:
    """Load the table of a run's tokenizer; raises ValueError like :func:`read_tokenizer`.

    A run whose shards hold text needs no tokenizer.
    """
    if holds_text(manifest):
        pieces = array_of_buffers(
            pa.binary(), 256, np.arange(257, dtype=np.int32), bytes(range(256))
        )
        return PieceTable(None, pieces, np.zeros(256, np.bool_), False, False)
    data = read_tokenizer(manifest)
    if kind_of(data) == SENTENCEPIECE:
        return piece_table(data)
    from tokenizer.token_names import token_names  # with numba, which most tokenizers need not

    return _table_of_tokens(token_names(data, PurePosixPath(manifest["tokenizer"]["model"]).name))


def piece_table(model_proto: bytes) -> PieceTable:
    """Make the table for a serialised SentencePiece model."""
    processor = SentencePieceProcessor(model_proto=model_proto)
    ids = list(range(processor.vocab_size()))
    is_mark = np.array([processor.is_control(i) for i in ids])
    pieces = [
        b"" if mark else _surface(processor, i, piece)
        for i, piece, mark in zip(ids, processor.id_to_piece(ids), is_mark, strict=True)
    ]
    # A single space piece decodes to "" exactly if the decoder strips the first space.
    adds_space = processor.decode([processor.piece_to_id(SPACE_MARK)]) == ""
    ends = np.cumsum([0, *map(len, pieces)], dtype=np.int32)
    return PieceTable(
        processor,
        array_of_buffers(pa.binary(), len(pieces), ends, b"".join(pieces)),
        is_mark,
        adds_space,
        reverses_escapes(denormaliser_map(model_proto)),
    )


def _table_of_tokens(names: TokenNames) -> PieceTable:
    """Make the table for a tokenizer other than SentencePiece's. No space precedes its texts."""
    ends = np.cumsum([0, *map(len, names.surfaces)], dtype=np.int32)
    return PieceTable(
        names,
        array_of_buffers(pa.binary(), len(names.surfaces), ends, b"".join(names.surfaces)),
        np.array(names.is_special, np.bool_),
        starts_with_space=False,
        has_escapes=False,
    )


def _surface(processor: Any, number: int, piece: str) -> bytes:
    if processor.is_byte(number):
        return bytes([int(piece[3:-1], 16)])
    if processor.is_unknown(number):
        return str(processor.decode([number])).encode()
    return piece.replace(SPACE_MARK, " ").encode()


def decode_tokens(table: PieceTable, ids: npt.NDArray[Any]) -> DecodedTokens:
    """Decode tokens. The space that the model puts before each document's text is included."""
    if table.is_of_bytes:
        return DecodedTokens(ids.tobytes(), np.arange(len(ids) + 1))
    gathered = pc.take(table.pieces, numbers(ids))
    _, offsets, data = gathered.buffers()
    at = np.frombuffer(offsets, np.int32, len(ids) + 1).astype(np.int64)
    decoded = DecodedTokens(b"" if data is None else data.slice(0, int(at[-1])).to_pybytes(), at)
    return _unescaped(decoded) if table.has_escapes else decoded


def _unescaped(decoded: DecodedTokens) -> DecodedTokens:
    """Replace the escapes. Of an escape in two tokens, each has at most a part of the character."""
    data = decoded.data
    begins = np.array([match.start() for match in _ESCAPE.finditer(data)], np.int64)
    if not len(begins):
        return decoded
    restored = _ESCAPE.sub(lambda match: _RESTORED[match.group()], data)
    of_escape = [len(_RESTORED[data[at : at + 2]]) - 2 for at in begins.tolist()]
    # Bytes by which the text has grown ahead of each escape, and behind the last one.
    grown = np.cumsum([0, *of_escape])
    n_begun = np.searchsorted(begins, decoded.offsets, "left")
    within = (n_begun > 0) & (begins[n_begun - 1] + 1 == decoded.offsets)
    return DecodedTokens(restored, decoded.offsets + grown[n_begun - within])


def text_starts(
    table: PieceTable, decoded: DecodedTokens, token_offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the offset of each document's text in the bytes of the decoded tokens.

    Document ``i`` has the tokens ``token_offsets[i]`` to ``token_offsets[i + 1]``. Its text begins
    after the space that the model puts before it.
    """
    starts = decoded.offsets[token_offsets[:-1]]
    if not table.starts_with_space or not decoded.data:
        return starts
    data = np.frombuffer(decoded.data, np.uint8)
    ends = decoded.offsets[token_offsets[1:]]
    has_text = starts < ends
    spaced = np.zeros(len(starts), bool)
    spaced[has_text] = data[starts[has_text]] == ord(" ")
    return starts + spaced


def document_text(table: PieceTable, ids: npt.NDArray[Any]) -> str:
    """Decode the tokens of one document."""
    decoded = decode_tokens(table, ids)
    (start,) = text_starts(table, decoded, np.array([0, len(ids)], np.int64))
    return decoded.data[start:].decode(errors="replace")
