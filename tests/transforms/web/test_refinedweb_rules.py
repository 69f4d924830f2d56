"""RefinedWeb's rules, compared with a plain loop, on real pages, drawn text, and by hand."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.samples.web_samples import web_batches
from transforms.documents import documents
from transforms.web.refinedweb_rules import apply_refinedweb_rules

RULES: dict[str, Any] = {
    "max_uppercase_fraction": 0.5,
    "max_digit_fraction": 0.999999,
    "drop_counters": True,
    "min_line_words": 2,
    "short_line_words": 10,
    "cut_anywhere": ["items in cart"],
    "cut_beginnings": ["sign-in"],
    "cut_endings": ["read more..."],
    "max_removed_word_fraction": 0.05,
}
COUNTED = "like|share|comment|retweet|repost|quote|bookmark|upvote|downvote|download|view|follower"
SPACE = "[\t\n\f\r\v ]"


def words(line: str) -> int:
    return len(re.findall(f"[^{SPACE[1:-1]}]+", line))


def plain_line(line: str, rules: dict[str, Any]) -> str | None:
    """Return the rest of a line after the rules, None if the line is removed."""
    if not words(line):
        return line
    text = line
    if words(line) <= rules["short_line_words"]:
        for phrase in rules["cut_anywhere"]:
            text = re.sub(re.escape(phrase), "", text, flags=re.IGNORECASE | re.ASCII)
        for phrase in rules["cut_beginnings"]:
            text = re.sub(rf"\A{SPACE}*{re.escape(phrase)}", "", text, flags=re.I | re.ASCII)
        for phrase in rules["cut_endings"]:
            text = re.sub(rf"{re.escape(phrase)}{SPACE}*\Z", "", text, flags=re.I | re.ASCII)
    kinds = [unicodedata.category(c) for c in text]
    counter = rf"{SPACE}*[0-9]+([.,][0-9]+)*{SPACE}*[kmb]?{SPACE}*({COUNTED})s?{SPACE}*"
    if (
        kinds.count("Lu") > rules["max_uppercase_fraction"] * max(len(text), 1)
        or kinds.count("Nd") > rules["max_digit_fraction"] * max(len(text), 1)
        or words(text) < rules["min_line_words"]
        or re.fullmatch(counter, text, re.IGNORECASE | re.ASCII)
    ):
        return None
    return text


def plain(text: str, rules: dict[str, Any]) -> tuple[str, str | None]:
    before = sum(map(words, text.split("\n")))
    kept = [one for line in text.split("\n") if (one := plain_line(line, rules)) is not None]
    if not before:
        return text, "refinedweb_no_words"
    if before - sum(map(words, kept)) > rules["max_removed_word_fraction"] * before:
        return text, "refinedweb_removed_words"
    return "\n".join(kept), None


def by_step(texts: list[str], rules: dict[str, Any]) -> list[tuple[str, str | None]]:
    batch = documents([str(i) for i in range(len(texts) + 1)], ["before", *texts])[1:]
    after = apply_refinedweb_rules(batch, **rules)
    return list(zip(after["text"].to_pylist(), after["dropped_by"].to_pylist(), strict=True))


@pytest.mark.slow
def test_real_pages(shared_data: Path):
    dropped = changed = 0
    for batch in web_batches(shared_data):
        texts = batch["text"].to_pylist()
        found = by_step(texts, RULES)
        assert found == [plain(text, RULES) for text in texts]
        dropped += sum(reason is not None for _, reason in found)
        changed += sum(a != b for (a, _), b in zip(found, texts, strict=True))
    assert dropped > 100 and changed > 100


PIECES = st.sampled_from(
    ["Sign-in", "sign-in ", "items in cart", "Read More...", "3 likes", "1,200 Views", "4k shares",
     "A", "ABC", "b", "word", " ", "  ", "\n", "\n\n", "\r\n", "\t", "1", "٣", "İ", "ſ", "É", "é",
     "\x00", "\u2028", "K"]
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=25).map("".join), min_size=1, max_size=4),
       st.sampled_from([0.05, 0.5, 1.0]))  # fmt: skip
def test_wild_text(texts: list[str], fraction: float):
    rules = {**RULES, "max_removed_word_fraction": fraction}
    assert by_step(texts, rules) == [plain(text, rules) for text in texts]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("THIS LINE IS SHOUTED", None),
        ("This Line Is Not", "This Line Is Not"),
        ("12345", None),
        ("12 45", "12 45"),
        ("3 likes", None),
        ("1.2k Followers", None),
        ("3 likes and more", "3 likes and more"),
        ("alone", None),
        ("", ""),
        ("you have items in cart today", "you have  today"),
        ("Sign-in to see this page", " to see this page"),
        ("to see this page sign-in", "to see this page sign-in"),
        ("The story goes on. Read more...", "The story goes on. "),
        ("items in cart", None),
        ("one two three four five six seven eight nine read more...",) * 2,
    ],
)
def test_lines(line: str, left: str | None):
    rules = {**RULES, "max_removed_word_fraction": 1.0, "short_line_words": 8}
    kept = ["and a line that stays"] if left is None else [left, "and a line that stays"]
    assert by_step([f"{line}\nand a line that stays"], rules) == [("\n".join(kept), None)]


def test_pages_that_lose_too_much_keep_their_text():
    long = "word " * 100
    assert by_step([f"{long}\nalone", "a b\nalone", " \n "], RULES) == [
        (long, None),
        ("a b\nalone", "refinedweb_removed_words"),
        (" \n ", "refinedweb_no_words"),
    ]
    assert apply_refinedweb_rules(documents([], []), **RULES).num_rows == 0
