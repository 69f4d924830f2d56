"""Conversion of a SentencePiece model to Hugging Face's ``tokenizer.json``.

Transformers' own conversion of ``tokenizer.model`` knows LLaMA's model alone: it takes a dummy
space for granted, and no rules of normalisation. What is written here says everything, so it is
loaded as it stands (``PreTrainedTokenizerFast``), and gives SentencePiece's ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizer.character_map import reverses_escapes
from tokenizer.character_steps import Step, character_steps, replace
from tokenizer.model_file import (
    BPE,
    CONTROL,
    NORMAL,
    SPACE_MARK,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    ModelFile,
    denormaliser_map,
    parse_model,
)

SPACE = SPACE_MARK.decode()
"""The character that stands for a space in pieces."""

ANY_NUMBER = 1 << 30
"""Number of spaces that no text begins with."""


def convert_model(model: bytes) -> bytes:
    """Return the ``tokenizer.json`` of a SentencePiece model. The ids of all texts agree.

    No begin or end of sequence is put around a text. Raises ValueError, with the reason, where the
    ids would not agree.
    """
    try:
        parse_model(model)
    except ValueError as error:
        raise ValueError(f"not a SentencePiece model: {error}") from None
    try:
        content = tokenizer_json(model, begin=None)
    except ValueError as error:
        raise ValueError(f"a tokenizer.json would not give the same ids: {error}") from None
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def tokenizer_json(model: bytes, *, begin: int | None) -> dict[str, Any]:
    """Return the content of ``tokenizer.json``, which gives the same ids as the model.

    ``begin`` is the token with which documents begin, None for none. Raises ValueError, with the
    reason, for models that Hugging Face's tokenizers cannot follow.
    """
    parsed = parse_model(model)
    if reason := _unfit(parsed):
        raise ValueError(reason)
    denormaliser = denormaliser_map(model)
    if denormaliser and not reverses_escapes(denormaliser):
        raise ValueError("it has a denormaliser of its own")
    pieces = [piece.text.decode() for piece in parsed.pieces]
    kinds = [piece.kind for piece in parsed.pieces]
    symbols = [piece for piece, kind in zip(pieces, kinds, strict=True) if kind == USER_DEFINED]
    special = {pieces[i]: i for i, kind in enumerate(kinds) if kind in (CONTROL, UNKNOWN)}
    # SentencePiece merges the pair whose piece has the best score.
    ranks = {
        piece.text.decode(): (-piece.score, i)
        for i, piece in enumerate(parsed.pieces)
        if piece.kind == NORMAL
    }
    return json_of_bpe(
        special,
        {piece: i for i, piece in enumerate(pieces)},
        ranks,
        normalizer=_sequence("normalizers", _normaliser(parsed)),
        pre_tokenizer=_isolated(symbols),
        post_processor=None if begin is None else begins_with(pieces[begin], begin),
        decoder=_sequence("decoders", _decoder(parsed, bool(denormaliser))),
        unknown=pieces[kinds.index(UNKNOWN)],
        byte_fallback=parsed.byte_fallback,
        # A symbol of the user's is a part of its own, which no merges make.
        ignore_merges=bool(symbols),
    )


def _unfit(parsed: ModelFile) -> str | None:
    """Return why a model cannot be converted, None if it can."""
    if parsed.model_type != BPE:
        return "it is not a BPE model"
    if parsed.whitespace_as_suffix:
        return "it writes spaces behind words (treat_whitespace_as_suffix)"
    if not parsed.escape_whitespaces:
        return "it does not write spaces as U+2581 (escape_whitespaces)"
    if any(piece.kind == UNUSED for piece in parsed.pieces):
        return "it has unused pieces, which are taken apart again"
    if len({piece.text for piece in parsed.pieces}) < len(parsed.pieces):
        return "two of its pieces are the same text"
    return None


def _normaliser(parsed: ModelFile) -> list[Step]:
    """Return the steps that write a text as SentencePiece's normaliser does."""
    steps = character_steps(parsed.charsmap)
    if parsed.remove_extra_whitespaces:
        steps += [replace({"Regex": " {2,}"}, " "), replace({"Regex": r"\A | \z"}, "")]
    # A text of characters that the rules delete has a dummy space all the same.
    at = len(steps) if parsed.remove_extra_whitespaces else 0
    if parsed.add_dummy_prefix:
        steps.insert(at, {"type": "Prepend", "prepend": " "})
    steps.append(replace({"String": " "}, SPACE))
    if parsed.remove_extra_whitespaces:
        steps.append(replace({"Regex": rf"{SPACE}+\z"}, ""))
    return steps


def _isolated(symbols: Sequence[str]) -> Step | None:
    """Return the pre-tokenizer that cuts the user's symbols out of a text, the longest first."""
    if not symbols:
        return None
    longest_first = sorted(symbols, key=len, reverse=True)
    pattern = "|".join(re.escape(symbol) for symbol in longest_first)
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def begins_with(name: str, number: int) -> Step:
    """Return the post-processor that puts a token ahead of every text."""
    special, text = {"id": name, "type_id": 0}, {"id": "A", "type_id": 0}
    second = [{"SpecialToken": {"id": name, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    first = [{"SpecialToken": special}, {"Sequence": text}]
    return {
        "type": "TemplateProcessing",
        "single": first,
        "pair": [*first, *second],
        "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]}},
    }


def _decoder(parsed: ModelFile, has_escapes: bool) -> list[Step]:
    steps = [replace({"String": SPACE}, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if parsed.add_dummy_prefix or parsed.remove_extra_whitespaces:
        most = ANY_NUMBER if parsed.remove_extra_whitespaces else 1
        steps.append({"type": "Strip", "content": " ", "start": most, "stop": 0})
    if has_escapes:
        # An escape follows an even number of U+0010, which stand for half as many.
        steps += [
            replace({"Regex": r"(?<!\x10)(?:\x10\x10)*\K\x10_"}, SPACE),
            replace({"String": "\x10\x10"}, "\x10"),
        ]
    return steps


def _sequence(name: str, steps: list[Step]) -> Step:
    return {"type": "Sequence", name: steps}


def json_of_bpe(
    special: Mapping[str, int],
    vocabulary: Mapping[str, int],
    ranks: Mapping[str, Any],
    *,
    normalizer: Mapping[str, Any] | None,
    pre_tokenizer: Mapping[str, Any] | None,
    post_processor: Mapping[str, Any] | None,
    decoder: Mapping[str, Any],
    unknown: str | None,
    byte_fallback: bool,
    ignore_merges: bool,
) -> dict[str, Any]:
    """Return the content of the ``tokenizer.json`` of a byte pair encoding.

    ``ranks`` are of the tokens that merges make: the least is merged first.
    """
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, "special": True, "normalized": False,
             "single_word": False, "lstrip": False, "rstrip": False}
            for token, number in sorted(special.items(), key=lambda one: one[1])
        ],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unknown,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": unknown is not None,
            "byte_fallback": byte_fallback,
            "ignore_merges": ignore_merges,
            "vocab": vocabulary,
            "merges": _merges(ranks),
        },
    }  # fmt: skip


def _merges(ranks: Mapping[str, Any]) -> list[list[str]]:
    """Return all pairs of tokens that make a token, in the order of its rank.

    SentencePiece and tiktoken merge the leftmost of the pairs that make the same token. Here pairs
    have an order. Where ``xy`` and ``yz`` are the same token, ``xyz`` must become ``xy`` and ``z``,
    so such pairs ``x``, ``y`` come first.
    """
    pairs = [
        (rank, not token.startswith(token[cut:]), cut, token)
        for token, rank in ranks.items()
        for cut in range(1, len(token))
        if token[:cut] in ranks and token[cut:] in ranks
    ]
    return [[token[:cut], token[cut:]] for _, _, cut, token in sorted(pairs)]
