"""C4's rules, compared with a plain loop over lines, on real pages, drawn text, and by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.plain import rules as plain
from tests.support.samples.web_samples import web_batches
from transforms.documents import documents
from transforms.web.c4_rules import apply_c4_rules, check_c4_rules

AS_PUBLISHED: dict[str, Any] = {
    "max_page_chars": 190_000,
    "max_word_chars": 1_000,
    "strip_citations": True,
    "line_end_marks": [".", "?", "!", '"'],
    "refused_line_ends": ["..."],
    "min_line_words": 5,
    "drop_lorem_ipsum": True,
    "drop_javascript_lines": True,
    "drop_curly_brackets": True,
    "policy_phrases": [
        "terms of use",
        "privacy policy",
        "cookie policy",
        "uses cookies",
        "use of cookies",
        "use cookies",
    ],
    "bad_words": None,
    "min_sentences": 3,
}
OFF: dict[str, Any] = {
    "max_page_chars": None,
    "max_word_chars": None,
    "strip_citations": False,
    "line_end_marks": [],
    "refused_line_ends": [],
    "min_line_words": None,
    "drop_lorem_ipsum": False,
    "drop_javascript_lines": False,
    "drop_curly_brackets": False,
    "policy_phrases": [],
    "bad_words": None,
    "min_sentences": None,
}
SMALL: dict[str, Any] = {
    **AS_PUBLISHED,
    "max_page_chars": 150,
    "max_word_chars": 12,
    "min_line_words": 2,
    "min_sentences": 2,
}
BAD_WORDS = ["damn", "Blöd", "two words", "da", "c++", "ΣΟΦΌΣ", "words da"]

FRAGMENTS = st.sampled_from(
    [
        *(" ", "  ", "\n", "\r\n", "\r", "\u2028", "\x85", "\x1c", "\u3000", "\v"),
        *(".", "...", "?!", '"', "”", ")", ". ", '." '),
        *("[1]", "[]", "[१२]", "[edit]", "[citation needed]", "[Edit]", "[", "]", "[a]", "{", "}"),
        *("Lorem Ipsum", "LOREM ipsum", "JavaScript", "privacy policy", "use cooKies"),
        *("damn", "DAMN", "blöd", "BLÖD", "two words", "c++", "ΣΟΦΌΣ", "σοφός", "da", "words da"),
        *("a", "word", "é", "_", "İ", "Σ", "0", "x" * 13, "ẞ", "a\u0301"),
    ]
)
WILD = st.lists(st.one_of(FRAGMENTS, st.characters(exclude_categories=["Cs"])), max_size=40)


def by_kernel(texts: list[str], parameters: dict[str, Any]) -> list[plain.Verdict]:
    batch = documents([str(i) for i in range(len(texts) + 1)], ["before", *texts])[1:]
    after = apply_c4_rules(batch, **parameters)
    return list(map(plain.Verdict, after["text"].to_pylist(), after["dropped_by"].to_pylist()))


def by_loop(texts: list[str], parameters: dict[str, Any], bad_words: list[str]) -> list[Any]:
    rules = plain.C4Rules(**{**parameters, "bad_words": bad_words})
    return [plain.c4(text, rules) for text in texts]


@pytest.fixture(scope="module")
def bad_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "bad.txt"
    path.write_text("\n".join(BAD_WORDS[:3]) + "\n\n " + "\r\n".join(BAD_WORDS[3:]), "utf-8")
    return path


@pytest.mark.slow
def test_real_pages(shared_data: Path, bad_words: Path) -> None:
    common = ["shop", "la", "free shipping", "новости"]
    bad_words.with_name("common.txt").write_text("\n".join(common), "utf-8")
    settings: list[tuple[dict[str, Any], list[str]]] = [
        (AS_PUBLISHED, []),
        ({**AS_PUBLISHED, "line_end_marks": [], "refused_line_ends": [], "min_line_words": 3}, []),
        ({**AS_PUBLISHED, "bad_words": str(bad_words.with_name("common.txt"))}, common),
    ]
    reasons: set[str | None] = set()
    for whole in web_batches(shared_data):
        batch = whole.take(list(range(0, whole.num_rows, 2)))  # the plain form takes its time
        texts = batch["text"].to_pylist()
        for parameters, words in settings:
            after = apply_c4_rules(batch, **parameters)
            found = zip(after["text"].to_pylist(), after["dropped_by"].to_pylist(), strict=True)
            expected = by_loop(texts, parameters, words)
            assert [plain.Verdict(*row) for row in found] == expected
            reasons.update(verdict.reason for verdict in expected)
    assert reasons == {
        None,
        "c4_lorem_ipsum",
        "c4_curly_bracket",
        "c4_bad_word",
        "c4_no_line_left",
        "c4_few_sentences",
    }


@given(
    st.lists(WILD.map("".join), max_size=4), st.sets(st.sampled_from(sorted(OFF))), st.booleans()
)
@example(['". ." ', '." .', '."." a. b'], set(), False)  # quotation marks behind ends are no words
def test_wild_text(bad_words: Path, texts: list[str], switched_off: set[str], words: bool) -> None:
    parameters = {**SMALL, **{name: OFF[name] for name in switched_off}}
    parameters["bad_words"] = str(bad_words) if words else None
    expected = by_loop(texts, parameters, BAD_WORDS if words else [])
    assert by_kernel(texts, parameters) == expected


GOOD = "The cat sat on the mat. It did not move. Nobody knew why it was there."


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("x" * 1_001 + " is a word of too many letters.", None),
        ("x" * 1_000 + " is a word of just enough letters.", "as it is"),
        ("This line ends in no end mark", None),
        ("This line ends in a colon:", None),
        ('He said "this line is quoted"', "as it is"),
        ("Does this line ask a question?", "as it is"),
        ("This line trails off at its end...", None),
        ("Only four words here.", None),
        ("Please switch on JavaScript to see this page.", None),
        ("This site USES COOKIES to be nice to you.", None),
        ("Read our Privacy Policy before you go on.", None),
        (
            "Paris[12] is the capital[citation needed] of France[edit].",
            "Paris is the capital of France.",
        ),
        ("Paris is the capital of France.[1]", "Paris is the capital of France."),
        ("Paris is the capital of France. [1]", None),
        ("Notes [a] and [sic] stay as they are.", "as it is"),
        ("  White space at the edges goes away.\t", "White space at the edges goes away."),
    ],
)
def test_lines_by_hand(line: str, left: str | None) -> None:
    expected = GOOD if left is None else f"{GOOD}\n{line if left == 'as it is' else left}"
    assert by_kernel([f"{GOOD}\n{line}"], AS_PUBLISHED) == [plain.Verdict(expected, None)]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (GOOD, None),
        (GOOD + "\n" * (190_000 - len(GOOD)), None),
        (GOOD + "\n" * (190_001 - len(GOOD)), "c4_page_too_long"),
        (GOOD + "\nLorem ipsum dolor sit amet once more.", "c4_lorem_ipsum"),
        (GOOD + "\nLorem ipsum dolor", None),  # the line was removed by an earlier rule
        (GOOD + "\nA function is { return 1; } and that is all.", "c4_curly_bracket"),
        (GOOD + "\nIn JavaScript it is { return 1; } and that is all.", None),
        (GOOD + "\nOur privacy policy has { and that is all.", "c4_curly_bracket"),
        (GOOD + "\nThis damn line has one of the words.", "c4_bad_word"),
        (GOOD + "\nIt says there are Two Words in it.", "c4_bad_word"),
        (GOOD + "\nAdamn and damned are other words altogether.", None),
        ("Home\nAbout\nContact us", "c4_no_line_left"),
        ("", "c4_no_line_left"),
        ("The cat sat on the mat. It did not move.", "c4_few_sentences"),
        ("The cat sat on the mat.\nIt did not move at all.\nNobody knew why it was.", None),
    ],
)
def test_pages_by_hand(bad_words: Path, page: str, reason: str | None) -> None:
    parameters = {**AS_PUBLISHED, "bad_words": str(bad_words)}
    (verdict,) = by_kernel([page], parameters)
    assert verdict.reason == reason
    if reason:
        assert verdict.text == page


def test_all_rules_off_leave_the_lines() -> None:
    assert by_kernel(["a\r\n { lorem ipsum\n\nb[1]"], OFF) == [
        plain.Verdict("a\n{ lorem ipsum\n\nb[1]", None)
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "words.txt: the list has no entries"),
        (b"\n \n# none\n", "words.txt: the list has no entries"),
        (b"good\n\xff", "words.txt, line 2: not UTF-8"),
    ],
)
def test_a_list_without_words_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told):
        check_c4_rules(bad_words=str(path))
    with pytest.raises(ValueError, match=told):
        by_kernel([GOOD], {**AS_PUBLISHED, "bad_words": str(path)})


def test_an_empty_batch() -> None:
    assert apply_c4_rules(documents([], []), **AS_PUBLISHED).num_rows == 0
    assert isinstance(apply_c4_rules(documents([], []), **AS_PUBLISHED), pa.RecordBatch)
