"""The tokens with which a model is taught to fill in the middle of a text, by their names."""

from __future__ import annotations

from typing import NamedTuple

from sentencepiece import SentencePieceProcessor

from tokenizer.kinds import SENTENCEPIECE, kind_of

NAMES = (
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
)
"""Names of the tokens ahead of prefix, suffix and middle: StarCoder's, Qwen's, SantaCoder's,
DeepSeek's, Code Llama's. The first that a tokenizer has are taken."""


class MiddleTokens(NamedTuple):
    """The ids of the tokens ahead of the prefix, the suffix and the middle of a text."""

    prefix: int
    suffix: int
    middle: int


def middle_tokens(data: bytes, file_name: str) -> MiddleTokens:
    """Return the tokens of a tokenizer's file. Raises ValueError where it has none."""
    numbers = _numbers(data, file_name)
    for names in NAMES:
        if all(name in numbers for name in names):
            return MiddleTokens(*(numbers[name] for name in names))
    raise ValueError(
        "the tokenizer has no tokens to fill in the middle: "
        + ", ".join(names[0] for names in NAMES)
        + " and theirs"
    )


def _numbers(data: bytes, file_name: str) -> dict[str, int]:
    """Return the ids of all tokens by their names."""
    if kind_of(data) == SENTENCEPIECE:
        processor = SentencePieceProcessor(model_proto=data)
        names = processor.id_to_piece(list(range(processor.vocab_size())))
    else:
        from tokenizer.token_names import token_names  # with numba, which takes its time

        names = token_names(data, file_name).names
    return {name: number for number, name in enumerate(names)}
