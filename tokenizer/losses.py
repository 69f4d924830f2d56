"""What of a text a tokenizer loses, so that it does not come back from the ids."""

from __future__ import annotations

from tokenizer.byte_level.json_file import byte_level_of_json, parse_json
from tokenizer.byte_level.tokenizer_file import NotCoveredError
from tokenizer.kinds import JSON, TIKTOKEN, kind_of
from tokenizer.model_file import parse_model
from tokenizer.train import escaping_charsmap

LOSES_MARKS = "U+2581 in a text becomes a space"
"""The one loss of LLaMA's tokenizer and its like."""


def loss(data: bytes) -> str | None:
    """Return what a tokenizer's file loses, None where every text comes back from its ids."""
    kind = kind_of(data)
    if kind == TIKTOKEN:
        return None
    if kind == JSON:
        try:
            file = byte_level_of_json(parse_json(data))
        except NotCoveredError as error:
            return f"what is lost of a text is not known of {error}"
        return "text is brought into Unicode's form NFC" if file.composes else None
    model = parse_model(data)
    if model.charsmap and model.charsmap != escaping_charsmap():
        return "text is normalised"
    if not model.byte_fallback:
        return "unknown characters become the unknown token"
    if model.remove_extra_whitespaces:
        return "extra white space is removed"
    return None if model.charsmap else LOSES_MARKS
