"""The tokens of a document with ids, pieces and their boundaries in the text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.inspection.piece_table import PieceTable, decode_tokens, text_starts


class Token(NamedTuple):
    """A token of a document; ``begin`` and ``end`` are bytes of the document's text in UTF-8."""

    id: int
    piece: str  # as in the SentencePiece model
    begin: int
    end: int
    shown: str  # its text, or the piece if its bytes are not whole characters


def tokens_of(
    table: PieceTable, ids: npt.NDArray[Any], first: int = 0, last: int | None = None
) -> list[Token]:
    """Return the tokens of a document, or those from ``first`` up to, not including, ``last``."""
    decoded = decode_tokens(table, ids)
    (start,) = text_starts(table, decoded, np.array([0, len(ids)], np.int64))
    edges = np.maximum(decoded.offsets, start)[first : None if last is None else last + 1]
    tokens = []
    for number, (begin, end) in zip(
        ids[first:last].tolist(), pairwise(edges.tolist()), strict=True
    ):
        piece = table.processor.id_to_piece(number)
        shown = piece if table.is_mark[number] else _shown(decoded.data[begin:end], piece)
        tokens.append(Token(number, piece, begin - int(start), end - int(start), shown))
    return tokens


def _shown(data: bytes, piece: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return piece
    return f"{piece}{text}" if text == "\n" else text


def describe_tokens(table: PieceTable, ids: npt.NDArray[Any]) -> dict[str, Any]:
    """Return a document's tokens as plain values, their number and their bytes of text."""
    tokens = tokens_of(table, ids)
    n_bytes = tokens[-1].end if tokens else 0
    return {
        "token_count": len(tokens),
        "text_bytes": n_bytes,
        "bytes_a_token": n_bytes / len(tokens) if tokens else None,
        "tokens": [token._asdict() for token in tokens],
    }
