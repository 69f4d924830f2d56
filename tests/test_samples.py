"""The bundled web samples, read by independent libraries and compared with their README."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import sentencepiece
from fastwarc.warc import ArchiveIterator, WarcRecordType

from tests.support.plain.web_path import (
    Page,
    kept_pages,
    language,
    load_models,
    perplexity,
    shared_keys,
)

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
WET = SAMPLES / "data" / "commoncrawl" / "wet"
WARC = SAMPLES / "data" / "commoncrawl" / "warc"
C4 = SAMPLES / "data" / "c4"
MODELS = SAMPLES / "models"


class Capture(NamedTuple):
    file: str
    url: str
    payload: bytes

    @property
    def text(self) -> str:
        return self.payload.decode("utf-8", "replace").removesuffix("\n").partition("\n")[2]


@pytest.fixture(scope="module")
def captures():
    found = []
    for path in sorted(WET.iterdir()):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, WarcRecordType.conversion, parse_http=False):
                url = record.headers["WARC-Target-URI"]
                found.append(Capture(path.name, url, record.reader.read()))
    return found


@pytest.fixture(scope="module")
def models():
    return load_models(MODELS, MODELS / "tokenizer.model")


def kind(url: str) -> str:
    """Return a page's kind by its url, as the README describes it."""
    if url.startswith("http://mirror."):
        return "mirror"
    if "worldnotes" in url:
        return "language"
    if "/node/" in url:
        return "short"
    number = re.search(r"-(\d+)\.html$", url)
    if number is None:
        return url.rpartition("/")[2]
    bounds = {"prose": 460, "mirror": 490, "soup": 530, "spam": 555, "tables": 575}
    return next(name for name, end in bounds.items() if int(number.group(1)) < end)


def test_wet_pages_are_as_many_of_each_kind_as_stated(captures):
    assert Counter(kind(c.url) for c in captures) == {
        "prose": 460, "mirror": 30, "soup": 40, "spam": 25, "tables": 20, "short": 60,
        "language": 44, "empty": 1, "title-only": 1, "not-utf-8": 1, "cut-short": 1,
    }  # fmt: skip
    assert len({c.file for c in captures}) == 4


def test_defects_are_planted(captures):
    by_url = {c.url: c for c in captures}
    mirrors = [c for c in captures if kind(c.url) == "mirror"]
    for mirror in mirrors:
        original = mirror.url.replace("http://mirror.", "https://")
        assert mirror.payload == by_url[original].payload
    assert all(len(c.text) < 300 for c in captures if kind(c.url) == "short")
    assert all(len(c.text) >= 300 for c in captures if kind(c.url) in ("prose", "soup", "spam"))
    assert by_url["https://www.example.org/empty"].payload == b""
    assert b"\n" not in by_url["https://www.example.org/title-only"].payload
    with pytest.raises(UnicodeDecodeError):
        by_url["https://www.example.org/not-utf-8"].payload.decode()
    boilerplate = [c for c in captures if "people have read this page" in c.text]
    counters = {line for c in boilerplate for line in c.text.split("\n") if "people have" in line}
    assert len(boilerplate) > 50
    assert len(counters) > 50
    assert len({re.sub(r"[0-9]", "0", line) for line in counters}) < 6


def test_every_member_holds_one_record_with_its_digest():
    cut = []
    records = 0
    for path in [*sorted(WET.iterdir()), *sorted(WARC.iterdir())]:
        data = path.read_bytes()
        while data:
            member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            record = member.decompress(data)
            if not member.eof:
                cut.append(path.name)
                break
            data = member.unused_data
            head, _, rest = record.partition(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
            block = rest[: int(fields[b"Content-Length"])]
            assert rest[len(block) :] == b"\r\n\r\n"
            digest = base64.b32encode(hashlib.sha1(block).digest())
            assert fields[b"WARC-Block-Digest"] == b"sha1:" + digest
            records += 1
    assert records == 4 + 682 + 2 + 3 * 53
    assert cut == ["SAMPLE-20200117123339-20200117151339-00003.warc.wet.gz"]


def test_warc_captures():
    types: list[WarcRecordType] = []
    statuses: Counter[int] = Counter()
    odd = Counter()
    for path in sorted(WARC.iterdir()):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream):
                types.append(record.record_type)
                if record.record_type != WarcRecordType.response:
                    continue
                statuses[record.http_headers.status_code] += 1
                body = record.reader.read()
                content_type = record.http_headers["Content-Type"]
                if "iso-8859-1" in content_type:
                    odd["latin-1"] += 1
                    assert "café" in body.decode("latin-1")
                if record.http_headers.get("Transfer-Encoding") == "chunked":
                    odd["chunked"] += 1
                if content_type == "image/png":
                    odd["picture"] += 1
    assert statuses == {200: 51, 301: 1, 404: 1}
    assert odd == {"latin-1": 1, "chunked": 1, "picture": 1}
    assert types.count(WarcRecordType.request) == types.count(WarcRecordType.metadata) == 53


def test_c4_documents():
    texts, damaged = [], 0
    for path in sorted(C4.iterdir()):
        separators: Counter[str] = Counter()
        for line in gzip.decompress(path.read_bytes()).removesuffix(b"\n").split(b"\n"):
            try:
                document = json.loads(line)
            except json.JSONDecodeError:
                damaged += 1
                continue
            assert set(document) == {"text", "timestamp", "url"}
            texts.append(document["text"])
            separators.update(mark for mark in "\u2028\u0085" if mark in document["text"])
        assert separators == {"\u2028": 2, "\u0085": 2}
    assert (len(texts), len(set(texts)), damaged) == (380, 374, 1)


def test_no_trademark_and_no_address_of_others(captures):
    everything = b"".join(c.payload for c in captures)
    for path in [*WARC.iterdir(), *C4.iterdir()]:
        everything += gzip.decompress(path.read_bytes())
    assert b"gutenberg" not in everything.lower()
    hosts = set(re.findall(rb"https?://([^/\s\"']+)", everything))
    assert hosts
    assert all(host.endswith((b".example", b".example.org")) for host in hosts)


def test_languages_are_identified_as_planted(captures, models):
    for capture in captures:
        if kind(capture.url) == "language":
            planted = capture.url.split("/")[3]
            body = [line for line in capture.text.split("\n") if len(line) > 70]
            label, score = language(models["language"], "\n".join(body[-2:]))
            assert (label, score > 0.5) == (planted, True), capture.url


def test_perplexity_tells_prose_from_soup_and_spam(captures, models):
    pages = [Page(c.url, c.text.split("\n")) for c in captures if kind(c.url) != "cut-short"]
    kept = list(
        kept_pages(
            pages,
            shared_keys(pages, 300),
            models,
            min_chars=300,
            min_score=0.5,
            cutoff=float("inf"),
        )
    )
    scores: dict[str, list[float]] = {}
    for page in kept:
        scores.setdefault(kind(page.id), []).append(page.perplexity)
    assert len(scores["prose"]) == 430
    assert "mirror" not in scores
    assert np.percentile(scores["prose"], 95) < min(scores["soup"]) < 500 < min(scores["spam"])

    readme = (MODELS / "README.md").read_text("utf-8")
    stated = re.search(r"\| 30th \| 60th \|\n\| --- \| --- \|\n\| ([\d.]+) \| ([\d.]+) \|", readme)
    assert stated is not None
    found = np.percentile([page.perplexity for page in kept], [30, 60])
    assert [f"{value:.1f}" for value in found] == list(stated.groups())


def test_models_are_those_of_the_readme():
    readme = (MODELS / "README.md").read_text("utf-8")
    for name in ("lid.176.ftz", "tokenizer.model", "en.sp.model", "en.arpa.bin"):
        digest = hashlib.sha256((MODELS / name).read_bytes()).hexdigest()
        assert f"| `{digest}` |" in next(
            line for line in readme.split("\n") if line.startswith(f"| `{name}`")
        )


@pytest.mark.parametrize(
    "text",
    [
        "It was the best of times.",
        "  two spaces\n\n\tand a tab, 1,234,567 digits  ",
        "Пътят към дома 老街 🙂 \u2581 é e\u0301",
        " ",
        "\n",
    ],
)
def test_tokenizer_gives_text_back(models, text):
    tokenizer = models["tokenizer"]
    assert tokenizer.decode(tokenizer.encode(text)) == text.replace("\u2581", " ")


def test_tokenizer_is_of_the_llama_kind(models):
    tokenizer: sentencepiece.SentencePieceProcessor = models["tokenizer"]
    assert tokenizer.vocab_size() == 6_000
    assert (tokenizer.unk_id(), tokenizer.bos_id(), tokenizer.eos_id()) == (0, 1, 2)
    assert tokenizer.encode("2023", out_type=str) == ["▁", "2", "0", "2", "3"]
    assert tokenizer.encode("\n", out_type=str) == ["▁", "<0x0A>"]
    assert all(not tokenizer.is_byte(tokenizer.piece_to_id(digit)) for digit in "0123456789")
    assert models["lm"].order == 5
    assert models["pieces"].vocab_size() == 8_000
    assert perplexity(models["pieces"], models["lm"], "") > 1


def test_the_script_writes_these_samples(tmp_path, shared_data):
    command = [
        sys.executable, str(SAMPLES.parent / "scripts" / "make_samples.py"),
        "--books", str(shared_data / "books"), "--output", str(tmp_path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    bundled = sorted(
        path
        for source in ("commoncrawl", "c4")
        for path in (SAMPLES / "data" / source).rglob("*")
        if path.is_file()
    )
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [p.relative_to(tmp_path) for p in made] == [
        p.relative_to(SAMPLES / "data") for p in bundled
    ]
    for ours, new in zip(bundled, made, strict=True):
        assert _inflated(ours) == _inflated(new), ours.name


def _inflated(path: Path) -> list[bytes]:
    """Return the content of the complete members, because versions of zlib compress differently."""
    members, data = [], path.read_bytes()
    while data:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        content = member.decompress(data)
        if not member.eof:
            break
        members.append(content)
        data = member.unused_data
    return members
