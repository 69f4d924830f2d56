"""Byte-level BPE tokenizers trained for tests, in Hugging Face's form and in tiktoken's."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.support.samples.real_texts import c4, github, udhr
from tokenizer.byte_level.json_file import spelled_bytes
from tokenizer.byte_level.known_patterns import PATTERNS

END = "<|endoftext|>"
"""The special token of the tokenizers."""

SEVERAL_SCRIPTS = [
    "The quick brown fox's tail, and 1234567 more: it'll DON'T they've.",
    "def f(x):\n    return x\n",
    "Быстрая лиса прыгает",
    "素早い茶色の狐が犬を飛び越える。",
    "त्वरित भूरी लोमड़ी",
    "naïve café ÀÉ",
    "a  b   c\t\td\r\n\r\n  e",
    "x_1 = [0, 1, 22, 333];  // …",
    "이것은 문장입니다.",
    "שלום עולם",
    "١٢٣٤ ๑๒๓",
]
"""Texts to train on where there are no samples."""


def sample_texts(data: Path) -> list[str]:
    """Return a few real texts of many languages, and code."""
    dice = random.Random(5)
    texts = [*dice.sample(list(c4(data)), 60), *dice.sample(list(github(data)), 40)]
    return texts + [text[:2000] for text in dice.sample(list(udhr(data)), 60)]


def train(name: str, texts: Sequence[str], size: int = 1500) -> Tokenizer:
    """Train a tokenizer with a known pattern, in the form in which such models publish theirs."""
    made = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=name == "gpt2")
    made.pre_tokenizer = byte_level
    if name != "gpt2":
        splits = [pre_tokenizers.Split(Regex(one), "isolated") for one in PATTERNS[name]]
        made.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
    if name == "qwen2":
        made.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(texts, trainer)
    made.encode_special_tokens = True
    return made


def content_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return a tokenizer's ``tokenizer.json``, parsed."""
    return json.loads(tokenizer.to_str())


def library_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return the library's ids of texts."""
    return [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=False)]


def tiktoken_bytes(tokenizer: Tokenizer) -> bytes:
    """Return the tokens of a tokenizer as a tiktoken file."""
    tokens = sorted(content_of(tokenizer)["model"]["vocab"].items(), key=lambda one: one[1])
    spelled = [spelled_bytes(text) for text, _ in tokens if text != END]
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(spelled))
    return "".join(lines).encode()
