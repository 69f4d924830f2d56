"""Peak memory of a worker on one large file. It does not grow with the file.

    python benchmarks/large_file.py [--megabytes 100 1000] [--sources c4,wikipedia,stackexchange]

The file is made of the real samples, repeated under new ids. Megabytes are counted before
compression. Plain files and bzip2 files of many streams are cut into splits, so two workers share
one file. A gzip file is one split.
"""

from __future__ import annotations

import bz2
import gzip
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import check_samples, samples_parser
from benchmarks.run_cost import run_cost


def c4_lines(data: Path) -> Iterator[bytes]:
    """Yield C4's lines endlessly. Each round has another word at the beginning of the texts."""
    lines = (data / "c4" / "c4_demo.jsonl").read_bytes().splitlines(keepends=True)
    round_number = 0
    while True:
        word = b'"text": "%d ' % round_number
        yield from (line.replace(b'"text": "', word, 1) for line in lines)
        round_number += 1


def wikipedia_pages(data: Path) -> Iterator[bytes]:
    """Yield a dump's pages endlessly. Each round has other page ids."""
    dump = bz2.decompress((data / "wikipedia" / "enwiki-test.xml.bz2").read_bytes())
    pages = re.split(rb"(?=<page>)", dump)[1:]
    round_number = 0
    while True:
        text = b"".join(
            re.sub(rb"<id>(\d+)</id>", rb"<id>%d\1</id>" % (round_number + 1), page, count=1)
            for page in pages
        )
        yield text.replace(b"</mediawiki>", b"")
        round_number += 1


def posts(data: Path) -> Iterator[bytes]:
    """Yield the posts of a site endlessly. Each round has other ids."""
    path = max((data / "stackexchange").rglob("Posts.xml"), key=lambda path: path.stat().st_size)
    rows = [line for line in path.read_bytes().splitlines(keepends=True) if b"<row" in line]
    yield b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
    number = 0
    while True:
        number += 1
        mark = rb' \1="%d00\2"' % number
        yield from (re.sub(rb' (Id|ParentId|AcceptedAnswerId)="(\d+)"', mark, row) for row in rows)


MAKERS: dict[str, tuple[str, Callable[[Path], Iterator[bytes]]]] = {
    "c4": ("c4/large.jsonl", c4_lines),
    "c4.gz": ("c4/large.jsonl.gz", c4_lines),
    "wikipedia": ("wikipedia/enwiki-large-pages-articles.xml.bz2", wikipedia_pages),
    "stackexchange": ("stackexchange/large.stackexchange.com/Posts.xml", posts),
}


def make(name: str, n_bytes: int, data: Path, folder: Path) -> None:
    """Write a file of about ``n_bytes`` bytes before compression. A bzip2 file has many streams."""
    file_name, maker = MAKERS[name]
    path = folder / file_name
    path.parent.mkdir(parents=True)
    opened = gzip.GzipFile(path, "wb", 1) if path.suffix == ".gz" else path.open("wb")
    with opened as file:
        written = 0
        for piece in maker(data):
            file.write(bz2.compress(piece) if path.suffix == ".bz2" else piece)
            written += len(piece)
            if written >= n_bytes:
                break


def main() -> None:
    parser = samples_parser(__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--sources", default=",".join(MAKERS))
    options = parser.parse_args()
    check_samples(options)
    print(f"{'one file':<18}{'MB':>8}{'peak MB of a worker':>22}")
    for name in options.sources.split(","):
        for megabytes in options.megabytes:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                make(name, megabytes * 1_000_000, options.data, folder / "data")
                source = name.split(".")[0]
                cost = run_cost(source, folder / "data", options.models, folder / "out")
            print(f"{name:<18}{megabytes:>8}{cost.worker_peak_mb:>22,.0f}", flush=True)


if __name__ == "__main__":
    main()
