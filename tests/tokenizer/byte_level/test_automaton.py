"""Automata made of patterns, compared with the library's matcher."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from tokenizer.byte_level.automaton import automaton
from tokenizer.byte_level.code_points import DIGITS, code_point_classes
from tokenizer.byte_level.pattern import UnsupportedPatternError
from tokenizer.byte_level.split import cut_words
from tokenizer.text_buffers import text_buffers

COVERED = [
    "a|ab|abc", "abc|ab|a", "(?:a|ab)(?:c|bcd)", "a{2,3}|b", "a{2}b|a", "a{2,}b|ab*", "a*b|a",
    "(?:ab)+a?",
    "a+(?!b)|a", "a+$|b", "(?i:ab|c)+|\\.", "[^ab]+", "[a-c&&[^b]]+|\\s", "(?:a?b)+|c{1,3}+",
    "\\p{L}+\\d*",
    "ab?(?!c)|c+(?!\\S)|\\W", "(?:a{1,2}b){2}|a", "\\n+|[ab]+\\n", "(?i:[sdmt]|ll)'?",
]  # fmt: skip
"""Patterns in which the order of alternatives, lengths, and what follows decide."""


def words(patterns: list[str], text: str) -> list[str]:
    data, offsets = text_buffers(pa.array(["before", text, "after"]))
    bounds, ends = cut_words([automaton(one) for one in patterns], data, offsets)
    inside = bounds[ends[1] : ends[2] + 1]
    return [data[a:b].tobytes().decode() for a, b in itertools.pairwise(inside)]


def library_words(patterns: list[str], text: str) -> list[str]:
    splits = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(one), "isolated") for one in patterns]
    )
    return [word for word, _ in splits.pre_tokenize_str(text)] if text else []


@pytest.fixture(scope="module", params=COVERED)
def pattern(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(text=st.text("aabbcABCdsSlLtſ .\n'1é\u0661\u1d2c😀", max_size=12))
def test_words_are_the_matchers(pattern: str, text: str) -> None:
    assert words([pattern], text) == library_words([pattern], text)


@pytest.mark.slow
def test_a_pattern_cuts_within_what_another_left() -> None:
    dice = random.Random(3)
    patterns = ["[0-9]{1,2}", "b+(?!\\S)|ab", "a|\\s+(?!\\S)|\\s"]
    for _ in range(100):
        text = "".join(dice.choices("aab b0 1\n", k=12))
        assert words(patterns, text) == library_words(patterns, text)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("a*", "matches nothing at all"),
        ("a++b", r"\+\+"),
        ("a+?", r"\+\?"),
        ("(a)", r"\(a\)"),
        ("(?=a)b", r"\(\?=a\)b"),
        ("(?<!a)b", r"\(\?<!a\)b"),
        ("^a", r"\^a"),
        (".", r"\."),
        ("(?:a?)+", "may be empty"),
        ("a{9}", r"\{9\}"),
        ("(?i:st)", "ligatures"),
        ("(?i:é)", "without case"),
        ("[a", "without its end"),
        ("a)", "unmatched"),
        ("(?:a", "in a group"),
        (r"\1", "1"),
        (r"\p{NoSuch}", "NoSuch"),
    ],
)
def test_what_is_not_covered_is_named(pattern: str, named: str) -> None:
    with pytest.raises(UnsupportedPatternError, match=named):
        automaton(pattern)


NUMBERS = [i for i in range(0x110000) if not 0xD800 <= i < 0xE000]
EVERY_CODE_POINT = "".join(map(chr, NUMBERS))


def classes_match(atom: str) -> np.ndarray:
    """Tell of every code point whether it matches an atom, by the table of classes."""
    found = code_point_classes([atom, r"\p{Lu}"])
    numbers = np.array(NUMBERS)
    kinds = found.classes[(found.pages[numbers >> 8].astype(np.int64) << 8) | (numbers & 255)]
    return found.matches[0][kinds]


@pytest.mark.slow
@pytest.mark.parametrize("atom", [r"\p{M}", r"\s", r"[^\r\n\p{L}\p{N}]", "(?i:k)", "[一-龥]"])
def test_classes_are_the_librarys_for_every_code_point(atom: str) -> None:
    expected = np.ones(len(NUMBERS), np.bool_)
    removed = pre_tokenizers.Split(Regex(f"(?:{atom})+"), "removed")
    for _, (start, end) in removed.pre_tokenize_str(EVERY_CODE_POINT):
        expected[start:end] = False
    assert np.array_equal(classes_match(atom), expected)


@pytest.mark.slow
def test_digits_are_the_librarys_for_every_code_point() -> None:
    """``Digits`` of the library has own tables. Between ones, a digit is no word by itself."""
    expected = np.ones(len(NUMBERS), np.bool_)
    between_ones = "1" + "1".join(EVERY_CODE_POINT) + "1"
    for word, (start, _) in pre_tokenizers.Digits().pre_tokenize_str(between_ones):
        if len(word) == 1 and start < 2 * len(NUMBERS):  # the last 1 stands behind all of them
            expected[start // 2] = False
    assert np.array_equal(classes_match(DIGITS), expected)
