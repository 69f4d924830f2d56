"""Conversion of SentencePiece BPE models like LLaMA's to Hugging Face's ``tokenizer.json``.

``LlamaTokenizer`` can also read ``tokenizer.model``, but not with a protobuf that is older than the
one for which SentencePiece's classes were generated. Recent versions also guess the order of merges
from the ids.
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
        reason = refusal(parse_model(model))
    except ValueError as error:
        raise ValueError(f"not a SentencePiece model: {error}") from None
    if reason:
        raise ValueError(f"a tokenizer.json would not give the same ids: {reason}")
    content = tokenizer_json(model, bos=False)
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


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


def tokenizer_json(model: bytes, *, bos: bool) -> dict[str, Any] | None:
    """Return the content of ``tokenizer.json``, None where it would not give the same ids.

    :func:`refusal` says when.
    ``bos`` tells whether a text begins with the begin token. LlamaTokenizer itself differs from
    SentencePiece on text that begins with a space: it adds no dummy space there.
    """
    parsed = parse_model(model)
    if refusal(parsed):
        return None
    escapes = ESCAPES if parsed.charsmap else {}
    pieces = [piece.text.decode() for piece in parsed.pieces]
    special = [i for i, piece in enumerate(parsed.pieces) if piece.kind in (CONTROL, UNKNOWN)]
    (unknown,) = (i for i in special if parsed.pieces[i].kind == UNKNOWN)
    begin = pieces.index("<s>") if bos else None
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
        "post_processor": None if begin is None else {
            "type": "TemplateProcessing",
            "single": [_special("<s>"), _sequence("A", 0)],
            "pair": [_special("<s>"), _sequence("A", 0), _special("<s>", 1), _sequence("B", 1)],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [begin], "tokens": ["<s>"]}},
        },
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


def _special(name: str, kind: int = 0) -> dict[str, Any]:
    return {"SpecialToken": {"id": name, "type_id": kind}}


def _sequence(name: str, kind: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": kind}}


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
