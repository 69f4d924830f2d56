"""Merges of byte pairs, compared with the plain way and with tiktoken's."""

from __future__ import annotations

import itertools
import random
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.byte_level import SEVERAL_SCRIPTS, tiktoken_bytes, train, wild_text
from tests.support.samples.real_texts import FRAGMENTS
from tokenizer.byte_level import merge as merge_module
from tokenizer.byte_level.encode import ByteLevelEncoder
from tokenizer.byte_level.known_patterns import PATTERNS, TIKTOKEN_KINDS
from tokenizer.byte_level.merge import Vocabulary, encode_words, merge_table
from tokenizer.byte_level.tiktoken_file import byte_level_of_tiktoken, is_tiktoken
from tokenizer.byte_level.tokenizer_file import TokenizerFile
from tokenizer.string_table import table_of

TIKTOKEN_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
"""The pattern of ``cl100k_base`` as tiktoken 0.14 has it; its ``$`` is the end of the text."""


def plain_merges(word: list[int], merges: dict[tuple[int, int], tuple[int, int]]) -> list[int]:
    """Merge the pair of the best rank, the leftmost of several, until there is none."""
    while True:
        ranked = [(merges[p][0], i) for i, p in enumerate(itertools.pairwise(word)) if p in merges]
        if not ranked:
            return word
        _, at = min(ranked)
        word = [*word[:at], merges[word[at], word[at + 1]][1], *word[at + 2 :]]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_words_of_all_lengths_are_merged_the_plain_way(seed: int) -> None:
    """Random merges, whose ranks have no order: a merge may make a pair of a better rank."""
    dice = random.Random(seed)
    merges: dict[tuple[int, int], tuple[int, int]] = {}
    for made in range(256, 316):
        word = plain_merges(dice.choices(b"abc", k=40), merges)
        at = dice.randrange(len(word) - 1)
        merges.setdefault((word[at], word[at + 1]), (dice.randrange(40), made))
    left, right, ranks, made_of = (
        np.array(column, np.int32)
        for column in zip(*((a, b, r, m) for (a, b), (r, m) in merges.items()), strict=True)
    )
    vocabulary = Vocabulary(
        np.arange(256, dtype=np.int32), merge_table(left, right, ranks, made_of),
        table_of([b"abcab"]), np.array([999], np.int32),
    )  # fmt: skip
    lengths = [1, 2, 3, 5, merge_module.SHORT, merge_module.SHORT + 1, 300]
    words = [bytes(dice.choices(b"abc", k=length)) for length in lengths * 20] + [b"abcab"]
    data = np.frombuffer(b"".join(words), np.uint8)
    ends = np.cumsum([0, *map(len, words)])
    ids, id_ends = np.zeros(len(data), np.int32), np.zeros(len(ends), np.int64)
    encode_words(vocabulary, data, ends, 0, len(words), ids, id_ends)
    for word, (start, end) in zip(words, itertools.pairwise(id_ends), strict=True):
        expected = [999] if word == b"abcab" else plain_merges(list(word), merges)
        assert ids[start:end].tolist() == expected


def plain_tiktoken(pattern: str, ranks: dict[bytes, int], text: str) -> list[int]:
    """Encode as tiktoken's own description of itself does."""
    ids: list[int] = []
    for word in regex.findall(pattern, text):
        parts = [bytes([byte]) for byte in word.encode()]
        while word.encode() not in ranks and len(parts) > 1:
            made = [ranks.get(a + b, len(ranks)) for a, b in itertools.pairwise(parts)]
            if min(made) == len(ranks):
                break
            at = made.index(min(made))
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids += [ranks[word.encode()]] if word.encode() in ranks else [ranks[part] for part in parts]
    return ids


class Pair(NamedTuple):
    """The encoder of a tiktoken file, and what tiktoken's way needs of it."""

    encoder: ByteLevelEncoder
    pattern: str
    file: TokenizerFile


@pytest.fixture(
    scope="module", params=["r50k_base", "cl100k_base", "o200k_base", "x.llama3", "x.qwen2"]
)
def pair(request: pytest.FixtureRequest) -> Pair:
    kind = request.param
    of_kind = TIKTOKEN_KINDS[kind.removeprefix("x.")]
    data = tiktoken_bytes(train("o200k", SEVERAL_SCRIPTS, 700))
    assert is_tiktoken(data)
    file = byte_level_of_tiktoken(data, f"{kind}.tiktoken")
    pattern = (
        TIKTOKEN_CL100K.replace("$", r"\Z")
        if kind == "cl100k_base"
        else PATTERNS[of_kind.pattern][0]
    )
    return Pair(ByteLevelEncoder(file), pattern, file)


def assert_tiktokens_ids(pair: Pair, texts: list[str]) -> None:
    encoder, pattern, file = pair
    ids, offsets = encoder.encode(pa.array(texts, pa.string()), bos=False, eos=True)
    for text, (start, end) in zip(texts, itertools.pairwise(offsets), strict=True):
        assert ids[start:end].tolist() == [*plain_tiktoken(pattern, file.tokens, text), file.eos]


def test_ids_of_a_tiktoken_file(pair: Pair) -> None:
    dice = random.Random(9)
    choice = [*FRAGMENTS, *SEVERAL_SCRIPTS, "\n  ", " \n"]
    texts = [*SEVERAL_SCRIPTS, *("".join(dice.choices(choice, k=i % 12)) for i in range(1500))]
    assert_tiktokens_ids(pair, texts)


def known(text: str) -> str:
    """Leave out what ``regex`` knows by a later version of Unicode than ``tokenizers``."""
    is_known = (unicodedata.category(one) != "Cn" and one != "\u0295" for one in text)
    return "".join(itertools.compress(text, is_known))


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(wild_text.map(known), min_size=1, max_size=8))
def test_ids_of_a_tiktoken_file_for_wild_text(pair: Pair, texts: list[str]) -> None:
    assert_tiktokens_ids(pair, texts)


@pytest.mark.parametrize(
    ("name", "bos", "eos", "size"),
    [
        ("o200k_base.tiktoken", None, 199_999, 200_019),
        ("cl100k_base.tiktoken", None, 100_257, 100_277),
        ("mine.llama3.tiktoken", 399, 400, 401),
        ("qwen.tiktoken", None, 399, 402),
    ],
)  # fmt: skip
def test_the_marks_of_a_tiktoken_file(name: str, bos: int | None, eos: int, size: int) -> None:
    file = byte_level_of_tiktoken(tiktoken_bytes(train("o200k", SEVERAL_SCRIPTS, 400)), name)
    assert (file.bos, file.eos, file.vocabulary_size) == (bos, eos, size)


def test_a_damaged_or_nameless_tiktoken_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"name it NAME\.PATTERN\.tiktoken"):
        byte_level_of_tiktoken(b"YQ== 0\n", "tokens.tiktoken")
    with pytest.raises(ValueError, match="line 2 is not a token and its rank"):
        byte_level_of_tiktoken(b"YQ== 0\nYQ=", "gpt2.tiktoken")
    with pytest.raises(ValueError, match="bytes that are no token, such as 0"):
        byte_level_of_tiktoken(b"YQ== 0\n", "gpt2.tiktoken")
