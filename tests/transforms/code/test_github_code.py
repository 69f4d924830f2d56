"""The steps for code (filter, generated files, notices), alone and on real files."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.github import read_bigquery_github
from transforms.code.filter import filter_code, measure
from transforms.code.generated_files import drop_generated_files
from transforms.code.languages import language_of_path
from transforms.code.licence_header import strip_licence_header
from transforms.code.licences import FAMILIES, keep_licences
from transforms.documents import documents

REDPAJAMA: dict[str, Any] = {
    "max_longest_line_chars": 1_000,
    "max_mean_line_chars": 100,
    "min_alphanumeric_fraction": 0.25,
    "min_letters_per_token": 1.5,
    "extensions": [],
}
LAX: dict[str, Any] = {
    "max_longest_line_chars": 10**9,
    "max_mean_line_chars": 10**9,
    "min_alphanumeric_fraction": 0,
    "min_letters_per_token": 0,
    "extensions": [],
}
NOTICE = re.compile(
    r"licensed under the apache|spdx-license|copyright \(c\)|all rights reserved"
    r"|redistribution and use in",
    re.IGNORECASE,
)


def batch_of(files: list[tuple[str, str]]) -> pa.RecordBatch:
    metadata = [json.dumps({"path": path}) for path, _ in files]
    return documents(
        [f"d#{i}" for i in range(len(files))], [text for _, text in files], metadata=metadata
    )


@pytest.fixture(scope="module")
def real(shared_data) -> pa.RecordBatch:
    with (shared_data / "github" / "bq_github_open.jsonl.gz").open("rb") as stream:
        limits = {"start": 0, "end": None, "batch_bytes": 1 << 25, "max_record_bytes": 1 << 24}
        (batch,) = read_bigquery_github(stream, "github/f", **limits)
    return alive(batch)


def alive(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(pc.is_null(batch["dropped_by"]))


def slow_measure(text: str) -> tuple[int, ...]:
    lines = re.split("\r\n|\r|\n", text)
    if not lines[-1]:
        lines.pop()
    tokens = 0
    words = "".join(character if character.isalpha() else "\0" for character in text)
    for word in words.split("\0"):
        for part in re.split("|".join(f"(?<={a})(?={b})" for a, b in camels(word)) or "$^", word):
            tokens += -(-len(part) // 6)
    before = ""
    for character in text:
        repeated = character == before and not character.isalnum()
        tokens += not (character.isalpha() or character.isspace() or repeated)
        before = character
    return (
        len(text),
        len(lines),
        sum(map(len, lines)),
        max(map(len, lines), default=0),
        sum(map(str.isalpha, text)),
        sum(map(str.isalnum, text)),
        tokens,
    )


def camels(word: str) -> set[tuple[str, str]]:
    return {(a, b) for a, b in itertools.pairwise(word) if b.isupper() and not a.isupper()}


def slow_reason(counts: tuple[int, ...]) -> str | None:
    chars, n_lines, line_chars, longest, letters, alphanumerics, tokens = counts
    if longest > 1_000:
        return "line_too_long"
    if line_chars > 100 * n_lines:
        return "lines_too_long"
    if 4 * alphanumerics < chars:
        return "few_alphanumerics"
    return "few_letters" if 2 * letters < 3 * tokens else None


@pytest.mark.slow
def test_the_filter_agrees_with_a_slow_one_on_every_real_file(real) -> None:
    texts = real["text"].to_pylist()
    counts = list(zip(*(column.tolist() for column in measure(real["text"])), strict=True))
    slow_counts = [slow_measure(text) for text in texts]
    assert counts == slow_counts
    reasons = filter_code(real, **REDPAJAMA)["dropped_by"].to_pylist()
    assert reasons == [slow_reason(counts) for counts in slow_counts]
    assert len(texts) == 1555
    assert {reason: reasons.count(reason) for reason in set(reasons) if reason} == {
        "line_too_long": 18,
        "lines_too_long": 18,
        "few_letters": 157,
    }


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(st.sampled_from("aBçÉ中文ªǅ1٣½_-= \t\r\n\x0b\u2028😀"))))
def test_measures_of_wild_texts(texts: list[str]) -> None:
    column = pa.array(["skipped", *texts], pa.string())[1:]
    counts = zip(*(column.tolist() for column in measure(column)), strict=True)
    assert list(counts) == [slow_measure(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("getHTTPResponse", 3),  # get HTTPRe sponse
        ("internationalisation", 4),
        ("x = 1234", 6),
        ("======", 1),
        ("a == b", 3),
        ("a.b.c", 5),
        ("  \n\t", 0),
    ],
)
def test_what_a_token_is(text: str, tokens: int) -> None:
    assert measure(pa.array([text])).tokens.tolist() == [tokens]


def test_thresholds_are_inclusive() -> None:
    def reason(text: str, **thresholds: Any) -> str | None:
        return filter_code(batch_of([("f", text)]), **(LAX | thresholds))["dropped_by"][0].as_py()

    assert reason("é" * 10 + "\n", max_longest_line_chars=10) is None
    assert reason("é" * 11 + "\n", max_longest_line_chars=10) == "line_too_long"
    assert reason("abcd\n\n", max_mean_line_chars=2) is None
    assert reason("abcde\n\n", max_mean_line_chars=2) == "lines_too_long"
    assert reason("a---", min_alphanumeric_fraction=0.25) is None
    assert reason("a----", min_alphanumeric_fraction=0.25) == "few_alphanumerics"
    assert reason("abc=", min_letters_per_token=1.5) is None
    assert reason("abc=1", min_letters_per_token=1.5) == "few_letters"


def test_extensions() -> None:
    paths = ["a/b.py", "a/B.PY", "Makefile", "a/Makefile", "a.mk", "py", "a.py/x", "x.blade.php"]
    batch = batch_of([(path, "text") for path in paths])
    after = filter_code(batch, **(LAX | {"extensions": [".py", "Makefile", ".blade.php"]}))
    kept = [not reason for reason in after["dropped_by"].to_pylist()]
    assert kept == [True, True, True, True, False, False, False, True]


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.py", "Python"),
        ("CMakeLists.txt", "CMake"),
        ("notes.txt", "Text"),
        ("a/Makefile", "Makefile"),
        ("x.C", "C"),
        ("x.S", "Assembly"),
        ("x.unheardof", None),
        ("LICENSE", None),
    ],
)
def test_languages_by_path(path: str, language: str | None) -> None:
    assert language_of_path(path) == language


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("LICENSE", "", "licence_file"),
        ("sub/LICENSE-MIT.txt", "", "licence_file"),
        ("COPYING.LESSER", "", "licence_file"),
        ("license.py", "", None),
        ("licence_header.py", "", None),
        ("certs/ca.crt", "", "certificate"),
        ("a/node_modules/b/index.js", "", "vendored"),
        ("vendor/x.go", "", "vendored"),
        ("src/vendor.py", "", None),
        ("distribution/x.py", "", None),
        ("js/jquery.min.js", "", "generated"),
        ("a_pb2.py", "", "generated"),
        ("a.pb.go", "", "generated"),
        ("package-lock.json", "", "generated"),
        ("package.json", "", None),
        ("a.go", "// Code generated by stringer. DO NOT EDIT.\n", "generated"),
        ("a.py", "#!/usr/bin/python\n# This file was automatically generated.\n", "generated"),
        ("a.js", "/**\n * @generated SignedSource<<x>>\n */", "generated"),
        ("a.py", "\n" * 9 + "# @generated", "generated"),
        ("a.py", "\n" * 10 + "# @generated", None),
        ("a.py", "# Finds code that is generated.\n", None),
        ("a.py", "# do not edit the list below\n", None),
    ],
)
def test_generated_and_vendored_files(path: str, text: str, reason: str | None) -> None:
    after = drop_generated_files(batch_of([(path, text)]), marker_lines=10)
    assert after["dropped_by"].to_pylist() == [reason]


def test_the_whole_source_on_real_files(real) -> None:
    batch = alive(keep_licences(real, families=["apache", "bsd", "mit"]))
    batch = alive(drop_generated_files(batch, marker_lines=10))
    before = alive(filter_code(batch, **REDPAJAMA))
    batch = strip_licence_header(before)
    kept = frozenset().union(*(FAMILIES[name] for name in ("apache", "bsd", "mit")))
    assert batch.num_rows > 700
    changed = had_notice = 0
    texts = zip(before["text"].to_pylist(), batch["text"].to_pylist(), strict=True)
    for (old, new), metadata in zip(texts, batch["metadata"].to_pylist(), strict=True):
        fields = json.loads(metadata)
        assert fields["licence"] in kept
        assert fields["repository"] not in ("webrecorder/pywb", "kpu/kenlm", "brucemiller/LaTeXML")
        assert not fields["path"].endswith(("LICENSE", "LICENSE.md", ".min.js", ".lock", ".png"))
        had_notice += bool(NOTICE.search(first_comment(old)))
        assert not NOTICE.search(first_comment(new)), fields["path"]
        if old.startswith("#!"):
            assert new.split("\n")[0] == old.split("\n")[0]
        if old != new:
            changed += 1
            assert is_subsequence(new.split("\n"), old.split("\n")), fields["path"]
            code = re.search(r"^(?:import|package|from|def|class|function) .*", old, re.MULTILINE)
            assert not code or new.endswith(old[code.start() :]), fields["path"]
    assert changed >= had_notice > 190


def first_comment(text: str) -> str:
    """Return roughly the lines of comments at the beginning of a file, of any style."""
    head = re.match(
        r"(?:\s*(?:(?:#|//|;|%|--).*(?:\n|$)|/\*[\s\S]*?\*/|<!--[\s\S]*?-->|\"\"\"[\s\S]*?\"\"\"))*",
        text,
    )
    assert head
    return head[0]


def is_subsequence(lines: list[str], of: list[str]) -> bool:
    rest = iter(of)
    return all(line in rest for line in lines)
