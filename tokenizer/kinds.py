"""Kinds of tokenizers' files, told by their first bytes. It needs no numba, as a look at a run."""

from __future__ import annotations

from tokenizer.byte_level.tiktoken_file import is_tiktoken

SENTENCEPIECE, JSON, TIKTOKEN = "SentencePiece", "tokenizer.json", "tiktoken"
"""Kinds of files."""


def kind_of(data: bytes) -> str:
    """Return the kind of a tokenizer's file."""
    if data[:200].lstrip().startswith(b"{"):
        return JSON
    return TIKTOKEN if is_tiktoken(data) else SENTENCEPIECE
