"""Training of byte-level BPE tokenizers, by the library ``tokenizers``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizer.byte_level.known_patterns import PATTERNS

END = ("<|endoftext|>",)
"""The special token of a trained tokenizer: the end of a text."""

MARKS = {"llama3": ("<|begin_of_text|>", "<|end_of_text|>")}
"""The special tokens of tokenizers that have a begin of a text, too, by their pattern."""

N_BYTES = 256
"""Tokens that every byte-level tokenizer has."""


def train_byte_level(texts: Iterable[str], pattern: str, vocabulary_size: int) -> bytes:
    """Train a tokenizer on documents; return its ``tokenizer.json``.

    ``pattern`` is the name of a pattern that cuts text into words (:data:`PATTERNS`). The same
    documents in the same order give the same bytes. Raises ValueError where the documents do not
    give ``vocabulary_size`` tokens, and as :func:`check_byte_level` does.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    check_byte_level(pattern, vocabulary_size)
    made: Any = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Split(Regex(one), "isolated") for one in PATTERNS[pattern]]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(MARKS.get(pattern, END)),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    found = made.get_vocab_size()
    if found < vocabulary_size:
        raise ValueError(
            f"the documents give {found:,} pieces, not {vocabulary_size:,}; take more documents, "
            "or ask for fewer pieces"
        )
    return json.dumps(json.loads(made.to_str()), ensure_ascii=False, indent=1).encode()


def check_byte_level(pattern: str, vocabulary_size: int) -> None:
    """Raise ValueError where there is no such pattern, or a vocabulary has no room for merges."""
    if pattern not in PATTERNS:
        raise ValueError(f"there is no pattern {pattern!r}: one of {', '.join(PATTERNS)}")
    least = N_BYTES + len(MARKS.get(pattern, END))
    if vocabulary_size <= least:
        raise ValueError(
            f"a vocabulary of {vocabulary_size:,} pieces: bytes and marks alone are {least}; ask "
            "for more"
        )
