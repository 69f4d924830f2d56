"""Patterns by name: those that ``tokenizer.json`` implies, and those of tiktoken's files.

A tiktoken file holds ranks alone. Its name says the rest: ``o200k_base.tiktoken``, or any name with
a pattern's name ahead of the ending, as in ``mine.llama3.tiktoken``.
"""

from __future__ import annotations

from typing import NamedTuple

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The pattern of GPT-2, which ``ByteLevel`` of ``tokenizer.json`` applies by itself."""

_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

PATTERNS: dict[str, tuple[str, ...]] = {
    "gpt2": (GPT2,),
    "llama3": (_CL100K % "{1,3}",),
    "qwen2": (_CL100K % "",),
    "o200k": (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_ENDING}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_ENDING}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s+(?![\s\S])|\s*[\r\n]|\s+(?!\S)|\s",
    ),
    "deepseek": (
        r"\p{N}{1,3}",
        "[一-龥぀-ゟ゠-ヿ]+",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
}
"""Patterns by the name of the model that is known for them, applied one within another.

``cl100k`` is tiktoken's pattern for its file of this name: white space up to the end of a text is
one word there, and two or more in ``llama3`` where it has newlines."""


class TiktokenKind(NamedTuple):
    """What a tiktoken file does not say: its pattern, special tokens, and the two that are marks.

    Ids below zero count from behind the last rank: -1 is the first id that no rank has.
    """

    pattern: str
    special: dict[str, int]
    bos: str | None
    eos: str


_END = "<|endoftext|>"

TIKTOKEN_KINDS: dict[str, TiktokenKind] = {
    "gpt2": TiktokenKind("gpt2", {_END: -1}, None, _END),
    "r50k_base": TiktokenKind("gpt2", {_END: 50256}, None, _END),
    "p50k_base": TiktokenKind("gpt2", {_END: 50256}, None, _END),
    "cl100k_base": TiktokenKind(
        "cl100k",
        {_END: 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259,
         "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276},
        None, _END,
    ),
    "o200k_base": TiktokenKind("o200k", {_END: 199999, "<|endofprompt|>": 200018}, None, _END),
    "o200k": TiktokenKind("o200k", {_END: -1}, None, _END),
    "llama3": TiktokenKind(
        "llama3", {"<|begin_of_text|>": -1, "<|end_of_text|>": -2},
        "<|begin_of_text|>", "<|end_of_text|>",
    ),
    "qwen": TiktokenKind(
        "qwen2", {_END: -1, "<|im_start|>": -2, "<|im_end|>": -3}, None, _END
    ),
    "qwen2": TiktokenKind(
        "qwen2", {_END: -1, "<|im_start|>": -2, "<|im_end|>": -3}, None, _END
    ),
}  # fmt: skip
"""Kinds of tiktoken files, by what their names begin with or have ahead of ``.tiktoken``."""
