"""Hugging Face's ``tokenizer.json``, read as a byte-level BPE where it is one."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenizer.byte_level.code_points import DIGITS
from tokenizer.byte_level.known_patterns import GPT2
from tokenizer.byte_level.tokenizer_file import NotCoveredError, TokenizerFile, check_bytes

BOS_NAMES = ("<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<|startoftext|>", "<s>", "<bos>")
"""Tokens that begin a text, where the file puts none there. The first that it has is taken."""

EOS_NAMES = ("<|end_of_text|>", "<|endoftext|>", "<｜end▁of▁sentence｜>", "</s>", "<eos>")
"""Tokens that end a text, where the file puts none there. The first that it has is taken."""


def parse_json(data: bytes) -> dict[str, Any]:
    """Return the content of a ``tokenizer.json``. Raises ValueError where it is not one."""
    try:
        content = json.loads(data)
    except ValueError as error:
        raise ValueError(f"not a tokenizer.json: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise ValueError("not a tokenizer.json: it has no model")
    return content


def byte_level_of_json(content: Mapping[str, Any]) -> TokenizerFile:
    """Read a ``tokenizer.json`` as a byte-level BPE.

    Raises NotCoveredError, with the reason, where it is another kind of tokenizer.
    """
    model = content["model"]
    _check_model(model)
    normalizers = _parts(content.get("normalizer"), "normalizers")
    if any(one != {"type": "NFC"} for one in normalizers):
        raise NotCoveredError(f"the normaliser {_names(content['normalizer'], 'normalizers')}")
    vocabulary: dict[str, int] = model["vocab"]
    tokens = {
        spelled: number
        for text, number in vocabulary.items()
        if (spelled := spelled_bytes(text)) is not None
    }
    check_bytes(tokens)
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    try:
        left, right, made = (
            np.array([vocabulary[part] for part in parts], np.int32)
            for parts in (
                (a for a, _ in pairs), (b for _, b in pairs), (a + b for a, b in pairs),
            )
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise NotCoveredError(f"a merge of what is no token: {error}") from None
    added = {one["content"]: one for one in content.get("added_tokens") or []}
    bos, eos = marks(content)
    return TokenizerFile(
        _patterns(content.get("pre_tokenizer")),
        bool(normalizers),
        tokens,
        left, right, np.arange(len(pairs), dtype=np.int32), made,
        bool(model.get("ignore_merges")),
        {name: one["id"] for name, one in added.items()},
        tuple(name for name, one in added.items() if not one["special"]),
        vocabulary_size(content),
        bos,
        eos,
    )  # fmt: skip


def _check_model(model: Mapping[str, Any]) -> None:
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise NotCoveredError(f"a model of type {model.get('type')}")
    for key in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                "byte_fallback"):  # fmt: skip
        if model.get(key):
            raise NotCoveredError(f"a BPE with {key}")


def vocabulary_size(content: Mapping[str, Any]) -> int:
    """Return the number of ids of a ``tokenizer.json``: one more than the largest id."""
    vocabulary = content["model"].get("vocab") or {}
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    added = (one["id"] for one in content.get("added_tokens") or [])
    return 1 + max([*ids, *added], default=-1)


def marks(content: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the ids of begin and end of sequence, None where the file has no such token.

    They are what the file's post-processor puts around a text, or else tokens with a usual name.
    """
    vocabulary = content["model"].get("vocab")
    ids = dict(vocabulary) if isinstance(vocabulary, dict) else {}
    ids |= {one["content"]: one["id"] for one in content.get("added_tokens") or []}
    before, after = _around(content.get("post_processor"))
    found = []
    for around, names in ((before, BOS_NAMES), (after, EOS_NAMES)):
        names_in_file = [name for name in (*around, *names) if name in ids]
        found.append(ids[names_in_file[0]] if names_in_file else None)
    return found[0], found[1]


def _around(processor: Any) -> tuple[list[str], list[str]]:
    """Return the special tokens that a post-processor puts before and behind a text."""
    before: list[str] = []
    after: list[str] = []
    for one in _parts(processor, "processors"):
        where = before
        for item in one.get("single") or []:
            if "Sequence" in item:
                where = after
            elif "SpecialToken" in item:
                where.append(item["SpecialToken"]["id"])
    return before, after


def _parts(part: Any, key: str) -> Sequence[Mapping[str, Any]]:
    """Return the parts of a ``Sequence``, or the one part, or none."""
    if part is None:
        return []
    return part[key] if part["type"] == "Sequence" else [part]


def _names(part: Any, key: str) -> str:
    return ", ".join(str(one["type"]) for one in _parts(part, key))


def _patterns(pre_tokenizer: Any) -> tuple[str, ...]:
    """Return the patterns of a pre-tokenizer that ends with ``ByteLevel``."""
    parts = _parts(pre_tokenizer, "pretokenizers")
    if not parts or parts[-1]["type"] != "ByteLevel" or parts[-1].get("add_prefix_space"):
        raise NotCoveredError(f"the pre-tokenizer {_names(pre_tokenizer, 'pretokenizers')}")
    patterns = [_pattern(part) for part in parts[:-1]]
    if parts[-1].get("use_regex", True):
        patterns.append(GPT2)
    if not patterns:
        raise NotCoveredError("a pre-tokenizer that does not cut text into words")
    return tuple(patterns)


def _pattern(part: Mapping[str, Any]) -> str:
    if part["type"] == "Digits":
        return DIGITS if part.get("individual_digits") else f"{DIGITS}+"
    if part["type"] != "Split" or part["behavior"] != "Isolated" or part.get("invert"):
        raise NotCoveredError(
            f"the pre-tokenizer {part['type']} {part.get('behavior', '')}".strip()
        )
    pattern = part["pattern"]
    return str(pattern["Regex"]) if "Regex" in pattern else re.escape(pattern["String"])


@functools.cache
def byte_characters() -> tuple[str, ...]:
    """Return the characters that stand for the 256 bytes in byte-level tokens."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in shown else next(others)) for byte in range(256))


@functools.cache
def _byte_of_character() -> dict[int, int]:
    return {ord(character): byte for byte, character in enumerate(byte_characters())}


def spelled_bytes(token: str) -> bytes | None:
    """Return the bytes that a byte-level token spells, None where it is not one."""
    table = _byte_of_character()
    try:
        return bytes([table[ord(character)] for character in token])
    except KeyError:
        return None
