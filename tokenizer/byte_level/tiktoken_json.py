"""Conversion of a tiktoken file to Hugging Face's ``tokenizer.json``, whose ids are the same."""

from __future__ import annotations

from typing import Any

from tokenizer.byte_level.json_file import byte_characters
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken


def json_of_tiktoken(data: bytes, name: str) -> dict[str, Any]:
    """Return the content of the ``tokenizer.json`` of a tiktoken file with this name.

    Raises ValueError where the file is damaged, or its name does not say its kind.
    """
    file = byte_level_of_tiktoken(data, name)
    characters = byte_characters()
    spelled = {
        "".join(characters[byte] for byte in token): number for token, number in file.tokens.items()
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": False}  # fmt: skip
    splits = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in file.patterns
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, "special": True, "normalized": False,
             "single_word": False, "lstrip": False, "rstrip": False}
            for token, number in sorted(file.added.items(), key=lambda one: one[1])
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            # tiktoken takes a word that is a token as it is, whatever the merges say.
            "ignore_merges": True,
            "vocab": spelled,
            "merges": _merges(spelled),
        },
    }  # fmt: skip


def _merges(tokens: dict[str, int]) -> list[list[str]]:
    """Return all pairs that make a token, in the order of its rank.

    tiktoken merges the leftmost of the pairs that make the same token. Here pairs have an order.
    Where ``xy`` and ``yz`` are the same token, ``xyz`` must become ``xy`` and ``z``, so such pairs
    ``x``, ``y`` come first.
    """
    pairs = [
        (number, not token.startswith(token[cut:]), cut, token)
        for token, number in tokens.items()
        for cut in range(1, len(token))
        if token[:cut] in tokens and token[cut:] in tokens
    ]
    return [[token[:cut], token[cut:]] for _, _, cut, token in sorted(pairs)]
