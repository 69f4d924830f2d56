"""The bundled samples of the other sources, compared with ``samples/README.md``.

Their content is read by independent libraries. A run of the real samples' recipe shows the outcomes
of the planted records.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import py7zr
import pyarrow.parquet as pq
import pytest
import yaml

import beam_runner
from pipeline.inspection.manifest import statistics
from tests.support.runs import ROOT

pytestmark = pytest.mark.slow

DATA = ROOT / "samples" / "data"
SOURCES = ("github", "wikipedia", "books", "arxiv", "stackexchange")
GITHUB = DATA / "github" / "bq-files-000000000000.jsonl.gz"
WORKSHOP = DATA / "stackexchange" / "workshop.example.org" / "Posts.xml"
OBSERVATORY = DATA / "stackexchange" / "observatory.example.org.7z"
BULK = DATA / "arxiv" / "arXiv_src_2013_001.tar"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the real samples' recipe over the bundled samples, with the bundled tokenizer."""
    folder = tmp_path_factory.mktemp("run")
    recipe = yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text("utf-8"))
    recipe["tokenizer"]["model"] = str(ROOT / "samples" / "models" / "tokenizer.model")
    recipe["sources"] = {name: recipe["sources"][name] for name in SOURCES}
    total = sum(source["proportion"] for source in recipe["sources"].values())
    for source in recipe["sources"].values():
        source["proportion"] /= total
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    status = beam_runner.main(
        ["--recipe", str(folder / "recipe.yaml"), "--output", str(folder / "out"), "--workers", "1",
         "--set", f"data={DATA}", "--set", "models=none"]
    )  # fmt: skip
    assert status == 0
    return folder / "out"


@pytest.mark.parametrize(
    ("source", "documents", "dropped", "kept"),
    [
        (
            "github",
            65,
            {
                "bad_json": 1, "empty": 1, "not_text": 2, "licence_gpl-3.0": 3,
                "licence_agpl-3.0": 1, "licence_unknown": 2, "generated": 5, "licence_file": 2,
                "vendored": 2, "line_too_long": 2, "lines_too_long": 1, "few_alphanumerics": 1,
                "few_letters": 5, "only_licence_header": 1, "duplicate_document": 4,
            },
            32,
        ),
        (
            "wikipedia",
            25,
            {
                "redirect": 3, "not_an_article": 4, "disambiguation": 3, "empty": 1,
                "duplicate_document": 1,
            },
            13,
        ),
        ("books", 5, {"near_duplicate": 1}, 4),
        ("arxiv", 6, {"pdf_only": 1, "withdrawn": 1, "no_main_file": 1}, 3),
        (
            "stackexchange",
            19,
            {
                "answer_without_question": 1, "bad_post": 1, "duplicate_post": 1, "empty": 1,
                "not_a_question_or_answer": 2, "too_few_answers": 2,
            },
            11,
        ),
    ],
)  # fmt: skip
def test_every_planted_defect_is_dropped_for_its_reason(run, source, documents, dropped, kept):
    funnel = statistics(str(run))["sources"][source]["funnel"]
    counts = {(row["outcome"], row["reason"]): row["documents"] for row in funnel}
    assert counts["in", None] == documents
    assert {reason: n for (outcome, reason), n in counts.items() if outcome == "dropped"} == dropped
    assert sum(n for (outcome, _), n in counts.items() if outcome == "out") == kept


def test_answers_come_by_score_as_a_number(run):
    rows = [
        json.loads(row["metadata"])
        for path in (run / "shards" / "stackexchange").glob("*.docs.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    scores = {tuple(row["answer_scores"]) for row in rows}
    assert {(10, 9, 2, -1), (100, 31, 4), (12, 9)} <= scores
    assert {row["site"] for row in rows} == {"workshop.example.org", "observatory.example.org"}


def github_records() -> tuple[list[dict], int]:
    records, damaged = [], 0
    for line in gzip.decompress(GITHUB.read_bytes()).removesuffix(b"\n").split(b"\n"):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            damaged += 1
    return records, damaged


def test_github_files():
    records, damaged = github_records()
    assert (len(records), damaged) == (64, 1)
    licences = Counter(record.get("license") for record in records)
    assert licences["gpl-3.0"] == 3 and licences["agpl-3.0"] == 1 and licences[None] == 2
    assert {"mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause"} < set(licences)
    owners = {record["repo_name"].partition("/")[0] for record in records}
    assert all(owner.endswith(".example") for owner in owners)
    for record in records:
        if record["binary"]:
            assert "content" not in record
            continue
        data = record["content"].encode()
        assert record["size"] == str(len(data))
        assert record["id"] == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    copies = Counter(record["id"] for record in records)
    assert sum(n - 1 for n in copies.values()) == 4


def test_wikipedia_pages():
    streams, titles = Counter(), {}
    for path in sorted((DATA / "wikipedia").iterdir()):
        language, data, text = path.name[:2], path.read_bytes(), b""
        while data:
            stream = bz2.BZ2Decompressor()
            text += stream.decompress(data)
            data = stream.unused_data
            streams[language] += 1
        root = ElementTree.fromstring(text)
        titles[language] = [page.findtext("{*}title") for page in root.iterfind("{*}page")]
        assert b"[[" in text and b"{{" in text and b"&lt;ref" in text
    assert streams == {"en": 6, "fr": 1, "de": 1}
    assert {language: len(found) for language, found in titles.items()} == {
        "en": 14, "fr": 5, "de": 6,
    }  # fmt: skip
    assert titles["en"].count("Tide table") == 2


def test_books():
    folder = DATA / "books"
    assert {path.name for path in folder.iterdir()} == {
        "alice.txt", "alice-other-edition.txt", "time-machine.txt", "treasure-island.txt",
        "scandal-in-bohemia.epub",
    }  # fmt: skip
    alice = (folder / "alice.txt").read_bytes()
    assert alice.startswith(b"\xef\xbb\xbf") and b"\r\n" in alice
    assert (folder / "alice-other-edition.txt").read_bytes().isascii()
    machine = (folder / "time-machine.txt").read_bytes()
    assert "Linnæan" in machine.decode("latin-1")
    with pytest.raises(UnicodeDecodeError):
        machine.decode()
    assert "“" in (folder / "treasure-island.txt").read_bytes().decode()
    with zipfile.ZipFile(folder / "scandal-in-bohemia.epub") as book:
        assert book.namelist()[0] == "mimetype"
        assert book.read("mimetype") == b"application/epub+zip"
        for name in book.namelist()[1:]:
            ElementTree.fromstring(book.read(name))


def test_editions_overlap_as_stated():
    one, other = (
        " ".join(re.findall(r"[a-z]+", text.lower())).split()
        for text in (
            (DATA / "books" / "alice.txt").read_bytes().decode("utf-8-sig").partition("CHAPTER")[2],
            (DATA / "books" / "alice-other-edition.txt").read_bytes().decode("ascii"),
        )
    )
    grams = [{tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one, other)]
    assert 0.9 < len(grams[0] & grams[1]) / len(grams[0] | grams[1]) < 1


def test_arxiv_submissions():
    kinds = {}
    with tarfile.open(BULK) as bulk:
        for member in bulk:
            content = bulk.extractfile(member).read()
            if member.name.endswith(".gz"):
                content = gzip.decompress(content)
            if content.startswith(b"%PDF"):
                kinds[member.name] = "pdf"
                at = int(content.rsplit(b"startxref\n", 1)[1].split()[0])
                assert content[at : at + 4] == b"xref"
            elif tarfile.is_tarfile(io.BytesIO(content)):
                with tarfile.open(fileobj=io.BytesIO(content)) as submission:
                    kinds[member.name] = len(submission.getnames())
            else:
                kinds[member.name] = "file"
    assert kinds == {
        "2013/2013.00001.gz": 7, "2013/2013.00002.gz": "file", "2013/2013.00003.gz": 1,
        "2013/2013.00004.pdf": "pdf", "2013/2013.00005.gz": "file", "2013/2013.00006.gz": 2,
    }  # fmt: skip


def observatory_posts(path: Path) -> bytes:
    factory = py7zr.io.BytesIOFactory(1 << 20)
    with py7zr.SevenZipFile(path) as archive:
        archive.extractall(factory=factory)
    return factory.products["Posts.xml"].read()


def test_posts():
    kinds = {}
    for name, data in {
        "plain": WORKSHOP.read_bytes(),
        "7z": observatory_posts(OBSERVATORY),
    }.items():
        rows = ElementTree.fromstring(data).findall("row")
        kinds[name] = Counter(row.get("PostTypeId") for row in rows)
    assert kinds == {"plain": {"1": 7, "2": 18, "4": 1, "5": 1}, "7z": {"1": 6, "2": 10}}


def test_no_trademark_and_no_address_of_others():
    everything = gzip.decompress(GITHUB.read_bytes()) + WORKSHOP.read_bytes()
    everything += observatory_posts(OBSERVATORY)
    for path in (DATA / "wikipedia").iterdir():
        everything += bz2.decompress(path.read_bytes())
    for path in (DATA / "books").glob("*.txt"):
        everything += path.read_bytes()
    with zipfile.ZipFile(DATA / "books" / "scandal-in-bohemia.epub") as book:
        parts = b"".join(book.read(name) for name in book.namelist() if name.endswith(".xhtml"))
    assert b"gutenberg" not in (everything + parts).lower()
    hosts = set(re.findall(rb"https?://([^/\s\"'&<>\\\])]+)", everything))
    named = {b"www.mediawiki.org", b"www.apache.org"}  # names in the format and in a licence
    assert {host for host in hosts - named if b"example." not in host} == set()


def test_the_script_writes_these_samples(tmp_path, shared_data):
    command = [
        sys.executable, str(ROOT / "scripts" / "make_source_samples.py"),
        "--books", str(shared_data / "books"), "--output", str(tmp_path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert made == sorted(
        path.relative_to(DATA)
        for source in SOURCES
        for path in (DATA / source).rglob("*")
        if path.is_file()
    )
    for path in made:
        assert content(tmp_path / path) == content(DATA / path), path


def content(path: Path) -> object:
    """Return the content of a file, because versions of compressors write different bytes."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".7z":
        return observatory_posts(path)
    if path.suffix == ".epub":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    if path.suffix == ".tar":
        with tarfile.open(path) as archive:
            members = {member.name: archive.extractfile(member).read() for member in archive}
        return {
            name: gzip.decompress(member) if name.endswith(".gz") else member
            for name, member in members.items()
        }
    return data
