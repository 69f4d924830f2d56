"""The join of StackExchange's posts into documents: each question with its answers.

LLaMA (arXiv 2302.13971) sorts the answers by score and removes the HTML tags. The text of a
document is::

    Q: the title

    the question

    A:

    the best answer

    A:

    the next one

Answers are in the order of their scores, highest first. Of equal scores the older answer comes
first, and then the lower id.
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
        pa.field("post_id", pa.int64()),  # this and the fields below are null in a damaged row
        pa.field("question_id", pa.int64()),  # id of the answer's question; a question's own id
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
"""Schema of posts, as the reader yields them and the join takes them."""

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org)(?![a-z0-9.])")
_ARCHIVE_SUFFIX = re.compile(r"(?:[-_.]?Posts)?(?:\.xml)?(?:\.(?:7z|gz|bz2|zst))?$", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer with its plain text. ``created`` is a time in ISO 8601."""

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
    """A row of the result: a document, or a dropped post."""

    id: str
    text: str
    url: str | None
    metadata: str
    dropped_by: str | None


def site_of(name: str) -> str:
    """Return the site whose posts a dump's file ``SOURCE/FILE`` holds.

    The site is the host name at the beginning of the archive's or a folder's name, the innermost
    one (``history.meta.stackexchange.com_2018-08/Posts.xml``, ``stackoverflow.com-Posts.7z``).
    Without a host name it is the archive's or the folder's name without suffixes.
    """
    stems = [stem for part in name.split("/") if (stem := _ARCHIVE_SUFFIX.sub("", part))]
    for stem in reversed(stems):
        if host := _HOST.match(stem.lower()):
            return host.group()
    return stems[-1] if stems else name


def largest_sites(sizes: Mapping[str, int], n_sites: int) -> list[str]:
    """Return the ``n_sites`` largest sites, largest first. Sites of equal size are sorted by name.

    LLaMA takes the 28 largest. Raises ValueError for a number under 1.
    """
    if n_sites < 1:
        raise ValueError(f"sites: {n_sites} is not a number of sites")
    return sorted(sizes, key=lambda site: (-sizes[site], site))[:n_sites]


def partition_of_posts(posts: pa.RecordBatch, *, n_partitions: int) -> npt.NDArray[np.int64]:
    """Return the partition of each row, in which :func:`join_posts` joins it.

    A question and its answers are in one partition. Rows without a question are spread evenly.
    """
    names = posts["name"].dictionary_encode()
    seeds = [zlib.crc32(name.encode()) for name in names.dictionary.to_pylist()]
    numbers = posts["question_id"].fill_null(-1).to_numpy()
    numbers = np.where(numbers < 0, posts["record"].to_numpy(), numbers).astype(np.uint64)
    seed = np.array(seeds, np.uint64)[names.indices.to_numpy()] if seeds else numbers
    mixed = (numbers + seed) * np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash
    return ((mixed >> np.uint64(32)) % np.uint64(n_partitions)).astype(np.int64)


def assemble(title: str, question: str, answers: Iterable[Answer]) -> str:
    """Return the text of a document, in the form of the module's description, from plain texts."""
    head = f"Q: {' '.join(title.split())}".rstrip()
    parts = [head, question]
    for answer in ordered(answers):
        parts += ["A:", answer.text]
    return "\n\n".join(part for part in parts if part)


def ordered(answers: Iterable[Answer]) -> list[Answer]:
    """Sort answers by score, highest first. Of equal scores the older comes first, then by id."""
    return sorted(answers, key=lambda answer: (-answer.score, answer.created, answer.post_id))


def join_posts(posts: pa.RecordBatch, *, min_answers: int) -> pa.RecordBatch:
    """Join questions with their answers into documents.

    ``posts`` has :data:`POST_SCHEMA` and holds all posts of its questions. Their order does not
    matter: documents come out by site, file and question id. A question is joined with answers of
    its own file only, so that several dumps of a site stay apart.

    Every post is in a document or in a dropped row. The ``metadata`` of a document lists its
    ``answer_ids``, best answer first. Each other row is one post. The reasons for dropping a row
    are

    - ``too_few_answers``: a question with fewer than ``min_answers`` answers, with its answers;
    - ``empty``: a question without a title, text and answers, or an answer without text;
    - ``answer_without_question``: the question is not in the dump (deleted, or damaged);
    - ``duplicate_post``: an earlier row of the file has the same post id;
    - the reason that the reader gave.

    A document's id is ``name#question``. A dropped post's id is ``name#post@record``, because
    several rows may have the same post id; ``post`` is empty in a row without an id. The text of a
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
    """Yield the rows of one question. Its posts are sorted: the question, then by id and record."""
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
