"""Conversion of a tiktoken file to Hugging Face's ``tokenizer.json``, whose ids are the same."""

from __future__ import annotations

from typing import Any

from tokenizer.byte_level.json_file import byte_characters
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken
from tokenizer.convert import json_of_bpe


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
    return json_of_bpe(
        file.added,
        spelled,
        spelled,
        normalizer=None,
        pre_tokenizer={"type": "Sequence", "pretokenizers": [*splits, byte_level]},
        post_processor=None,
        decoder=byte_level,
        unknown=None,
        byte_fallback=False,
        # tiktoken takes a word that is a token as it is, whatever the merges say.
        ignore_merges=True,
    )
