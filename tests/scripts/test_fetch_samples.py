"""The script that fetches public samples, from a server on this machine in place of publishers'."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.runs import ROOT, run_demo

ASKED: list[str] = []
DUMP = "data.commoncrawl.org/crawl-data/CC-MAIN-2019-30"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and notes what is asked for, and by whom."""

    def log_message(self, *_: object) -> None:
        ASKED.append(f"{self.path} {self.headers.get('User-Agent')}")


def first(kind: str, suffix: str) -> Path:
    return sorted((ROOT / "samples" / "data" / kind).rglob(f"*{suffix}"))[0]


@pytest.fixture
def publishers(tmp_path: Path) -> Iterator[str]:
    """A server that has the bundled samples at the publishers' addresses."""
    root = tmp_path / "www"
    there = {
        "data.commoncrawl.org/a.wet.gz": first("commoncrawl", ".warc.wet.gz"),
        "data.commoncrawl.org/a.warc.gz": first("commoncrawl", "00000.warc.gz"),
        "huggingface.co/datasets/allenai/c4/resolve/main/en/c4-validation.00000-of-00008.json.gz":
            first("c4", ".json.gz"),
        "dumps.wikimedia.org/simplewiki/latest/"
        "simplewiki-latest-pages-articles-multistream.xml.bz2": first("wikipedia", ".bz2"),
        "export.arxiv.org/e-print/1706.03762": first("c4", ".json.gz"),
        "export.arxiv.org/e-print/2302.13971": first("c4", ".json.gz"),
        "archive.org/download/stackexchange/ai.meta.stackexchange.com.7z":
            first("stackexchange", ".7z"),
        **{f"aleph.gutenberg.org/cache/epub/{n}/pg{n}.txt": first("books", ".txt")
           for n in (11, 84, 1342)},
    }  # fmt: skip
    for name, path in there.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / name)
    (root / DUMP).mkdir(parents=True)
    for kind in ("wet", "warc"):
        (root / DUMP / f"{kind}.paths.gz").write_bytes(gzip.compress(f"a.{kind}.gz\nb\n".encode()))
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *given: Handler(*given, directory=str(root))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.slow
def test_samples_are_fetched_once_and_a_recipe_reads_them(publishers, tmp_path, capsys) -> None:
    folder = tmp_path / "samples"
    environment = {**os.environ, "FETCH_FROM": publishers, "FETCH_PAUSE_SECONDS": "0"}
    command = [str(ROOT / "scripts" / "fetch_samples.sh"), str(folder)]

    def fetch() -> list[str]:
        ASKED.clear()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return list(ASKED)

    assert len(fetch()) == 12
    assert all("llama-corpus samples" in line for line in ASKED)
    assert fetch() == []
    book = folder / "books" / "pg84.txt"
    book.rename(folder / "books" / "pg84.txt.part")  # as a stopped command leaves it
    (asked,) = fetch()
    assert "pg84.txt" in asked and book.exists() and len(list(folder.rglob("*.part"))) == 0

    settings = (f"data={folder}", f"models={ROOT}/samples/models",
                f"tokenizer.model={ROOT}/samples/models/tokenizer.model")  # fmt: skip
    options = ["--recipe", str(ROOT / "recipes" / "samples.yaml"), "--dry_run", "--sources",
               "commoncrawl,commoncrawl_warc,c4,wikipedia,books,arxiv,stackexchange"]  # fmt: skip
    assert run_demo(tmp_path / "out", *options, *(w for s in settings for w in ("--set", s))) == 0
    assert "c4: of the first 100 records, " in capsys.readouterr().out
