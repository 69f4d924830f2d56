"""Conversion of a SentencePiece model like LLaMA's to Hugging Face's ``tokenizer.json``.

``LlamaTokenizer`` can also read ``tokenizer.model``, but not with a protobuf that is older than the
one for which SentencePiece's classes were generated. Recent versions also guess the order of merges
from the ids.
"""

from __future__ import annotations

from typing import Any

from tokenizer.model_file import BPE, CONTROL, SPACE_MARK, UNKNOWN, USER_DEFINED, parse_model


def tokenizer_json(model: bytes, *, bos: bool) -> dict[str, Any] | None:
    """Return the content of ``tokenizer.json``, None where it would not give the same ids.

    It would not for models other than BPE with byte fallback, and for models that normalise text.
    ``bos`` tells whether a text begins with the begin token. LlamaTokenizer itself differs from
    SentencePiece on text that begins with a space: it adds no dummy space there.
    """
    parsed = parse_model(model)
    if (
        parsed.model_type != BPE
        or not parsed.byte_fallback
        or parsed.charsmap
        or parsed.remove_extra_whitespaces
        or parsed.whitespace_as_suffix
        or not (parsed.escape_whitespaces and parsed.add_dummy_prefix)
        or any(piece.kind == USER_DEFINED for piece in parsed.pieces)
    ):
        return None
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
            {"type": "Prepend", "prepend": space},
            {"type": "Replace", "pattern": {"String": " "}, "content": space},
        ]},
        "pre_tokenizer": None,
        "post_processor": None if begin is None else {
            "type": "TemplateProcessing",
            "single": [_special("<s>"), _sequence("A", 0)],
            "pair": [_special("<s>"), _sequence("A", 0), _special("<s>", 1), _sequence("B", 1)],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [begin], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": space}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
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
