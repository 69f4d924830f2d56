"""Conversion of SentencePiece BPE models like LLaMA's to Hugging Face's ``tokenizer.json``.

What SentencePiece does to a text stands in the file: the dummy space, spaces as U+2581, and the
escapes of models that are trained here.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizer.model_file import (
    BPE,
    CONTROL,
    SPACE_MARK,
    UNKNOWN,
    USER_DEFINED,
    ModelFile,
    parse_model,
)
from tokenizer.train import ESCAPES, escaping_charsmap


def convert_model(model: bytes) -> bytes:
    """Return the ``tokenizer.json`` of a SentencePiece model. The ids of all texts agree.

    No begin or end of sequence is put around a text. Raises ValueError, with the reason, where the
    ids would not agree.
    """
    try:
        parsed = parse_model(model)
    except ValueError as error:
        raise ValueError(f"not a SentencePiece model: {error}") from None
    if reason := refusal(parsed):
        raise ValueError(f"a tokenizer.json would not give the same ids: {reason}")
    return json.dumps(_content(parsed), ensure_ascii=False, indent=1).encode()


def refusal(parsed: ModelFile) -> str | None:
    """Return why a model's ``tokenizer.json`` would not give the same ids, None where it does."""
    if parsed.model_type != BPE:
        return "its model is not BPE"
    if not parsed.byte_fallback:
        return "it has no byte fallback, and unknown characters in a row are one token"
    if parsed.charsmap and parsed.charsmap != escaping_charsmap():
        return "it normalises text"
    if parsed.remove_extra_whitespaces:
        return "it removes extra white space"
    if parsed.whitespace_as_suffix or not parsed.escape_whitespaces:
        return "its pieces do not begin with their space"
    if not parsed.add_dummy_prefix:
        return "it puts no space before a text"
    if any(piece.kind == USER_DEFINED for piece in parsed.pieces):
        return "it has symbols of users"
    return None


def _content(parsed: ModelFile) -> dict[str, Any]:
    escapes = ESCAPES if parsed.charsmap else {}
    pieces = [piece.text.decode() for piece in parsed.pieces]
    special = [i for i, piece in enumerate(parsed.pieces) if piece.kind in (CONTROL, UNKNOWN)]
    (unknown,) = (i for i in special if parsed.pieces[i].kind == UNKNOWN)
    space = SPACE_MARK.decode()
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": pieces[i], "special": True, "normalized": False,
             "single_word": False, "lstrip": False, "rstrip": False}
            for i in special
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            *(_replace(character, escape) for character, escape in escapes.items()),
            {"type": "Prepend", "prepend": space},
            _replace(" ", space),
        ]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            _replace(space, " "),
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            *(_replace(escape, character) for character, escape in reversed(escapes.items())),
        ]},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": pieces[unknown],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "merges": _merges(pieces, [piece.score for piece in parsed.pieces], set(special)),
        },
    }  # fmt: skip


def _replace(text: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": text}, "content": content}


def _merges(pieces: list[str], scores: list[float], special: set[int]) -> list[list[str]]:
    """Return the pairs of pieces that merge to a piece, those with the best score first."""
    ids = {piece: i for i, piece in enumerate(pieces) if i not in special}
    pairs = [
        (-scores[i], i, piece[:cut], piece[cut:])
        for piece, i in ids.items()
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    return [[left, right] for _, _, left, right in sorted(pairs)]
