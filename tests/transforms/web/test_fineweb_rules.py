"""FineWeb's own rules, compared with a plain loop, on real pages, drawn text, and by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plain import rules as plain
from tests.support.samples.web_samples import web_batches
from transforms.documents import documents
from transforms.web.fineweb_rules import apply_fineweb_rules

AS_PUBLISHED: dict[str, Any] = {
    "line_end_marks": [".", "'", '"', "!", "?"],
    "min_marked_line_fraction": 0.12,
    "short_line_chars": 30,
    "max_short_line_fraction": 0.67,
    "max_duplicate_char_fraction": 0.01,
    "max_newlines_per_word": 0.3,
}
THRESHOLDS = [name for name in AS_PUBLISHED if name.startswith(("min", "max"))]

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["", " ", "\u2003\r", "a", "a.", "é”", "x" * 30, "é" * 31, "a b c\u2028d!"]
        ),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    ),
    max_size=8,
)


def by_kernel(texts: list[str], parameters: dict[str, Any]) -> list[str | None]:
    batch = documents([str(i) for i in range(len(texts) + 1)], ["before", *texts])[1:]
    after = apply_fineweb_rules(batch, **parameters)
    assert after["text"].to_pylist() == texts
    return after["dropped_by"].to_pylist()


def by_loop(texts: list[str], parameters: dict[str, Any]) -> list[str | None]:
    return [plain.fineweb(text, plain.FineWebRules(**parameters)).reason for text in texts]


def only(*names: str) -> dict[str, Any]:
    """Return the published parameters, with only the named rules switched on."""
    return {**AS_PUBLISHED, **{name: None for name in THRESHOLDS if name not in names}}


@pytest.mark.slow
def test_real_pages(shared_data: Path) -> None:
    reasons: set[str | None] = set()
    for batch in web_batches(shared_data):
        texts = batch["text"].to_pylist()
        for parameters in (AS_PUBLISHED, *(only(name) for name in THRESHOLDS)):
            found = apply_fineweb_rules(batch, **parameters)["dropped_by"].to_pylist()
            assert found == by_loop(texts, parameters)
            reasons.update(found)
    assert reasons == {
        None,
        "fineweb_few_end_marks",
        "fineweb_short_lines",
        "fineweb_duplicate_lines",
        "fineweb_newlines",
    }


@given(
    st.lists(LINES.map("\n".join), max_size=4),
    st.sets(st.sampled_from(THRESHOLDS)),
    st.lists(st.sampled_from([".", "”", "!"]), max_size=2),
)
def test_wild_text(texts: list[str], switched_off: set[str], marks: list[str]) -> None:
    parameters = {**AS_PUBLISHED, **dict.fromkeys(switched_off), "line_end_marks": marks}
    assert by_kernel(texts, parameters) == by_loop(texts, parameters)


SENTENCE = "This line has thirty characters, and ends in an end mark."


@pytest.mark.parametrize(
    ("name", "page", "reason"),
    [
        ("min_marked_line_fraction", "\n".join(["."] * 12 + ["x"] * 88), "fineweb_few_end_marks"),
        ("min_marked_line_fraction", "\n".join(["."] * 13 + ["x"] * 87), None),
        ("min_marked_line_fraction", "\n \n\n\n\n\n\n\n\nx.\n", None),
        ("max_short_line_fraction", "\n".join(["x" * 30] * 67 + ["x" * 31] * 33), None),
        (
            "max_short_line_fraction",
            "\n".join(["é" * 30] * 68 + ["x" * 31] * 32),
            "fineweb_short_lines",
        ),
        ("max_duplicate_char_fraction", "\n".join(["é", "y" * 98, "é"]), None),
        ("max_duplicate_char_fraction", "\n".join(["é", "y" * 97, "é"]), "fineweb_duplicate_lines"),
        ("max_duplicate_char_fraction", "a\nA\na \n\n\n", None),
        ("max_newlines_per_word", "a b c d e f g\nh\ni\nj", None),
        ("max_newlines_per_word", "a b c d e f\ng\nh\ni", "fineweb_newlines"),
        ("max_newlines_per_word", " \n\t\n", "fineweb_no_line"),
        ("max_newlines_per_word", "", "fineweb_no_line"),
    ],
)
def test_each_rule_at_its_threshold(name: str, page: str, reason: str | None) -> None:
    assert by_kernel([page], only(name)) == [reason]
    assert by_kernel([page], only()) == [None if page.strip() else "fineweb_no_line"]


def test_newlines_a_word_where_punctuation_makes_words() -> None:
    page = documents(["a"], ["a, b.\nc\nd\ne"])
    rules = {**only("max_newlines_per_word"), "max_newlines_per_word": 0.5}
    for words, reason in (("white_space", "fineweb_newlines"), ("punctuation_apart", None)):
        assert apply_fineweb_rules(page, **rules, words=words)["dropped_by"].to_pylist() == [reason]


def test_duplicates_are_those_of_one_text() -> None:
    assert by_kernel([SENTENCE, SENTENCE, f"{SENTENCE}\n{SENTENCE}"], AS_PUBLISHED) == [
        None,
        None,
        "fineweb_duplicate_lines",
    ]


def test_an_empty_batch() -> None:
    assert apply_fineweb_rules(documents([], []), **AS_PUBLISHED).num_rows == 0
