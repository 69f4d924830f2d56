from __future__ import annotations

import json
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.stackexchange.join import (
    POST_SCHEMA,
    Answer,
    assemble,
    join_posts,
    largest_sites,
    ordered,
    partition_of_posts,
    site_of,
)


def _post(post_id: int, parent: int | None = None, /, **changes: Any) -> dict[str, Any]:
    post = {
        "name": "se/a.example.com/Posts.xml",
        "record": post_id * 10,
        "site": "a.example.com",
        "post_id": post_id,
        "question_id": post_id if parent is None else parent,
        "is_question": parent is None,
        "score": 0,
        "created": "2020-01-01T00:00:00.000",
        "title": f"Title {post_id}" if parent is None else None,
        "body_html": f"<p>Body {post_id}</p>",
        "tags": "",
    }
    return post | changes


def _join(posts: list[dict[str, Any]], min_answers: int = 0) -> list[dict[str, Any]]:
    batch = join_posts(pa.RecordBatch.from_pylist(posts, POST_SCHEMA), min_answers=min_answers)
    batch.validate(full=True)
    return batch.to_pylist()


def test_the_form_of_a_document() -> None:
    answers = [
        Answer(5, 9, "2020-01-02", "nine"),
        Answer(4, 10, "2020-01-03", "ten"),
        Answer(7, -1, "2020-01-01", "below"),
        Answer(11, 9, "2020-01-01", "nine, older"),
        Answer(6, 9, "2020-01-01", "nine, older, first id"),
    ]
    expected = (
        "Q: A title\n\nQuestion\n\nA:\n\nten\n\nA:\n\nnine, older, first id\n\n"
        "A:\n\nnine, older\n\nA:\n\nnine\n\nA:\n\nbelow"
    )
    for _ in range(20):
        random.Random(1).shuffle(answers)
        assert assemble(" A\n title ", "Question", answers) == expected
    assert assemble("", "", []) == "Q:"


def test_a_joined_question() -> None:
    question = _post(1, tags="one two", score=-3, accepted=3, title="A & B")
    answers = [_post(2, 1, score=9, created="2021"), _post(3, 1, score=10)]
    (row,) = _join([*answers, question])
    assert row["id"] == "se/a.example.com/Posts.xml#1"
    assert row["text"] == "Q: A & B\n\nBody 1\n\nA:\n\nBody 3\n\nA:\n\nBody 2"
    assert row["url"] == "https://a.example.com/questions/1"
    assert json.loads(row["metadata"]) == {
        "site": "a.example.com",
        "score": -3,
        "tags": ["one", "two"],
        "created": "2020-01-01T00:00:00.000",
        "last_post": "2021",
        "answer_count": 2,
        "answer_ids": [3, 2],
        "answer_scores": [10, 9],
        "accepted_answer_id": 3,
    }
    assert row["dropped_by"] is None


def test_posts_that_make_no_document() -> None:
    posts = [
        _post(1),
        _post(2, 99),
        _post(3, 1, body_html='<p><img src="x"></p>'),
        _post(1, record=999),
        _post(8, title=" ", body_html=""),
        _post(4, dropped_by="not_a_question_or_answer", error="post type 5", question_id=None),
        _post(5, dropped_by="bad_post", error="x", question_id=None, post_id=None),
    ]
    rows = {row["id"].partition("#")[2]: row["dropped_by"] for row in _join(posts, 1)}
    assert rows == {
        "1": "too_few_answers",
        "2@20": "answer_without_question",
        "3@30": "empty",
        "1@999": "duplicate_post",
        "8": "empty",
        "4@40": "not_a_question_or_answer",
        "@50": "bad_post",
    }
    assert _join([_post(1)], 0)[0]["dropped_by"] is None
    assert _join([]) == []


def test_dumps_of_one_site_stay_apart() -> None:
    other = {"name": "se/a.example.com_2/Posts.xml"}
    posts = [_post(1), _post(2, 1), _post(1, **other), _post(3, 1, **other)]
    counts = [json.loads(row["metadata"])["answer_ids"] for row in _join(posts, 1)]
    assert counts == [[2], [3]]


_POSTS = st.lists(
    st.tuples(
        st.integers(1, 12), st.none() | st.integers(1, 5), st.integers(-12, 12), st.booleans()
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=200)
@given(_POSTS, st.randoms(use_true_random=False), st.integers(1, 7), st.integers(0, 2))
def test_the_join_depends_on_neither_order_nor_partitions(
    drawn: list[tuple[int, int | None, int, bool]], shuffle: Any, n: int, min_answers: int
) -> None:
    posts = [
        _post(post_id, parent, score=score, record=record, body_html="text" if full else " ")
        for record, (post_id, parent, score, full) in enumerate(drawn)
    ]
    whole = _join(posts, min_answers)
    ids = [row["id"] for row in whole]
    assert len(set(ids)) == len(ids) or len({post["post_id"] for post in posts}) < len(posts)
    in_documents = sum(1 + json.loads(row["metadata"]).get("answer_count", 0) for row in whole)
    assert in_documents == len(posts)
    shuffled = shuffle.sample(posts, len(posts))
    assert _join(shuffled, min_answers) == whole
    batch = pa.RecordBatch.from_pylist(shuffled, POST_SCHEMA)
    partitions = partition_of_posts(batch, n_partitions=n)
    parts: list[dict[str, Any]] = []
    for number in range(n):
        parts += _join(
            [post for post, p in zip(shuffled, partitions, strict=True) if p == number],
            min_answers,
        )
    key = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
    assert sorted(parts, key=key) == sorted(whole, key=key)


def test_partitions_are_even_and_keep_questions_whole() -> None:
    posts = [_post(i) for i in range(1, 4001)] + [_post(i + 9000, i) for i in range(1, 4001)]
    parts = partition_of_posts(pa.RecordBatch.from_pylist(posts, POST_SCHEMA), n_partitions=16)
    assert (parts[:4000] == parts[4000:]).all()
    sizes = [int((parts == number).sum()) for number in range(16)]
    assert min(sizes) > 400 and max(sizes) < 600


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("se/history.meta.stackexchange.com/Posts.xml", "history.meta.stackexchange.com"),
        ("se/datascience.meta.stackexchange.com_2022-06_a/Posts.xml",
         "datascience.meta.stackexchange.com"),
        ("se/stackoverflow.com-Posts.7z", "stackoverflow.com"),
        ("se/mathoverflow.net.7z", "mathoverflow.net"),
        ("se/2023/es.stackoverflow.com/Posts.xml.gz", "es.stackoverflow.com"),
        ("stackexchange.com/askubuntu.com.7z", "askubuntu.com"),
        ("se/history/Posts.xml", "history"),
        ("se/history-Posts.7z", "history"),
        ("Posts.xml", "Posts.xml"),
    ],
)  # fmt: skip
def test_the_site_of_a_file(name: str, site: str) -> None:
    assert site_of(name) == site


def test_largest_sites() -> None:
    sizes = {"b": 9, "a": 9, "c": 100, "d": 1}
    assert largest_sites(sizes, 3) == ["c", "a", "b"]
    assert largest_sites(sizes, 28) == ["c", "a", "b", "d"]
    with pytest.raises(ValueError, match="0 is not a number of sites"):
        largest_sites(sizes, 0)


def test_sorting_is_by_number() -> None:
    scores = [9, 10, -1, 100, 2, 0, -10]
    answers = [Answer(number, score, "", "x") for number, score in enumerate(scores)]
    assert [answer.score for answer in ordered(answers)] == [100, 10, 9, 2, 0, -1, -10]
