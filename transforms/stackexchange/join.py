"""StackExchange: questions with their answers, joined from posts into documents.

The text of a document, which LLaMA (arXiv 2302.13971) describes as answers sorted by score with
the HTML tags removed::

    Q: the title

    the question

    A:

    the best answer

    A:

    the next one

Answers come by score, highest first, as numbers; of equal ones the older first, then by id.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.documents import documents
from transforms.stackexchange.html import html_to_text

POST_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # SOURCE/FILE of the dump
        pa.field("record", pa.int64(), nullable=False),  # byte offset in the decompressed Posts.xml
        pa.field("site", pa.string(), nullable=False),
        pa.field("post_id", pa.int64()),  # this and those below are null where a row is damaged
        pa.field("question_id", pa.int64()),  # of an answer its question's, of a question its own
        pa.field("is_question", pa.bool_()),
        pa.field("score", pa.int64()),
        pa.field("created", pa.string()),  # ISO 8601, as in the dump
        pa.field("title", pa.string()),
        pa.field("body_html", pa.string()),
        pa.field("tags", pa.string()),  # separated by spaces
        pa.field("accepted", pa.int64()),  # id of the accepted answer
        pa.field("dropped_by", pa.string()),  # null where the row is a question or an answer
        pa.field("error", pa.string()),
    ]
)
"""A post, as the reader yields it and the join takes it."""

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org)(?![a-z0-9.])")
_ARCHIVE_SUFFIX = re.compile(r"(?:[-_.]?Posts)?(?:\.xml)?(?:\.(?:7z|gz|bz2|zst))?$", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer with its text; ``created`` is ISO 8601."""

    post_id: int
    score: int
    created: str
    text: str


class _Post(NamedTuple):
    """A row of :data:`POST_SCHEMA`, in its order."""

    name: str
    record: int
    site: str
    post_id: int | None
    question_id: int | None
    is_question: bool | None
    score: int | None
    created: str | None
    title: str | None
    body_html: str | None
    tags: str | None
    accepted: int | None
    dropped_by: str | None
    error: str | None


class _Document(NamedTuple):
    id: str
    text: str
    url: str | None
    metadata: str
    dropped_by: str | None


def site_of(name: str) -> str:
    """Return the site that a dump's file, ``SOURCE/FILE``, holds the posts of.

    It is the host name that a folder's or the archive's name begins with, the innermost one
    (``history.meta.stackexchange.com_2018-08/Posts.xml``, ``stackoverflow.com-Posts.7z``); where
    there is none, the archive's name without suffixes, or the folder's.
    """
    stems = [stem for part in name.split("/") if (stem := _ARCHIVE_SUFFIX.sub("", part))]
    for stem in reversed(stems):
        if host := _HOST.match(stem.lower()):
            return host.group()
    return stems[-1] if stems else name


def largest_sites(sizes: Mapping[str, int], n: int) -> list[str]:
    """Return the ``n`` largest of the sites, largest first; of equal ones by name.

    LLaMA takes the 28 largest. Raises ValueError for an ``n`` under 1.
    """
    if n < 1:
        raise ValueError(f"sites: {n} is not a number of sites")
    return sorted(sizes, key=lambda site: (-sizes[site], site))[:n]


def partition_of_posts(posts: pa.RecordBatch, *, n_partitions: int) -> npt.NDArray[np.int64]:
    """Give each row the partition that :func:`join_posts` is to find it in.

    A question and its answers have the same one; rows without a question are spread out.
    """
    names = posts["name"].dictionary_encode()
    seeds = [zlib.crc32(name.encode()) for name in names.dictionary.to_pylist()]
    numbers = posts["question_id"].fill_null(-1).to_numpy()
    numbers = np.where(numbers < 0, posts["record"].to_numpy(), numbers).astype(np.uint64)
    seed = np.array(seeds, np.uint64)[names.indices.to_numpy()] if seeds else numbers
    mixed = (numbers + seed) * np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash
    return ((mixed >> np.uint64(32)) % np.uint64(n_partitions)).astype(np.int64)


def assemble(title: str, question: str, answers: Iterable[Answer]) -> str:
    """Write the text of a document (see the module) from texts without HTML."""
    head = f"Q: {' '.join(title.split())}".rstrip()
    parts = [head, question]
    for answer in ordered(answers):
        parts += ["A:", answer.text]
    return "\n\n".join(part for part in parts if part)


def ordered(answers: Iterable[Answer]) -> list[Answer]:
    """Sort answers by score, highest first; of equal ones the older first, then by id."""
    return sorted(answers, key=lambda answer: (-answer.score, answer.created, answer.post_id))


def join_posts(posts: pa.RecordBatch, *, min_answers: int) -> pa.RecordBatch:
    """Join questions with their answers into documents.

    ``posts`` has :data:`POST_SCHEMA` and holds all posts of its questions, in any order; what comes
    out depends on the posts alone. Its order is by site, file, question id. A question's answers
    are those of its file, so that several dumps of a site stay apart.

    Every post is in a document or in a dropped row: the ``metadata`` of a document lists its
    ``answer_ids``, best answer first, and each other row is one post. Rows are dropped by

    - ``too_few_answers``: a question with fewer than ``min_answers``, with its answers;
    - ``empty``: a question without a title, text and answers, or an answer without text;
    - ``answer_without_question``: the question is not in the dump (deleted, or damaged);
    - ``duplicate_post``: a later row of its file has the id of this question or answer;
    - what the reader dropped them by.

    A document's id is ``name#question``, a dropped post's ``name#post@record``, without the post
    where the row gave none: rows of different questions may have the same id. The text of a
    partition must stay under 2 GiB.
    """
    rows: list[_Document] = []
    for _, group in groupby(sorted(_posts(posts), key=_order), key=_question_of):
        rows += _join(list(group), min_answers)
    columns = list(zip(*rows, strict=True)) or [()] * len(_Document._fields)
    ids, texts, urls, metadata, dropped_by = columns
    return documents(ids, texts, urls=urls, metadata=metadata, dropped_by=dropped_by)


def _posts(posts: pa.RecordBatch) -> Iterator[_Post]:
    assert posts.schema.equals(POST_SCHEMA)
    columns = [column.to_pylist() for column in posts.columns]
    return map(_Post._make, zip(*columns, strict=True))


def _question_of(post: _Post) -> tuple[str, str, bool, int]:
    question = post.question_id
    return post.site, post.name, question is None, question or 0


def _order(post: _Post) -> tuple[object, ...]:
    return (*_question_of(post), not post.is_question, post.post_id or 0, post.record)


def _join(posts: Sequence[_Post], min_answers: int) -> Iterator[_Document]:
    """Yield the rows of one question: posts come with the question first, then by id and record."""
    question: _Post | None = None
    answers: list[Answer] = []
    dropped: list[_Document] = []
    taken: set[int | None] = set()
    for post in posts:
        if post.dropped_by is not None:
            dropped.append(_dropped(post, post.dropped_by))
        elif post.post_id in taken:
            dropped.append(_dropped(post, "duplicate_post"))
        elif post.is_question:
            question = post
        elif question is None:
            dropped.append(_dropped(post, "answer_without_question"))
        else:
            assert post.post_id is not None and post.score is not None
            text = html_to_text(post.body_html or "")
            if text:
                answers.append(Answer(post.post_id, post.score, post.created or "", text))
            else:
                dropped.append(_dropped(post, "empty"))
        taken.add(post.post_id)
    if question is not None:
        yield _document(question, ordered(answers), min_answers)
    yield from dropped


def _document(question: _Post, answers: list[Answer], min_answers: int) -> _Document:
    title, text = question.title or "", html_to_text(question.body_html or "")
    dropped_by = None
    if not answers and not text and not title.strip():
        dropped_by = "empty"
    elif len(answers) < min_answers:
        dropped_by = "too_few_answers"
    created = [date for date in (question.created, *(answer.created for answer in answers)) if date]
    metadata = {
        "site": question.site,
        "score": question.score,
        "tags": (question.tags or "").split(),
        "created": question.created,
        "last_post": max(created, default=None),
        "answer_count": len(answers),
        "answer_ids": [answer.post_id for answer in answers],
        "answer_scores": [answer.score for answer in answers],
        "accepted_answer_id": question.accepted,
    }
    return _Document(
        f"{question.name}#{question.post_id}",
        assemble(title, text, answers),
        f"https://{question.site}/questions/{question.post_id}" if "." in question.site else None,
        _metadata(metadata),
        dropped_by,
    )


def _dropped(post: _Post, dropped_by: str) -> _Document:
    post_id = "" if post.post_id is None else post.post_id
    row_id = f"{post.name}#{post_id}@{post.record}"
    fields = {"site": post.site, "question_id": post.question_id, "error": post.error}
    return _Document(row_id, "", None, _metadata(fields), dropped_by)


def _metadata(fields: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in fields.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False)
