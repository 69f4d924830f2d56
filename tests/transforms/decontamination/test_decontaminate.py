"""Decontamination, compared with sets of tuples, on toy sets, drawn text and real pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain.decontaminate import (
    is_contaminated,
    n_grams,
    n_grams_of_items,
    plain_words,
)
from tests.support.samples.real_web_text import web_texts, wild_texts
from transforms.decontamination.decontaminate import (
    check_decontaminate,
    decontaminate,
    find_matches,
)
from transforms.decontamination.evaluation_sets import load_evaluation_sets, read_items
from transforms.documents import documents

QUESTION = "A train leaves the station at noon and travels north at sixty miles an hour. How far?"


def plain_contaminated(texts: list[str], items: list[str], n: int, least: int) -> list[bool]:
    grams = n_grams_of_items(items, n, least)
    sizes = {len(gram) for gram in grams}
    return [is_contaminated(text, grams, sizes) for text in texts]


def step(texts: list[str], *files: Path, n: int = 13, least: int = 8, fields: tuple[str, ...] = ()):
    batch = documents([str(i) for i in range(len(texts))], texts)
    return decontaminate(
        batch,
        evaluation_sets=[str(file) for file in files],
        fields=list(fields),
        n_gram_words=n,
        min_item_words=least,
    )


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.txt"
    path.write_text(f"Too short.\n\n{QUESTION}\nWhat is the boiling point of water at sea level?\n")
    return path


@pytest.mark.parametrize(
    ("item", "texts"),
    [
        (
            "Which fine naïve café of Zürich is the finest office",
            [
                "which fine nai\u0308ve cafe\u0301 of Zu\u0308rich is the finest office",
                "which \ufb01ne naïve café of Zürich is the \ufb01nest of\ufb01ce",
                "which fine naïve café of Zürich is the finest o\ufb03ce",
                "which fine naive cafe of Zurich is the finest office",
                "ｗｈｉｃｈ　ｆｉｎｅ　ｎａïｖｅ ｃａｆé of Ｚürich is the finest ｏｆｆｉｃｅ",
            ],
        ),
        (
            "Straße Maß groß eins zwei drei vier fünf",
            ["STRASSE MASS GROSS eins zwei drei VIER fünf"],
        ),
        (
            "한국어 문장은 여기에 있고 그것은 여덟 단어 이다",
            ["\u1112\u1161\u11ab국어 문장은 여기에 있고 그것은 여덟 단어 이다"],
        ),
        ("ガギグゲゴザジズ", ["ｶﾞｷﾞｸﾞｹﾞｺﾞｻﾞｼﾞｽﾞ", "カ\u3099キ\u3099ク\u3099ケ\u3099ゴザジズ"]),
    ],
)
def test_equal_texts_in_other_forms_are_found(tmp_path: Path, item: str, texts: list[str]) -> None:
    (tmp_path / "set.txt").write_text(item)
    found = step([*texts, "which fine office of all the finest is nowhere"], tmp_path / "set.txt")
    assert found["dropped_by"].to_pylist() == ["contaminated"] * len(texts) + [None]


def test_case_punctuation_and_lines_do_not_matter(questions: Path) -> None:
    texts = [
        "Before. a TRAIN leaves\nthe station, at noon—and... (travels) “north” at sixty miles AN",
        "Before. a train leaves the station at noon and - travels north at sixty miles an end",
        "a train leaves the station at noon and travels north at sixty mile an hour",
    ]
    found = step(texts, questions)
    # The dash in the first text joins two words, because punctuation is removed.
    assert found["dropped_by"].to_pylist() == [None, "contaminated", None]
    metadata = json.loads(found["metadata"][1].as_py())
    assert metadata["contaminated_by"] == {
        "file": str(questions),
        "line": 3,
        "words": "a train leaves the station at noon and travels north at sixty miles",
    }
    assert found["metadata"].to_pylist()[::2] == [None, None]


def test_short_items_are_looked_for_whole(questions: Path) -> None:
    whole = "Quiz: what is the boiling point of water, at sea level? Answer: 100."
    part = "Quiz: what is the boiling point of water at sea? Answer: 100."
    found = step([whole, part, "Too short."], questions)
    assert found["dropped_by"].to_pylist() == ["contaminated", None, None]
    assert step([whole], questions, least=11)["dropped_by"].to_pylist() == [None]


def test_metadata_stays(questions: Path) -> None:
    batch = documents(["a"], [QUESTION], metadata=['{"title": "é"}'])
    found = decontaminate(batch, evaluation_sets=[str(questions)], fields=[], n_gram_words=8,
                          min_item_words=8)  # fmt: skip
    metadata = json.loads(found["metadata"][0].as_py())
    assert (metadata["title"], metadata["contaminated_by"]["line"]) == ("é", 3)


def test_items_of_json_lines(tmp_path: Path) -> None:
    rows = [
        {"question": "a b c", "choices": ["d", {"text": "e f"}], "answer": 3, "context": None},
        {"question": "g\u2028\ud800", "passage": "h"},
    ]
    data = b"\xef\xbb\xbf" + b"\n\n".join(json.dumps(row).encode() for row in rows)
    path = tmp_path / "set.jsonl"
    path.write_bytes(data)
    packed = tmp_path / "set.json.gz"
    packed.write_bytes(gzip.compress(data))
    for file in (path, packed):
        items = [(item.line, item.text) for item in read_items(str(file), ())]
        assert items == [(1, "a b c"), (1, "d"), (1, "e f"), (3, "g\u2028?"), (3, "h")]
        items = [(item.line, item.text) for item in read_items(str(file), ("choices", "passage"))]
        assert items == [(1, "d"), (1, "e f"), (3, "h")]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.txt", b"fine\n\xff\xfe\n", "a.txt, line 2: not UTF-8"),
        ("a.jsonl", b'{"a": "b"}\n{"a"', "a.jsonl, line 2: not JSON: Expecting ':'"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl, line 1: not JSON"),
        ("a.jsonl", b'["a"]', "a.jsonl, line 1: expected a JSON object, found '\\[\"a\"\\]'"),
        ("a.jsonl", b'{"b": "c"}', "a.jsonl: no line has one of the fields question"),
        ("a.txt", b"", "a.txt: its longest item has 0 words"),
        ("a.txt", b"one two three", "a.txt: its longest item has 3 words, and"),
        ("a.txt.gz", gzip.compress(b"one two", mtime=0)[:-9], "a.txt.gz: damaged gzip"),
        ("a.txt.gz", b"\x1f\x8bnothing", "a.txt.gz: damaged gzip"),
    ],
)  # fmt: skip
def test_bad_files_are_told_before_work_starts(
    tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ValueError, match=told) as caught:
        check_decontaminate(
            evaluation_sets=[str(path)], fields=["question"], n_gram_words=13, min_item_words=8
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("least", "files", "told"),
    [
        (14, ["a.txt"], "min_item_words: expected 1 to n_gram_words \\(13\\), found 14"),
        (0, ["a.txt"], "min_item_words"),
        (8, [], "evaluation_sets: names no file"),
    ],
)
def test_impossible_parameters_are_refused(least: int, files: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_decontaminate(evaluation_sets=files, fields=[], n_gram_words=13, min_item_words=least)


def test_equal_hashes_of_different_words_do_not_drop(questions: Path) -> None:
    index = load_evaluation_sets((str(questions),), (), 13, 8)
    other = "w" + " x y z" * 5
    found = load_evaluation_sets.__wrapped__((str(questions),), (), 13, 8)
    assert find_matches(documents(["a"], [other])["text"], index) == []
    # The same index, in which hashes of another text's n-grams lead to the question.
    path = questions.with_name("other.txt")
    path.write_text(other)
    hashes = np.sort(
        np.concatenate([found.hashes, load_evaluation_sets((str(path),), (), 13, 8).hashes])
    )
    owners = np.zeros(len(hashes), np.int64)
    full = np.full_like(found.filter, 255)
    colliding = found._replace(hashes=hashes, owners=owners + 1, filter=full)
    assert find_matches(documents(["a"], [other])["text"], colliding) == []
    matches = find_matches(documents(["a"], [f"{other} {QUESTION}"])["text"], colliding)
    assert [(m.item.line, m.words.split()[:3]) for m in matches] == [(3, ["a", "train", "leaves"])]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(wild_texts(), max_size=5),
    st.lists(wild_texts(), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_decisions_are_those_of_sets_of_tuples_on_wild_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], items: list[str], n: int, least: int
) -> None:
    n, least = max(n, least), min(n, least)
    items = [*items, "always here " * 5]
    path = tmp_path_factory.mktemp("sets") / "set.jsonl"
    path.write_text("\n".join(json.dumps({"item": item}) for item in items))
    found = step(texts, path, n=n, least=least)
    expected = plain_contaminated(texts, items, n, least)
    assert [reason == "contaminated" for reason in found["dropped_by"].to_pylist()] == expected


@pytest.mark.slow
def test_decisions_are_those_of_sets_of_tuples_on_real_pages(
    tmp_path: Path, shared_data: Path
) -> None:
    texts = web_texts(shared_data)[::20]
    random = np.random.default_rng(1)
    items = []
    for text in texts[::3]:
        words = text.split()
        at = int(random.integers(max(len(words) - 5, 1)))
        items.append(" ".join(words[at : at + int(random.integers(6, 40))]).upper())
    path = tmp_path / "set.txt"
    path.write_text("\n".join(items))
    found = step(texts, path)
    expected = plain_contaminated(texts, items, 13, 8)
    assert 50 < sum(expected) < len(texts)
    assert [reason == "contaminated" for reason in found["dropped_by"].to_pylist()] == expected
    for row in found.filter(np.array(expected)).to_pylist():
        match = json.loads(row["metadata"])["contaminated_by"]
        mine = plain_words(items[match["line"] - 1])
        wanted = match["words"].split()
        assert tuple(wanted) in n_grams(mine, len(wanted))
        assert tuple(wanted) in n_grams(plain_words(row["text"]), len(wanted))
