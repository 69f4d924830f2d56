from __future__ import annotations

import gzip
import html
import io
import json
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from pipeline.readers.stackexchange import read_posts
from tests.support.samples.posts import (
    HEADER,
    ROWS,
    WHOLE,
    dump_name,
    dumps,
    post_xml,
    read,
    seven_zip,
)
from tests.support.samples.reader_samples import edited, edits, lying_in
from transforms.stackexchange.join import POST_SCHEMA, join_posts

TYPES = {"1": True, "2": False}


def _joined(path: Path, min_answers: int) -> list[dict[str, Any]]:
    batches = read_posts(
        io.BytesIO(path.read_bytes()),
        dump_name(path),
        start=0,
        end=None,
        batch_bytes=1 << 20,
        max_record_bytes=1 << 20,
    )
    (posts,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return join_posts(posts, min_answers=min_answers).to_pylist()


def test_posts_of_real_dumps_against_an_xml_parser(shared_data: Path) -> None:
    for path in dumps(shared_data):
        rows = read(path.read_bytes(), name=dump_name(path))
        expected = [row.attrib for row in ElementTree.parse(path).getroot()]
        assert [row["post_id"] for row in rows] == [int(post["Id"]) for post in expected]
        assert {row["site"] for row in rows} == {path.parent.name.split("_")[0]}
        for row, post in zip(rows, expected, strict=True):
            if post["PostTypeId"] not in TYPES:
                assert row["dropped_by"] == "not_a_question_or_answer"
                continue
            assert row["dropped_by"] is None
            assert row["is_question"] == TYPES[post["PostTypeId"]]
            assert row["question_id"] == int(post.get("ParentId", post["Id"]))
            assert row["score"] == int(post["Score"])
            # An XML parser makes spaces of tabs that stand in attributes as they are.
            assert row["body_html"].replace("\t", " ") == post["Body"].replace("\t", " ")
            assert row["title"] == post.get("Title")
            assert row["created"] == post["CreationDate"]
            assert row["tags"].split() == re.findall(r"[^<>|]+", post.get("Tags", ""))
            accepted = post.get("AcceptedAnswerId")
            assert row["accepted"] == (int(accepted) if accepted else None)


@pytest.mark.slow
def test_every_post_of_real_dumps_is_in_a_document_or_a_dropped_row(shared_data: Path) -> None:
    lists_of_scores = 0
    for path in dumps(shared_data):
        posts = {post.get("Id"): post.attrib for post in ElementTree.parse(path).getroot()}
        accounted: list[str] = []
        for row in _joined(path, 1):
            metadata = json.loads(row["metadata"])
            answers = [str(number) for number in metadata.get("answer_ids", [])]
            post_id = row["id"].removeprefix(f"{dump_name(path)}#").partition("@")[0]
            accounted += [post_id, *answers]
            assert all(posts[answer]["ParentId"] == post_id for answer in answers)
            scores = [int(posts[answer]["Score"]) for answer in answers]
            assert scores == sorted(scores, reverse=True) == metadata.get("answer_scores", [])
            lists_of_scores += len(set(map(len, map(str, scores)))) > 1
            if row["dropped_by"] is None:
                assert row["text"].startswith(f"Q: {' '.join(posts[post_id]['Title'].split())}")
                assert len(answers) >= 1
                assert row["url"].endswith(f".stackexchange.com/questions/{post_id}")
        assert sorted(accounted) == sorted(posts)
    assert lists_of_scores > 100  # of different lengths as strings


@pytest.mark.slow
def test_code_and_formulas_of_real_dumps_survive(shared_data: Path) -> None:
    blocks = formulas = 0
    for path in dumps(shared_data):
        posts = {post.get("Id"): post.attrib for post in ElementTree.parse(path).getroot()}
        for row in _joined(path, 1):
            post_ids = [row["id"].partition("#")[2]]
            post_ids += map(str, json.loads(row["metadata"]).get("answer_ids", []))
            for post in (posts[number] for number in post_ids if row["text"]):
                tree = HTMLTree.parse(post["Body"])
                for block in tree.body.query_selector_all("pre"):
                    code = block.text.removesuffix("\n")
                    assert f"```\n{code}\n```" in row["text"].replace("\t", " ")
                    blocks += 1
                words = " ".join(row["text"].split())
                for formula in re.findall(r"\$\$[^$<]+\$\$", post["Body"]):
                    assert " ".join(html.unescape(formula).split()) in words or (
                        "<blockquote" in post["Body"]  # whose lines begin with a mark
                    )
                    formulas += 1
            assert "<p>" not in re.sub(r"`[^`]*`|```.*?```", "", row["text"], flags=re.DOTALL)
    assert (blocks, formulas) > (200, 300)


def test_any_splits_of_a_real_dump_give_its_rows(shared_data: Path) -> None:
    data = dumps(shared_data)[0].read_bytes()
    whole = read(data)
    chosen = random.Random(0)
    for _ in range(10):
        edges = [0, *sorted(chosen.sample(range(len(data)), 6)), len(data)]
        rows = [row for a, b in pairwise(edges) for row in read(data, start=a, end=b)]
        assert rows == whole


@pytest.mark.slow
def test_a_split_at_any_place_gives_the_rows_of_the_whole() -> None:
    whole = read(WHOLE)
    assert [row["record"] for row in whole] == [m.start() for m in re.finditer(b"<row", WHOLE)]
    for at in range(1, len(WHOLE) + 2):
        assert read(WHOLE, end=at) + read(WHOLE, start=at) == whole, at


def test_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(WHOLE)
    for size in [*range(1, 40), 1000]:
        monkeypatch.setattr("pipeline.readers.containers.decompress.CHUNK_BYTES", size)
        monkeypatch.setattr("pipeline.readers.containers.cursor.CHUNK_BYTES", size)
        assert read(WHOLE) == whole
        assert read(WHOLE, start=1)[0] == whole[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_posts_in_utf16_are_read_as_in_utf8(encoding: str) -> None:
    data = WHOLE.decode().encode(encoding)  # with the mark of the header
    expected = read(WHOLE)
    assert len(expected) == len(ROWS)
    for packed in (data, gzip.compress(data), seven_zip({"Posts.xml": data})):
        assert read(packed, end=50) == expected
        assert read(packed, start=50, end=None) == []


def test_deleted_posts_are_dropped() -> None:
    deletion = "2020-02-01T00:00:00.000"
    text = (
        post_xml(1)
        + post_xml(2, PostTypeId="2", ParentId="1", DeletionDate=deletion)
        + post_xml(3, DeletionDate=deletion)
        + post_xml(4, PostTypeId="2", ParentId="3")
        + post_xml(5, PostTypeId="2", ParentId="1", DeletionDate="")
        + post_xml(6, PostTypeId="5", DeletionDate=deletion)
    )
    rows = read((HEADER + text + "</posts>").encode())
    reasons = {row["post_id"]: row["dropped_by"] for row in rows}
    deleted = dict.fromkeys((2, 3), "deleted_post") | {6: "not_a_question_or_answer"}
    assert reasons == dict.fromkeys((1, 4, 5)) | deleted
    posts = pa.RecordBatch.from_pylist(rows, POST_SCHEMA)
    joined = join_posts(posts, min_answers=1).to_pylist()
    (document,) = [row for row in joined if row["dropped_by"] is None]
    assert json.loads(document["metadata"])["answer_ids"] == [5]
    assert {"deleted_post", "answer_without_question"} < {row["dropped_by"] for row in joined}


def test_errors_of_the_stream_itself_are_raised() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise TimeoutError("no answer")
            return super().read(size)

    noise = random.Random(1).randbytes(300_000).hex().encode()
    for packed in (seven_zip({"Posts.xml": noise}), WHOLE * 999):
        with pytest.raises(TimeoutError):
            read(Broken(packed))


def test_a_stream_that_cannot_seek() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise AssertionError("not to be called")

    assert read(Unseekable(WHOLE), end=700) + read(Unseekable(WHOLE), start=700) == read(WHOLE)


def test_entities_of_a_document_type_are_refused() -> None:
    declared = [
        'a "lol"',
        'b "&a;&a;&a;&a;&a;&a;"',
        'c "&b;&b;&b;&b;&b;"',
        'd SYSTEM "/etc/passwd"',
    ]
    bomb = f"<!DOCTYPE posts [{''.join(f'<!ENTITY {entity}>' for entity in declared)}]>"
    rows = [
        post_xml(n, Body="HERE").replace("HERE", f"&{entity};") for n, entity in enumerate("abcd")
    ]
    data = HEADER.replace("<posts>", bomb + "<posts>") + "".join(rows) + post_xml(9)
    head, *refused, last = read(data.encode())
    assert head["dropped_by"] == "not_posts" and "declares entities" in head["error"]
    assert [row["dropped_by"] for row in refused] == ["bad_post"] * 4
    assert [row["error"][:4] for row in refused] == ["'&a;", "'&b;", "'&c;", "'&d;"]
    assert last["dropped_by"] is None
    assert "lol" not in str([*refused, last])


def test_a_document_type_without_entities_is_passed_over() -> None:
    header = HEADER.replace("<posts>", "<!DOCTYPE posts SYSTEM 'posts.dtd'>\n<posts>")
    assert len(read((header + post_xml(1)).encode())) == 1


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ('<row Id="1" PostTypeId="1" Score="x" />', "Score is 'x'"),
        ('<row Id="1" PostTypeId="1" />', "Score is missing"),
        ('<row Id="1" PostTypeId="2" Score="1" />', "ParentId is missing"),
        ('<row Id="1" Score="1" />', "PostTypeId is missing"),
        ('<row PostTypeId="1" Score="1" />', "Id is missing"),
        ('<row Id="99999999999999999999" PostTypeId="1" Score="1" />', "Id is '999"),
        ('<row Id="1" Id="2" PostTypeId="1" Score="1" />', "Id stands twice"),
        ('<row Id="1" PostTypeId="1" Score="1" Body="&nbsp;" />', "'&nbsp;' is no reference"),
        ('<row Id="1" PostTypeId="1" Score="1" Body="a & b" />', "'&' is no reference"),
        ('<row Id="1" PostTypeId="1" Score="1" Body="cut', "not well-formed"),
        ('<row Id="1" PostTypeId="1" Score="1" Body=bare />', "not well-formed"),
        ("<row/>", "Id is missing"),
    ],
)
def test_rows_that_are_no_post(row: str, error: str) -> None:
    before, bad, after = read((HEADER + post_xml(5) + row + "\n" + post_xml(6)).encode())
    assert (before["post_id"], after["post_id"]) == (5, 6)
    assert bad["dropped_by"] == "bad_post" and error in bad["error"]


def test_odd_characters_survive() -> None:
    body = "&#xB;&#x1F;\x0c\x01&#0;&#xD800;&#1114112;&#x1F600;&#38;lt;&amp;#xA;&apos;&#9;é"
    data = (HEADER + post_xml(1, Body="BODY").replace("BODY", body)).encode() + b'<row Id="2" '
    data += b'PostTypeId="1" Score="0" Body="bad \xff byte" Title=\'"\'></row></posts>'
    first, second = read(data)
    expected = "\x0b\x1f\x0c\x01\ufffd\ufffd\ufffd😀&lt;&#xA;'\té"
    assert (first["body_html"], first["dropped_by"]) == (expected, None)
    assert (second["body_html"], second["title"]) == ("bad \ufffd byte", '"')


@pytest.mark.parametrize(
    ("data", "dropped_by"),
    [
        (b"", []),
        (HEADER.encode() + b"</posts>", []),
        (b"<?xml version='1.0'?><posts />", []),
        (b"hello", ["not_posts"]),
        (b"<comments></comments>", ["not_posts"]),
        (WHOLE.replace(b"<posts>", b"<comments>"), ["not_posts", *[None] * len(ROWS)]),
        (b"<!--" * 300_000, ["record_too_large"]),
        (b"<!--" * 200_000, ["not_posts"]),
        (HEADER.encode() + ROWS[0] + b"junk" + ROWS[1], [None, "bad_post", None]),
        (HEADER.encode() + post_xml(1, Body="x" * (1 << 20)).encode() + ROWS[1],
         ["record_too_large", None]),
    ],
)  # fmt: skip
def test_odd_files(data: bytes, dropped_by: list[str | None]) -> None:
    rows = read(data)
    assert [row["dropped_by"] for row in rows] == dropped_by
    assert len({row["record"] for row in rows}) == len(rows)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(edits(), st.sampled_from(["plain", "gzip", "7z"]))
def test_any_damage_keeps_the_rows_before_it(changes: Any, form: str) -> None:
    if form == "plain":
        data, intact = edited(WHOLE, changes)
        kept = max(lying_in([HEADER.encode(), *ROWS], intact) - 1, 0)
        assert read(data)[:kept] == read(WHOLE)[:kept]
    else:
        packed = gzip.compress(WHOLE) if form == "gzip" else seven_zip({"Posts.xml": WHOLE})
        data, _ = edited(packed, changes)
        read(data)
