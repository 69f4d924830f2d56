"""Makers of files of every format around hostile content: pages, dumps, papers, archives, bombs."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable

from tests.hostile.bases import gzipped, tar_of, tarred


def repeated(unit: bytes | str, size: int) -> bytes:
    """Return ``unit`` repeated up to ``size`` bytes."""
    data = unit if isinstance(unit, bytes) else unit.encode()
    return data * (size // len(data) + 1)


def wet(payload: bytes, **headers: str) -> bytes:
    """Return a WET file of one page."""
    return warc_record(b"conversion", payload, headers)


def warc(body: bytes, head: bytes = b"Content-Type: text/html\r\n") -> bytes:
    """Return a WARC file of one response."""
    payload = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body
    return warc_record(b"response", payload, {"Content_Type": "application/http; msgtype=response"})


def warc_record(kind: bytes, payload: bytes, headers: dict[str, str]) -> bytes:
    """Return a record of a WARC file."""
    fields = {"WARC-Target-URI": "http://a.example/", "Content-Length": str(len(payload))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    return b"WARC/1.0\r\nWARC-Type: " + kind + b"\r\n" + lines + b"\r\n" + payload + b"\r\n\r\n"


def html(body: bytes | str) -> bytes:
    """Return a WARC file of one page with a body."""
    data = body if isinstance(body, bytes) else body.encode()
    return warc(b"<html><head><title>t</title></head><body>" + data + b"</body></html>")


def wiki(text: bytes | str) -> bytes:
    """Return a dump of one page of wikitext."""
    data = text if isinstance(text, bytes) else text.encode()
    data = data.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    return (
        b"<mediawiki><page><title>A</title><ns>0</ns><id>1</id><revision><id>2</id>"
        b"<text>" + data + b"</text></revision></page></mediawiki>"
    )


def paper(body: bytes | str, preamble: bytes | str = b"") -> bytes:
    """Return a submission of one file."""
    parts = [part if isinstance(part, bytes) else part.encode() for part in (preamble, body)]
    return gzipped(
        b"\\documentclass{article}\n" + parts[0] + b"\n\\begin{document}\\section{A}\n"
        + parts[1] + b"\n\\end{document}\n"
    )  # fmt: skip


def posts(body: str, answer: str = "yes") -> bytes:
    """Return a ``Posts.xml`` with a question and an answer."""

    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")

    return (
        "<posts>"
        f'<row Id="1" PostTypeId="1" Score="1" Title="a" Body="{escaped(body)}" />'
        f'<row Id="2" PostTypeId="2" ParentId="1" Score="1" Body="{escaped(answer)}" /></posts>'
    ).encode()


def line(**fields: object) -> bytes:
    """Return a file of one line of JSON."""
    return json.dumps(fields).encode() + b"\n"


def code(content: str, licence: str = "mit", path: str = "a.py") -> bytes:
    """Return a BigQuery export of one file."""
    return line(repo_name="a/b", path=path, content=content, license=licence)


def bomb(compress: Callable[[bytes], bytes], unit: bytes, size: int) -> bytes:
    """Return a thousand times ``size`` bytes, compressed in members of a megabyte."""
    member = compress(repeated(unit, 1 << 20))
    return member * max(1, 1_000 * size >> 20)


def zip_of(data: bytes, name: str, method: int) -> bytes:
    """Return a zip archive of one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def many_members(size: int) -> bytes:
    """Return a zip archive of empty members, of about ``size`` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(size // 100):
            archive.writestr(f"{number}.txt", b"")
    return buffer.getvalue()


def climbing_tar(compress: Callable[[bytes], bytes]) -> bytes:
    """Return a tar archive whose members lead outside of it, by paths, links and devices."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in (
            "../../canary/bird",
            "/tmp/hostile-evil",
            "a/../../../evil",
            "c:/evil",
            "ok/a/b.py",
        ):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"dead"))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("a/b/link")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return compress(buffer.getvalue())


def nested_tar(depth: int) -> bytes:
    """Return a paper in tar archives within each other."""
    data = b"\\documentclass{a}\\begin{document}x\\end{document}"
    for number in range(depth):
        data = tarred(data, f"{number}.tar")
    return data


def huge_tar_size(size: int) -> bytes:
    """Return a tar archive whose member states a size larger than any disk."""
    data = bytearray(tar_of([("a/b/c.py", b"x" * 100)]))
    data[124:136] = b"\x80" + b"\x7f" * 11
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


def importing_paper(depth: int) -> bytes:
    """Return a paper of files that import one another from folder to folder."""
    files = [("main.tex", b"\\documentclass{a}\\begin{document}\\import{f/}{n0}\\end{document}")]
    files += [(f"n{n}.tex", b"\\import{f/}{n%d}" % (n + 1)) for n in range(depth)]
    return gzipped(tar_of(files))


def paper_of_macros(definitions: int) -> bytes:
    """Return a paper with macros that each read a file."""
    names = ["".join(chr(97 + int(digit)) for digit in str(n)) for n in range(definitions)]
    lines = [f"\\newcommand{{\\{name}}}[1]{{\\input{{#1}}}}" for name in names]
    return paper("\n".join(f"\\{name}{{x}}" for name in names), "\n".join(lines))


def xml_bomb(encoding: str) -> bytes:
    """Return an EPUB whose container is an entity of ten others, each of ten, twelve deep."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(12))
    document = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [{entities}]><a>&l11;</a>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/container.xml", document.encode(encoding))
    return buffer.getvalue()


WARC_HEAD = b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: %d\r\n\r\n"


def open_formatting(size: int) -> str:
    """Return formatting tags that HTML's algorithm opens again after every block."""
    count = size // 40
    return "<center>" * count + "".join(f"<b id={n}>" for n in range(count)) + "</center>x" * count
