"""Byte-level BPE tokenizers trained for tests, in Hugging Face's form and in tiktoken's."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.support.samples.real_texts import FRAGMENTS, c4, github, udhr
from tests.support.sentencepiece_models import texts as short_texts
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

ODD = [
    "'s", "'S", "'\u017f", "'LL'rE", "\u2019s", "\r", "\r\n", " \r\n ", "\n \n", "  \n\n  ",
    "\t x", "\u0303", "n\u0303", "\u0345\u0301", "\u0928\u093f", "\u09be", "\u0e33", "\u1161",
    "\uac00\u11a8", "\u2126", "\u212b", "\u0344", "\u0958", "\ufb2a", "\U0001d15e",
    "\u0660\u0661\u0662\u0663", "\u2460", "\u00bd", "\u216b", "\U0001d7d8", "1234567", "\u01c5",
    "\u02b0", "\u1c89", "\U000105c0", "\U0002ebf0", "\U000e0100", "\u200d\U0001f525", "\U0001f3fd",
    "/", "//\n", "!a", "!!\n\n", "#include", "<|endoftext|>", "Ġ", "Ċ", "\x1c", "\x85", "\u180e",
    "\ue000", "\U000f0000", "\U00050000",
]  # fmt: skip
"""Texts at which patterns, normal forms or tables of Unicode may differ."""

wild_text = st.lists(
    st.one_of(
        st.sampled_from(FRAGMENTS + ODD),
        st.text(max_size=4),
        st.text(st.characters(categories=["N"]), min_size=1, max_size=5),
        st.text(st.characters(categories=["M"]), min_size=1, max_size=3),
        st.integers(2, 20).map(" ".__mul__),
        st.integers(1, 5).map("\r\n".__mul__),
    ),
    max_size=20,
).map("".join)
"""Text of these and of any characters: digits and marks of any script, runs of spaces and lines."""


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


def file_of(name: str) -> tuple[bytes, str]:
    """Return a trained tokenizer's file, and its name.

    ``name`` is that of a pattern, or ``mine.PATTERN.tiktoken`` for a tiktoken file.
    """
    parts = name.split(".")
    made = train(parts[1] if len(parts) > 1 else name, [*SEVERAL_SCRIPTS, *short_texts()], 1000)
    if len(parts) > 1:
        return tiktoken_bytes(made), name
    return made.to_str().encode(), "tokenizer.json"


def without_marks(data: bytes) -> bytes:
    """Return a ``tokenizer.json`` without its special token, the only one."""
    content = json.loads(data)
    content["added_tokens"] = []
    vocabulary = content["model"]["vocab"]
    vocabulary["unused"] = vocabulary.pop(END)
    return json.dumps(content).encode()
