"""Gopher's repetition rules: toy texts, and a comparison with plain rules on real pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import gopher as plain
from tests.support.samples.real_web_text import web_texts, wild_texts
from transforms.documents import documents
from transforms.web.gopher_repetition import (
    check_gopher_repetition,
    filter_gopher_repetition,
    measure_repetition,
)


def reasons(texts: list[str], **changes: object) -> list[str | None]:
    batch = documents([str(i) for i in range(len(texts))], texts)
    rules = {**plain.REPETITION, **changes}
    found = filter_gopher_repetition(batch, **rules)["dropped_by"].to_pylist()
    assert found == [plain.repetition_reason(text, **rules) for text in texts]
    return found


def measured(text: str, *sizes: int):
    batch = documents(["a"], [text])
    return measure_repetition(batch["text"], top_n_grams=[*sizes], duplicate_n_grams=[*sizes])


def different(n: int, separator: str = " ") -> str:
    """Return words of four letters that are all different."""
    return separator.join(f"{chr(97 + i // 26)}{chr(97 + i % 26)}xx" for i in range(n))


NO_CHARS = {"max_duplicate_line_char_fraction": 1.0, "max_duplicate_paragraph_char_fraction": 1.0}
NO_LINES = {**NO_CHARS, "max_duplicate_line_fraction": 1.0}


@pytest.mark.parametrize(
    ("reason", "passes", "breaks", "changes"),
    [
        ("gopher_duplicate_lines", different(6, "\n") + "\naa" * 4,
         different(5, "\n") + "\naa" * 4, NO_CHARS),
        ("gopher_duplicate_line_chars", different(48) + f"\n {'y' * 80}" * 2,
         different(45) + f"\n {'y' * 80}" * 2, {"max_duplicate_line_fraction": 0.9}),
        ("gopher_duplicate_paragraphs", different(6, "\n\n") + "\n \naa\nbb" * 4,
         different(5, "\n\n") + "\n \naa\nbb" * 4, NO_LINES),
        ("gopher_duplicate_paragraph_chars", different(50) + f"\n\n{'y' * 30}\nb" * 2,
         different(10) + f"\n\n{'y' * 30}\nb" * 2, {**NO_LINES, **NO_CHARS,
         "max_duplicate_paragraph_char_fraction": 0.20, "max_duplicate_paragraph_fraction": 0.9}),
    ],
)  # fmt: skip
def test_lines_and_paragraphs(
    reason: str, passes: str, breaks: str, changes: dict[str, object]
) -> None:
    changes = {
        **changes, "max_top_n_gram_char_fraction": {}, "max_duplicate_n_gram_char_fraction": {},
    }  # fmt: skip
    assert reasons([passes, breaks], **changes) == [None, reason]


def test_characters_of_lines_and_paragraphs() -> None:
    found = measured(" ab \ncd\n \nab\ncd\n\n\ncd")
    assert [counts.tolist() for counts in found.lines] == [[5], [3], [6]]
    # The repeated paragraph is two lines of two characters, and the newline between them.
    assert [counts.tolist() for counts in found.paragraphs] == [[3], [1], [5]]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_top_n_grams(n: int) -> None:
    limit = plain.REPETITION["max_top_n_gram_char_fraction"][n]
    gram = " ".join(["zz", "yyy", "xxx", "www"][:n])
    texts = [f"{different(k)} {gram} {different(1)} {gram}" for k in range(1, 200)]
    expected = [
        f"gopher_top_{n}_gram" if 2 * len(gram) / len(text) > limit else None for text in texts
    ]
    assert {*expected} == {None, f"gopher_top_{n}_gram"}
    only = {"max_top_n_gram_char_fraction": {n: limit}}
    assert reasons(texts, **only, max_duplicate_n_gram_char_fraction={}) == expected


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10])
def test_duplicate_n_grams(n: int) -> None:
    limit = plain.REPETITION["max_duplicate_n_gram_char_fraction"][n]
    gram = " ".join(["zz", "yyy", "xxx", "www", "vvv", "uuu", "ttt", "sss", "rrr", "qqq"][:n])
    texts = [f"{different(k)} {gram} {different(1)} {gram}" for k in range(1, 200)]
    chars = len(gram.replace(" ", ""))
    reason = f"gopher_duplicate_{n}_grams"
    expected = [reason if chars / len(text) > limit else None for text in texts]
    assert {*expected} == {None, reason}
    only = {"max_duplicate_n_gram_char_fraction": {n: limit}}
    assert reasons(texts, **only, max_top_n_gram_char_fraction={}) == expected


def test_characters_in_overlapping_n_grams_count_once() -> None:
    found = measured("aa bb cc aa bb cc aa bb cc aa", 2, 3)
    # The search finds "aa bb" and "cc aa" again, and then "bb cc". The last "aa" remains.
    assert found.duplicate_n_gram_chars[2].tolist() == [12]
    assert found.duplicate_n_gram_chars[3].tolist() == [12]
    # "aa bb" and others occur three times. The first of them is the top n-gram.
    assert found.top_n_gram_chars[2].tolist() == [3 * len("aa bb")]
    assert found.top_n_gram_chars[3].tolist() == [3 * len("aa bb cc")]


def test_an_n_gram_that_stands_once_repeats_nothing() -> None:
    found = measured("one two three four", 1, 2, 4, 5)
    assert all(counts.tolist() == [0] for counts in found.top_n_gram_chars.values())
    assert reasons(["one two three four", "one", "", "\n \n"]) == [None] * 4


def test_the_first_of_the_most_frequent_n_grams_is_the_top_one() -> None:
    assert measured("longer word a b a b longer word", 2).top_n_gram_chars[2].tolist() == [22]
    assert measured("a b longer word longer word a b", 2).top_n_gram_chars[2].tolist() == [6]


def test_n_grams_of_words_with_punctuation_apart() -> None:
    batch = documents(["a"], ["(one, two) x one, two. one two"])
    found = [
        measure_repetition(batch["text"], top_n_grams=[3], duplicate_n_grams=[3], words=words)
        for words in ("white_space", "punctuation_apart")
    ]
    # "one , two" stands twice, with a space between its words.
    assert [one.top_n_gram_chars[3].tolist() for one in found] == [[0], [2 * len("one , two")]]
    assert [one.duplicate_n_gram_chars[3].tolist() for one in found] == [[0], [len("one,two")]]


@pytest.mark.slow
def test_decisions_are_those_of_the_plain_rules_on_real_pages(shared_data: Path) -> None:
    reasons(web_texts(shared_data)[1::6], words="punctuation_apart")
    found = reasons(web_texts(shared_data)[::2])
    grams = {f"gopher_top_{n}_gram" for n in (2, 3, 4)}
    grams |= {f"gopher_duplicate_{n}_grams" for n in range(5, 11)}
    assert set(found) >= {None, "gopher_duplicate_lines", "gopher_duplicate_line_chars", *grams}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(wild_texts(), max_size=4),
    st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    st.sets(st.integers(1, 7)),
    st.sets(st.integers(1, 7)),
)
def test_measures_are_those_of_the_plain_rules_on_wild_text(
    texts: list[str], fraction: float, tops: set[int], duplicates: set[int]
) -> None:
    apart = {"max_top_n_gram_char_fraction": dict.fromkeys(tops, fraction),
             "max_duplicate_n_gram_char_fraction": dict.fromkeys(duplicates, fraction)}  # fmt: skip
    reasons(texts, words="punctuation_apart", **apart)
    for text in texts:
        words = text.split()
        found = measured(text, *range(1, 8))
        for n in range(1, 8):
            assert found.top_n_gram_chars[n] == plain.top_n_gram_chars(words, n)
            assert found.duplicate_n_gram_chars[n] == plain.duplicate_n_gram_chars(words, n)
    reasons(
        texts,
        max_duplicate_line_fraction=fraction,
        max_duplicate_line_char_fraction=fraction,
        max_duplicate_paragraph_fraction=fraction,
        max_duplicate_paragraph_char_fraction=fraction,
        max_top_n_gram_char_fraction=dict.fromkeys(tops, 2 * fraction),
        max_duplicate_n_gram_char_fraction=dict.fromkeys(duplicates, 2 * fraction),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("word " * 1_000_000, "gopher_top_2_gram"),
        ("\n" * 10_000_000, None),
        ("a\n" * 2_000_000, "gopher_duplicate_lines"),
        ("a\n\n" * 2_000_000, "gopher_duplicate_lines"),
        ("x" * 10_000_000, None),
        ("a b " * 1_000_000, "gopher_top_2_gram"),
        (" ".join(map(str, range(1_000_000))), None),
        (" ".join(map(str, range(200_000))) * 2, "gopher_duplicate_5_grams"),
    ],
)
def test_long_hostile_texts(text: str, reason: str | None) -> None:
    # Each takes a second at most. Code that is not linear would take hours.
    batch = filter_gopher_repetition(documents(["a"], [text]), **plain.REPETITION)
    assert batch["dropped_by"].to_pylist() == [reason]


def test_n_grams_of_no_words_are_refused() -> None:
    with pytest.raises(ValueError, match="an n-gram has at least 1 word, found a limit for 0"):
        check_gopher_repetition(**{**plain.REPETITION, "max_top_n_gram_char_fraction": {0: 0.1}})
