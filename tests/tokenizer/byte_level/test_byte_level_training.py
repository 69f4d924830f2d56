"""Training of byte-level BPE: every pattern, the same bytes again, too little text."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from tests.support.byte_level import SEVERAL_SCRIPTS
from tokenizer.byte_level.known_patterns import PATTERNS
from tokenizer.byte_level.training import train_byte_level
from tokenizer.opening import encoder_of


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_tokenizer_of_every_pattern_gives_texts_back(pattern: str) -> None:
    made = train_byte_level(iter(SEVERAL_SCRIPTS), pattern, 400)
    assert made == train_byte_level(iter(SEVERAL_SCRIPTS), pattern, 400)
    encoder = encoder_of(made, "tokenizer.json")
    assert (encoder.method, encoder.vocabulary_size) == ("table", 400)
    bos = pattern == "llama3"
    ids, offsets = encoder.encode(pa.array(SEVERAL_SCRIPTS), bos=bos, eos=True)
    for i, text in enumerate(SEVERAL_SCRIPTS):
        row = ids[offsets[i] : offsets[i + 1]]
        assert encoder.decode(row) == text
        assert len(row) < len(text.encode())
    assert json.loads(made)["model"]["vocab"]["<|end_of_text|>" if bos else "<|endoftext|>"] < 2


@pytest.mark.parametrize(
    ("pattern", "size", "message"),
    [
        ("gpt2", 10_000, r"the documents give \d+ pieces, not 10,000; take more documents"),
        ("gpt2", 257, "bytes and marks alone are 257; ask for more"),
        ("llama3", 258, "bytes and marks alone are 258; ask for more"),
        ("gpt5", 400, "there is no pattern 'gpt5': one of gpt2, llama3, qwen2, o200k"),
    ],
)
def test_what_cannot_be_trained_is_told(pattern: str, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_byte_level(SEVERAL_SCRIPTS, pattern, size)
