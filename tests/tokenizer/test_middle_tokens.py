"""The tokens to fill in the middle, in tokenizers of every kind."""

from __future__ import annotations

import io

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from tests.support.byte_level import SEVERAL_SCRIPTS, tiktoken_bytes, train
from tokenizer.fill_in_the_middle import NAMES, middle_tokens
from tokenizer.token_names import token_names


@pytest.mark.parametrize("names", NAMES)
def test_a_tokenizer_json_has_them_by_any_of_their_names(names: tuple[str, ...]) -> None:
    tokenizer = train("gpt2", SEVERAL_SCRIPTS, 400)
    tokenizer.add_special_tokens([*reversed(names), "<s>"])
    found = middle_tokens(tokenizer.to_str().encode(), "tokenizer.json")
    assert list(found) == [tokenizer.token_to_id(name) for name in names]


def test_a_sentencepiece_model_has_them_as_control_symbols() -> None:
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(SEVERAL_SCRIPTS * 3), model_writer=model, vocab_size=420,
        model_type="bpe", byte_fallback=True, character_coverage=1.0, minloglevel=2,
        control_symbols=list(NAMES[0]),
    )  # fmt: skip
    processor = SentencePieceProcessor(model_proto=model.getvalue())
    found = middle_tokens(model.getvalue(), "tokenizer.model")
    assert list(found) == [processor.piece_to_id(name) for name in NAMES[0]]
    assert 0 not in found


def test_a_tiktoken_file_has_them_by_its_name_or_not_at_all() -> None:
    data = tiktoken_bytes(train("qwen2", SEVERAL_SCRIPTS, 400))
    names = token_names(data, "mine.qwen2.tiktoken").names
    assert "<|fim_prefix|>" not in names
    with pytest.raises(ValueError, match="has no tokens to fill in the middle: <fim_prefix>, "):
        middle_tokens(data, "mine.qwen2.tiktoken")
