"""The sample of GitHub: an export of BigQuery's table of files, with invented repositories."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from source_texts import sections
from web_archives import gzip_member

COPIES = (
    (
        "mira-okafor.example/ringbuf",
        "src/ringbuf.c",
        "harbourmaster.example/buoyd",
        "deps/ringbuf.c",
    ),
    (
        "mira-okafor.example/ringbuf",
        "src/ringbuf.h",
        "harbourmaster.example/buoyd",
        "deps/ringbuf.h",
    ),
    (
        "gardenbyte.example/seed-catalog",
        "lib/spacing.js",
        "allotment-app.example/beds",
        "src/spacing.js",
    ),
    ("orrery.example/kepler", "src/lib.rs", "orrery.example/kepler-fork", "src/lib.rs"),
)
"""Repository and path of files, and of their copies. All copies are under the MIT License."""


def blob_id(content: bytes) -> str:
    """Return the id that Git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def record(repository: str, path: str, licence: str | None, content: str | None) -> str:
    """Return a line of the export. Numbers are strings there, and binary files have no content."""
    data = b"\x89PNG\r\n\x1a\n" if content is None else content.encode()
    fields = {
        "id": blob_id(data),
        "repo_name": repository,
        "ref": "refs/heads/master",
        "path": path,
        "size": str(len(data)),
        "binary": content is None,
        "content": content,
        "copies": "1",
        "license": licence,
    }
    return json.dumps({key: value for key, value in fields.items() if value is not None})


def minified(content: str) -> str:
    """Return a JavaScript program on one line, several times, as in the output of bundlers."""
    lines = [line.strip() for line in content.split("\n")]
    line = "".join(line for line in lines if line and not line.startswith(("//", "/*", "*")))
    return line * 3 + "\n"


def planted(files: dict[tuple[str, str], str]) -> list[str]:
    """Return records that the pipeline has to drop, or that are hard to read."""
    spacing = minified(files["gardenbyte.example/seed-catalog", "lib/spacing.js"])
    slider = minified(files["lumen-works.example/photon-ui", "src/slider.ts"])
    table = "".join(
        f"{day},{','.join(f'species number {n} was seen {n * day % 7} times' for n in range(5))}\n"
        for day in range(1, 13)
    )
    dictionary = "var words = [" + ", ".join(f'"word{n}"' for n in range(400)) + "];\n"
    return [
        record("gardenbyte.example/seed-catalog", "public/spacing.min.js", "bsd-3-clause", spacing),
        record("lumen-works.example/photon-ui", "static/slider.js", "mit", slider),
        record("lumen-works.example/photon-ui", "static/words.js", "mit", dictionary),
        record("saltmarsh.example/birdcount", "data/2018.csv", "bsd-3-clause", table),
        record("lumen-works.example/photon-ui", "static/logo.png", "mit", None),
        record("saltmarsh.example/birdcount", "birdcount/__init__.py", "bsd-3-clause", ""),
        record("saltmarsh.example/birdcount", "data/tape.dat", "bsd-3-clause", "plover\0dunlin\0"),
        record(
            "yarrow.example/ledgerette",
            "NEWS",
            "mit",
            "Ledgers may hold\u2028line separators.\n" * 3,
        ),
    ]


def write_github(folder: Path) -> None:
    """Write the export: the files of ``samples/texts/github.txt`` and the planted records."""
    lines: list[str] = []
    files: dict[tuple[str, str], str] = {}
    for (repository, licence, path), content in sections("github.txt"):
        files[repository, path] = content
        lines.append(record(repository, path, None if licence == "-" else licence, content))
    for repository, path, other, other_path in COPIES:
        lines.append(record(other, other_path, "mit", files[repository, path]))
    lines += planted(files)
    lines.insert(30, lines[3][: len(lines[3]) // 2])
    folder.mkdir(parents=True, exist_ok=True)
    data = "".join(f"{line}\n" for line in lines).encode()
    (folder / "bq-files-000000000000.jsonl.gz").write_bytes(gzip_member(data))
