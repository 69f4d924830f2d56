"""Small SentencePiece models of every kind, trained on the texts of the samples."""

from __future__ import annotations

import functools
import io
from typing import Any

import sentencepiece

from tests.support.runs import ROOT

PLAIN: dict[str, Any] = {
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "split_digits": True,
}
"""Options of LLaMA's tokenizer."""


@functools.cache
def texts() -> list[str]:
    """Return the texts, in many languages and in code."""
    return [path.read_text() for path in sorted((ROOT / "samples" / "texts").glob("*.txt"))]


def trained(**options: Any) -> bytes:
    """Train a BPE model with byte fallback, unless the options say otherwise."""
    model = io.BytesIO()
    lines = [line for text in texts() for line in text.splitlines() if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, minloglevel=2, num_threads=1,
        **{"vocab_size": 1_200, "model_type": "bpe", "byte_fallback": True, **options},
    )  # fmt: skip
    return model.getvalue()
