"""Gopher's quality rules: a toy text for each, and a comparison with plain rules on real pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import gopher as plain
from tests.support.samples.real_web_text import web_texts, wild_texts
from transforms.documents import documents
from transforms.web.gopher_quality import check_gopher_quality, filter_gopher_quality

SENTENCE = "The owner of a small boat was said to have rowed it over the lake with his dog."
PROSE = "\n".join(f"{SENTENCE} Part {i}." for i in range(4))


def reasons(texts: list[str], **changes: object) -> list[str | None]:
    batch = documents([str(i) for i in range(len(texts))], texts)
    rules = {**plain.QUALITY, **changes}
    found = filter_gopher_quality(batch, **rules)["dropped_by"].to_pylist()
    assert found == [plain.quality_reason(text, **rules) for text in texts]
    return found


def words(n: int, word: str = "boat") -> str:
    return " ".join([word] * n)


def lines(n: int, line: str) -> str:
    return "\n".join([line] * n)


@pytest.mark.parametrize(
    ("reason", "passes", "breaks"),
    [
        ("gopher_words", f"to be {words(48)}", f"to be {words(47)}"),
        ("gopher_words", f"to be {words(99_998)}", f"to be {words(99_999)}"),
        ("gopher_mean_word_length", f"to be {words(58, 'cat')} goats", f"to be {words(99, 'cat')}"),
        ("gopher_mean_word_length", f"to be {words(48, 'a' * 10)}", f"to be {words(48, 'a' * 12)}"),
        ("gopher_symbols", f"to be {words(48)} ##### #####"[:-6], f"to be {words(48)} ###### "),
        ("gopher_symbols", f"to be {words(48)}............... ok", f"to be {words(48)}" + "." * 18),
        ("gopher_symbols", f"to be {words(47)}…….......... ok", f"to be {words(48)}………........."),
        ("gopher_symbols", f"to be {words(47)}......... #### ok", f"to be {words(47)} ###### ok"),
        ("gopher_bullets", f"{PROSE}\n{lines(36, '•surely')}", f"{PROSE}\n{lines(37, '•surely')}"),
        ("gopher_bullets", PROSE, "\n\n".join(f" - {line}" for line in PROSE.split("\n"))),
        ("gopher_ellipsis_lines", PROSE + " …", PROSE.replace("2.", "2...").replace("3.", "3 … ")),
        ("gopher_alphabetic_words", PROSE + words(14, " 12.5"), PROSE + words(16, " 12.5")),
        ("gopher_stop_words", f"“To {words(50)} THAT…”", f"the the The {words(50)} to-be"),
    ],
)  # fmt: skip
def test_each_rule_at_its_limit(reason: str, passes: str, breaks: str) -> None:
    assert reasons([passes, breaks]) == [None, reason]


def test_an_empty_text_and_white_space_have_no_words() -> None:
    assert reasons(["", " \n\t\u3000\n"]) == ["gopher_words"] * 2
    assert reasons(["", "\n"], min_words=0, min_mean_word_chars=0, min_stop_words=0,
                   min_alphabetic_word_fraction=0) == [None, None]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("word " * 1_000_000, "gopher_words"),
        ("\n" * 10_000_000, "gopher_words"),
        ("x" * 10_000_000, "gopher_words"),
        (f"to be {words(50)} " + "." * 10_000_000, "gopher_mean_word_length"),
    ],
)
def test_long_hostile_texts(text: str, reason: str) -> None:
    # Each takes a fraction of a second. Code that is not linear would take hours.
    assert reasons([text]) == [reason]


APART = {"words": "punctuation_apart"}


def test_punctuation_apart_counts_as_no_word_and_as_no_letter() -> None:
    assert reasons([f"to be {words(47)}, “yes”"], **APART) == [None]
    assert reasons([f"to be {words(47)}, “!!”"], **APART) == ["gopher_words"]
    assert reasons([f"to be {words(47)}, “!!”"], min_words=48) == [None]
    many_marks = " ".join(["(boat),"] * 30) + " to be"
    assert reasons([many_marks], min_words=9) == [None]
    assert reasons([many_marks], min_words=9, **APART) == ["gopher_alphabetic_words"]
    short = " ".join(["ab,"] * 60) + " to be"
    assert reasons([short], **APART, min_alphabetic_word_fraction=0) == ["gopher_mean_word_length"]
    assert reasons([short.replace(",", "cd,")], **APART, min_alphabetic_word_fraction=0) == [None]


def test_stop_words_of_another_language() -> None:
    text = f"Über {words(50)} für"
    assert reasons([text], stop_words=["über", "für", "die"]) == [None]
    assert reasons([text]) == ["gopher_stop_words"]
    assert reasons([text], min_stop_words=0, stop_words=[]) == [None]


@pytest.mark.slow
def test_decisions_are_those_of_the_plain_rules_on_real_pages(shared_data: Path) -> None:
    reasons(web_texts(shared_data)[1::6], **APART)
    found = reasons(web_texts(shared_data)[::2])
    assert set(found) >= {
        None, "gopher_words", "gopher_mean_word_length", "gopher_symbols", "gopher_bullets",
        "gopher_ellipsis_lines", "gopher_alphabetic_words", "gopher_stop_words",
    }  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(wild_texts(), max_size=4),
    st.integers(0, 5),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]),
    st.integers(0, 3),
)
def test_decisions_are_those_of_the_plain_rules_on_wild_text(
    texts: list[str], n: int, fraction: float, n_stop_words: int
) -> None:
    reasons(texts, min_words=n, max_words=40 * n, min_mean_word_chars=n / 2, min_stop_words=0)
    reasons(texts, min_words=0, min_mean_word_chars=0, max_mean_word_chars=99,
            min_stop_words=n_stop_words, min_alphabetic_word_fraction=fraction / 4,
            max_symbols_per_word=fraction, max_bullet_line_fraction=fraction,
            max_ellipsis_line_fraction=fraction, stop_words=["the", "be", "ǆ", "a"])  # fmt: skip
    reasons(texts, min_words=n, max_words=40 * n, min_mean_word_chars=n / 2, min_stop_words=1,
            min_alphabetic_word_fraction=fraction, max_symbols_per_word=fraction,
            **APART)  # fmt: skip


def test_more_stop_words_than_are_listed_are_refused() -> None:
    with pytest.raises(ValueError, match="min_stop_words: 2 is more than there are stop_words, 1"):
        check_gopher_quality(**{**plain.QUALITY, "stop_words": ["the", "the"]})
