"""Rules with the thresholds of each language, compared with the steps themselves."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from tests.support.plain import gopher as plain
from transforms.documents import documents, with_column
from transforms.web.by_language import check_filter_by_language, filter_by_language
from transforms.web.fineweb_rules import apply_fineweb_rules
from transforms.web.gopher_quality import filter_gopher_quality

FINEWEB = {
    "line_end_marks": ["."], "min_marked_line_fraction": 0.12, "short_line_chars": 30,
    "max_short_line_fraction": 0.67, "max_duplicate_char_fraction": 0.01,
    "max_newlines_per_word": 0.3,
}  # fmt: skip
COMMON: dict[str, dict[str, Any]] = {
    "filter_gopher_quality": {**plain.QUALITY, "stop_words": ["the", "of"]},
    "apply_fineweb_rules": FINEWEB,
}
GERMAN = ["der", "und"]
LANGUAGES: dict[str, dict[str, Any]] = {
    "en": {"min_score": 0.5},
    "de": {
        "min_score": 0.8,
        "filter_gopher_quality": {"stop_words": GERMAN, "min_words": 25},
    },
}


def pages() -> pa.RecordBatch:
    """Return pages with and without a language, alike but for it and for their words."""
    english = "It was the end of a long evening by the harbour. " * 12
    german = "Es war der Abend und ein langer Tag am Meer. "
    rows = [
        (english, "en", 0.6, None), (english, "en", 0.4, None), (german * 3, "de", 0.9, None),
        (german * 3, "en", 0.9, None), (german * 2, "de", 0.9, None), (english, "de", 0.9, None),
        (german * 3, "de", 0.7, None), (english, "fr", 0.9, None), (english, None, None, None),
        (english, "en", 0.1, "earlier"), (english.replace(".", ","), "en", 0.9, None),
    ]  # fmt: skip
    texts, languages, scores, dropped_by = zip(*rows, strict=True)
    texts = [text.strip() for text in texts]
    batch = documents([str(i) for i in range(len(rows))], texts, dropped_by=dropped_by)
    batch = with_column(batch, "language", pa.array(languages, pa.string()))
    return with_column(batch, "language_score", pa.array(scores, pa.float64()))


def test_every_page_is_judged_by_the_row_of_its_language():
    after = filter_by_language(pages(), common=COMMON, languages=LANGUAGES)
    assert after["dropped_by"].to_pylist() == [
        None, "low_language_score", None, "gopher_words", "gopher_words", "gopher_stop_words",
        "low_language_score", "other_language", "other_language", "earlier",
        "fineweb_few_end_marks",
    ]  # fmt: skip
    assert after["text"].equals(pages()["text"])


def test_one_row_decides_as_the_steps_do():
    batch = with_column(pages(), "language", ["en"] * pages().num_rows)
    expected = filter_gopher_quality(batch, **COMMON["filter_gopher_quality"])
    expected = apply_fineweb_rules(expected, **FINEWEB)
    after = filter_by_language(batch, common=COMMON, languages={"en": {"min_score": 0}})
    assert after["dropped_by"].equals(expected["dropped_by"])
    assert len(set(after["dropped_by"].to_pylist())) > 3


def test_keys_that_are_numbers_outlive_json():
    fractions = {"2": 0.2, "3": 0.18, "4": 0.16}
    common = {"filter_gopher_repetition": {**plain.REPETITION}}
    row = {"min_score": 0, "filter_gopher_repetition": {"max_top_n_gram_char_fraction": fractions}}
    made = json.loads(json.dumps({"common": common, "languages": {"en": row}}))
    check_filter_by_language(**made)
    assert filter_by_language(pages(), **made).num_rows == pages().num_rows


@pytest.mark.parametrize(
    ("common", "row", "message"),
    [
        ({"drop_short": {}}, {"min_score": 0}, "common: 'drop_short' is none of filter_gopher_rep"),
        (COMMON, {}, "languages.en.min_score: expected a number from 0 to 1, found None"),
        (COMMON, {"min_score": 2}, "languages.en.min_score: expected a number from 0 to 1"),
        (COMMON, {"min_score": 0, "drop": {}}, "languages.en: 'drop' is none of min_score, filter"),
        (COMMON, {"min_score": 0, "apply_fineweb_rules": 3}, "rules: expected thresholds, found 3"),
        (
            COMMON,
            {"min_score": 0, "filter_gopher_quality": {"min_word": 3}},
            "languages.en.filter_gopher_quality: unknown key 'min_word'",
        ),
        (
            COMMON,
            {"min_score": 0, "filter_gopher_quality": {"min_stop_words": 3}},
            "languages.en.filter_gopher_quality: min_stop_words: 3 is more than there are",
        ),
        (
            COMMON,
            {"min_score": 0, "filter_gopher_quality": {"min_words": "many"}},
            "languages.en.filter_gopher_quality: ",
        ),
        (
            {"filter_gopher_quality": {"min_words": 3}},
            {"min_score": 0},
            "languages.en.filter_gopher_quality: ",
        ),
    ],
)
def test_mistakes_in_the_table_are_told(common, row, message):
    with pytest.raises(ValueError, match=r".") as told:
        check_filter_by_language(common=common, languages={"en": row})
    assert message in str(told.value) and "\n" not in str(told.value)
