"""Small, sound files of every reader's formats, cut from the real samples of its source.

A base is a payload and its container, kept apart. So the content of a compressed file or archive
can be damaged as well as its bytes.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import itertools
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import py7zr
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from py7zr.helpers import ArchiveTimestamp

from tests.conftest import ROOT, SHARED

MAX_PAYLOAD_BYTES = 48_000
"""Largest payload of a base, in bytes. A thousand such files are read in about a minute."""

BUNDLED = ROOT / "samples" / "data"


class Base(NamedTuple):
    """A file in the form of its publisher: ``wrap(payload)``, called ``name``."""

    name: str
    payload: bytes
    wrap: Callable[[bytes], bytes]

    def data(self) -> bytes:
        """Return the bytes of the file."""
        return self.wrap(self.payload)


def samples() -> Path:
    """Return the folder of real samples, or of the bundled samples where there is none."""
    return SHARED / "data" if (SHARED / "data").is_dir() else BUNDLED


def plain(data: bytes) -> bytes:
    """Return the data without a container."""
    return data


def zstd(data: bytes) -> bytes:
    """Return the data compressed as one zstd frame."""
    return zstandard.ZstdCompressor().compress(data)


def gzipped(data: bytes) -> bytes:
    """Return the data compressed as one gzip member, without a time."""
    return gzip.compress(data, 6, mtime=0)


def zipped(data: bytes, name: str = "a.txt") -> bytes:
    """Return a zip archive with the data as its only member."""
    return _zip({name: data})


def tarred(data: bytes, name: str = "a.tex", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive with the data as its only member."""
    return tar_of([(name, data)], form)


def tar_of(members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def seven_zip(data: bytes, name: str = "Posts.xml") -> bytes:
    """Return a 7z archive with the data as its only member."""
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.writestr(data, name)
        for file in archive.header.files_info.files:
            file["lastwritetime"] = ArchiveTimestamp(0)  # a fixed time: the same bytes
    return buffer.getvalue()


def epub(chapter: bytes) -> bytes:
    """Return an EPUB of one chapter. The chapter is XHTML, and may be damaged."""
    container = b'<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>'
    package = (
        b'<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="c" href="c.xhtml" '
        b'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine>'
        b"</package>"
    )
    return _zip({"META-INF/container.xml": container, "b.opf": package, "c.xhtml": chapter})


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@functools.cache
def bases() -> dict[str, list[Base]]:
    """Return bases for every reader."""
    made = {
        "wet": _web("wet"),
        "warc": _web("warc"),
        "json_lines": _json_lines(),
        "bigquery_github": _github(),
        "repositories": _repositories(),
        "wikipedia": _wikipedia(),
        "books": _books(),
        "arxiv": _arxiv(),
        "stackexchange": _stackexchange(),
        "huggingface": _huggingface(),
    }
    assert all(made.values())
    return made


def _files(*patterns: str) -> Iterator[Path]:
    """Yield the sample files that match patterns, or the bundled ones where none does."""
    for root in (samples(), BUNDLED):
        paths = sorted(path for pattern in patterns for path in root.glob(pattern))
        if paths:
            yield from paths
            return


def _head(path: Path, size: int = MAX_PAYLOAD_BYTES) -> bytes:
    """Return the first bytes of a file, decompressed."""
    opened: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
    with opened(path, "rb") as file:
        return file.read(size)


def _web(kind: str) -> list[Base]:
    made: list[Base] = []
    for path in itertools.islice(_files(f"commoncrawl/{kind}/*.gz"), 3):
        if ".expected." in path.name:
            continue
        payload = _head(path)
        name = path.name.removesuffix(".gz")
        made += [
            Base(name, payload, plain),
            Base(f"{name}.gz", payload, functools.partial(_members_of, gzipped)),
            Base(f"{name}.gz", payload, gzipped),
            Base(f"{name}.zst", payload, functools.partial(_members_of, zstd)),
        ]
    for path in _files("commoncrawl/edge/**/*"):
        if kind == "warc" and path.is_file() and path.stat().st_size <= MAX_PAYLOAD_BYTES:
            made.append(Base(path.name, path.read_bytes(), plain))
    return made


def _members_of(compress: Callable[[bytes], bytes], payload: bytes) -> bytes:
    """Compress every record as a member of its own, as Common Crawl does."""
    ends = [match.start() for match in re.finditer(rb"(?<=\n)WARC/1\.", payload)] + [len(payload)]
    begins = [0, *ends[:-1]]
    return b"".join(compress(payload[begin:end]) for begin, end in zip(begins, ends, strict=True))


def _lines(path: Path, most: int) -> bytes:
    """Return the first whole lines of a file."""
    kept: list[bytes] = []
    size = 0
    for line in _head(path, 1 << 20).splitlines(keepends=True):
        if size + len(line) <= MAX_PAYLOAD_BYTES and len(kept) < most:
            kept.append(line)
            size += len(line)
    return b"".join(kept)


def _json_lines() -> list[Base]:
    payloads = [_lines(path, 20) for path in itertools.islice(_files("c4/*.gz"), 2)]
    return [
        Base(f"c4.json{suffix}", payload, wrap)
        for payload in payloads
        for suffix, wrap in (("", plain), (".gz", gzipped), (".zst", zstd), (".bz2", bz2.compress))
    ]


def _github_lines() -> bytes:
    return _lines(next(_files("github/*.gz")), 25)


def _github() -> list[Base]:
    payload = _github_lines()
    columns = ("repo_name", "ref", "path", "content", "license")
    return [
        Base("files.json", payload, plain),
        Base("files.json.gz", payload, gzipped),
        Base("files.parquet", payload, functools.partial(_parquet_of_lines, columns, "snappy")),
        Base("files.parquet", payload, functools.partial(_parquet_of_lines, columns, "zstd")),
    ]


def _columns_of_lines(columns: tuple[str, ...], payload: bytes) -> pa.Table:
    """Return a table of lines of JSON. A line of another kind is the value of every column."""
    rows: list[dict[str, bytes]] = []
    for line in payload.splitlines():
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            rows.append(
                {name: str(values.get(name)).encode(errors="surrogatepass") for name in columns}
            )
        else:
            rows.append(dict.fromkeys(columns, line))
    arrays = [
        pa.array([row[name] for row in rows], pa.binary()).view(pa.string()) for name in columns
    ]
    return pa.Table.from_arrays(arrays, list(columns))


def _parquet_of_lines(columns: tuple[str, ...], compression: str, payload: bytes) -> bytes:
    sink = io.BytesIO()
    table = _columns_of_lines(columns, payload)
    pq.write_table(table, sink, compression=compression, row_group_size=8)
    return sink.getvalue()


def _repositories() -> list[Base]:
    members: list[tuple[str, bytes]] = []
    for line in _github_lines().splitlines():
        values = json.loads(line)
        name = f"{values.get('repo_name') or 'a/b'}/{values.get('path') or 'c'}"
        members.append((name, str(values.get("content") or "").encode(errors="replace")))
        members.append(("/".join(name.split("/")[:2]) + "/LICENSE", b"The MIT License\n" * 3))
    made = []
    for form, label in (
        (tarfile.PAX_FORMAT, "pax"),
        (tarfile.GNU_FORMAT, "gnu"),
        (tarfile.USTAR_FORMAT, "ustar"),
    ):
        short = [(name[:99], data) for name, data in members]
        payload = tar_of(short if form == tarfile.USTAR_FORMAT else members, form)
        made.append(Base(f"{label}.tar", payload, plain))
        made.append(Base(f"{label}.tar.gz", payload, gzipped))
    return [*made, Base("pax.tar.zst", made[0].payload, zstd)]


def _wikipedia() -> list[Base]:
    made = []
    for path in itertools.islice(_files("wikipedia/*wiki*pages-articles.xml.bz2"), 4):
        payload = _head(path)
        name = path.name.removesuffix(".bz2")
        half = payload.find(b"<page>", len(payload) // 2)
        made += [
            Base(name, payload, plain),
            Base(f"{name}.bz2", payload, bz2.compress),
            Base(f"{name}.bz2", payload, functools.partial(_streams, max(half, 0))),
            Base(f"{name}.gz", payload, gzipped),
        ]
    utf16 = made[0].payload.decode(errors="replace")[: MAX_PAYLOAD_BYTES // 3].encode("utf-16")
    return [*made, Base("enwiki-pages-articles.xml", utf16, plain)]


def _streams(cut: int, payload: bytes) -> bytes:
    """Return the data compressed as two bzip2 streams, as in multistream dumps."""
    return bz2.compress(payload[:cut]) + bz2.compress(payload[cut:])


def _books() -> list[Base]:
    made = []
    for path in itertools.islice(_files("books/*.txt"), 4):
        data = path.read_bytes()
        payload = data[: MAX_PAYLOAD_BYTES // 2] + data[-MAX_PAYLOAD_BYTES // 2 :]
        made += [
            Base(path.name, payload, plain),
            Base(f"{path.name}.gz", payload, gzipped),
            Base(path.with_suffix(".zip").name, payload, zipped),
            Base(path.with_suffix(".epub").name, payload, _epub_of_text),
        ]
    real = next(BUNDLED.glob("books/*.epub"))
    return [*made, Base(real.name, real.read_bytes(), plain)]


def _epub_of_text(text: bytes) -> bytes:
    return epub(
        b"<html><body><h1>A</h1><p>" + text.replace(b"\n\n", b"</p>\n<p>") + b"</p></body></html>"
    )


def _arxiv() -> list[Base]:
    papers: list[bytes] = []
    for path in _files("arxiv/*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content and member.name.endswith(".gz") and member.size < MAX_PAYLOAD_BYTES:
                    papers += _tex_files(gzip.decompress(content.read()))
    made = []
    for payload in sorted(papers, key=len)[-6:]:
        made += [
            Base("2401.00001.gz", payload, gzipped),
            Base("2401.00001.tar.gz", payload, lambda data: gzipped(tarred(data))),
            Base("2401.00001.zip", payload, functools.partial(zipped, name="a.tex")),
            Base("arXiv_src_2401_001.tar", payload, _bulk),
        ]
    return made


def _tex_files(data: bytes) -> list[bytes]:
    """Return the main files of a submission, or the submission itself if it is one file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            contents = [archive.extractfile(m) for m in archive if m.name.endswith(".tex")]
            files = [content.read() for content in contents if content]
    except tarfile.TarError:
        files = [data]
    return [file[:MAX_PAYLOAD_BYTES] for file in files if b"\\document" in file]


def _bulk(tex: bytes) -> bytes:
    """Return a bulk file of arXiv's kind with three submissions."""
    return tar_of(
        [
            ("2401/2401.00001.gz", gzipped(tex)),
            ("2401/2401.00002.gz", gzipped(tar_of([("m/ms.tex", tex), ("m/x.bbl", tex[:2_000])]))),
            ("2401/2401.00003.pdf", b"%PDF-1.4"),
        ]
    )


def _stackexchange() -> list[Base]:
    made = []
    for path in itertools.islice(_files("stackexchange/*/Posts.xml"), 3):
        payload = _head(path)
        payload = payload[: payload.rfind(b"<row")] + b"</posts>"
        made += [
            Base(f"{path.parent.name}/Posts.xml", payload, plain),
            Base(f"{path.parent.name}/Posts.xml.gz", payload, gzipped),
            Base(f"{path.parent.name}.7z", payload, seven_zip),
        ]
    return made


def _huggingface() -> list[Base]:
    payload = _lines(next(_files("c4/*.gz")), 20)
    columns = ("text", "url", "timestamp")
    return [
        Base("a.parquet", payload, functools.partial(_parquet_of_lines, columns, "snappy")),
        Base("a.parquet", payload, functools.partial(_parquet_of_lines, columns, "none")),
        Base("a.arrow", payload, functools.partial(_ipc_of_lines, pa.ipc.new_stream)),
        Base("b.arrow", payload, functools.partial(_ipc_of_lines, pa.ipc.new_file)),
    ]


def _ipc_of_lines(opened: Callable[..., Any], payload: bytes) -> bytes:
    sink = io.BytesIO()
    table = _columns_of_lines(("text", "url", "timestamp"), payload)
    with opened(sink, table.schema) as writer:
        writer.write_table(table, 8)
    return sink.getvalue()
