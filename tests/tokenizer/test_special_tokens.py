"""Special tokens that are spelt out in text, and become these tokens where that is asked for."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, pre_tokenizers

from tests.support.byte_level import END, SEVERAL_SCRIPTS, tiktoken_bytes, train
from tests.support.runs import ROOT
from tests.support.samples.real_texts import FRAGMENTS
from tokenizer.checking import check_tokenizer
from tokenizer.opening import Encoder, encoder_of, open_encoder

NAMES = [END, "<|begin_of_text|>", "<|end_of_text|>", "<tool>"]
with_names = st.lists(st.sampled_from([*FRAGMENTS, *NAMES, "<|", "|>"]), max_size=12).map("".join)


def rows_of(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    ids, offsets = encoder.encode(pa.array(texts, pa.string()), bos=False, eos=False)
    return [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)]


@pytest.fixture(scope="module", params=["gpt2", "llama3", "qwen2", "o200k", "deepseek", "whole"])
def library(request: pytest.FixtureRequest) -> Tokenizer:
    """A tokenizer of the library with two special tokens and one that is found in text."""
    made = train("gpt2" if request.param == "whole" else request.param, SEVERAL_SCRIPTS, 700)
    if request.param == "whole":
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.add_special_tokens([AddedToken("<|end_of_text|>", special=True, lstrip=True)])
    made.add_tokens([AddedToken("<tool>")])
    made.encode_special_tokens = False
    return made


@pytest.fixture(scope="module")
def encoder(library: Tokenizer) -> Encoder:
    return encoder_of(library.to_str().encode(), "tokenizer.json", special_in_text=True)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(with_names, min_size=1, max_size=5))
def test_ids_are_the_librarys(library: Tokenizer, encoder: Any, texts: list[str]) -> None:
    assert rows_of(encoder, texts) == [library.encode(text).ids for text in texts]


def test_a_name_becomes_its_token_and_stays_text_otherwise(
    library: Tokenizer, encoder: Any
) -> None:
    texts = [f"a{END}b", f"{END}{END}", "plain"]
    counts = [row.count(library.token_to_id(END)) for row in rows_of(encoder, texts)]
    assert counts == [1, 2, 0]
    kept = encoder_of(library.to_str().encode(), "tokenizer.json")
    assert all(library.token_to_id(END) not in row for row in rows_of(kept, texts))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=with_names)
def test_ids_of_a_tiktoken_file_are_those_of_the_parts(tiktoken: Any, text: str) -> None:
    """tiktoken cuts a text at the names, and encodes what is between them."""
    file, special, encoder = tiktoken
    expected: list[int] = []
    for part in re.split(f"({'|'.join(map(re.escape, special))})", text):
        expected += [special[part]] if part in special else rows_of(file, [part])[0]
    assert rows_of(encoder, [text]) == [expected]


@pytest.fixture(scope="module")
def tiktoken() -> tuple[Encoder, dict[str, int], Encoder]:
    data, name = tiktoken_bytes(train("llama3", SEVERAL_SCRIPTS, 700)), "mine.llama3.tiktoken"
    n_ranks = data.count(b"\n")
    special = {"<|begin_of_text|>": n_ranks, "<|end_of_text|>": n_ranks + 1}
    return encoder_of(data, name), special, encoder_of(data, name, special_in_text=True)


def test_sentencepiece_is_refused_before_a_run() -> None:
    path = str(ROOT / "samples" / "models" / "tokenizer.model")
    for opened in (check_tokenizer, open_encoder):
        with pytest.raises(ValueError, match=r"model: SentencePiece makes no special tokens"):
            opened(path, special_in_text=True)
