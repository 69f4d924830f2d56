"""Helpers for tests of readers: records, damages to files, and rows to compare."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from pipeline.readers import READERS

LIMITS: dict[str, Any] = {
    "start": 0,
    "end": None,
    "batch_bytes": 1 << 20,
    "max_record_bytes": 1 << 20,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "wet": {},
    "warc": {"main_content": True, "max_html_bytes": 1 << 22},
    "json_lines": {"text_field": "text", "url_field": "url", "metadata_fields": ["timestamp"]},
}


def read_rows(reader: str, data: bytes | io.BufferedIOBase, **changes: Any) -> list[dict[str, Any]]:
    """Read a file with any reader; return plain rows, after validation by Arrow."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    rows = []
    for batch in READERS[reader].read(stream, "s/f", **(LIMITS | OPTIONS[reader] | changes)):
        batch.validate(full=True)
        rows += batch.to_pylist()
    return rows


def tar_of(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT, **header: Any) -> bytes:
    """Make a tar archive of files; ``header`` holds fields that all their headers get."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in header.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def warc_record(
    payload: bytes, kind: str = "conversion", line_end: bytes = b"\r\n", **headers: str
) -> bytes:
    """Return a WARC record. ``headers``, with underscores for hyphens, override the usual ones."""
    fields = {"WARC-Type": kind, "WARC-Target-URI": "http://a.example/"}
    fields |= {"WARC-Date": "2024-01-01T00:00:00Z", "Content-Length": str(len(payload))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [b"WARC/1.0", *(f"{name}: {value}".encode() for name, value in fields.items())]
    return line_end.join([*lines, b"", b""]) + payload + line_end * 2


def http_response(
    body: bytes, content_type: str = "text/html", status: str = "200 OK", headers: bytes = b""
) -> bytes:
    """Return an HTTP response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n".encode()
    return head + headers + b"\r\n" + body


def members(records: Iterable[bytes]) -> bytes:
    """Return records, each compressed as a gzip member of its own."""
    return b"".join(gzip.compress(record, mtime=0) for record in records)


def edits() -> st.SearchStrategy[list[tuple[str, float, float, bytes]]]:
    """Draw damages: their kind, place and length as fractions of the file, and bytes to insert."""
    fraction = st.floats(0, 1, exclude_max=True)
    kinds = st.sampled_from(["flip", "cut", "put", "repeat", "truncate"])
    return st.lists(
        st.tuples(kinds, fraction, fraction, st.binary(min_size=1, max_size=12)),
        min_size=1,
        max_size=3,
    )


def edited(data: bytes, changes: list[tuple[str, float, float, bytes]]) -> tuple[bytes, int]:
    """Damage a file; return it, and the offset up to which it is unchanged."""
    intact = len(data)
    for kind, where, length, extra in changes:
        at = int(where * len(data))
        size = 1 + int(length * min(200, len(data) - at))
        intact = min(intact, at)
        if kind == "flip":
            data = (
                data[:at]
                + bytes(a ^ b for a, b in zip(data[at:], extra, strict=False))
                + (data[at + len(extra) :])
            )
        elif kind == "cut":
            data = data[:at] + data[at + size :]
        elif kind == "put":
            data = data[:at] + extra + data[at:]
        elif kind == "repeat":
            data = data[: at + size] + data[at:]
        else:
            data = data[:at]
    return data, intact


def lying_in(pieces: list[bytes], intact: int) -> int:
    """Count the pieces that end before the offset ``intact``."""
    end = 0
    for count, piece in enumerate(pieces):
        end += len(piece)
        if end > intact:
            return count
    return len(pieces)


def files_under(folder: Any) -> Iterator[Any]:
    """Yield the archives under a folder of Common Crawl samples, sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".tar" not in path.suffixes:
            yield path
