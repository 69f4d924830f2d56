"""Writing of WARC and WET files (ISO 28500) in the form that Common Crawl publishes."""

from __future__ import annotations

import base64
import hashlib
import random
import struct
import uuid
import zlib
from pathlib import Path

DATE = "2020-01-{:02d}T{:02d}:{:02d}:{:02d}Z"


def gzip_member(data: bytes) -> bytes:
    """Compress data to one gzip member, without time and operating system in its header."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(data) + squeeze.flush()
    return (
        b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + body + struct.pack("<II", zlib.crc32(data), len(data))
    )


def sha1_digest(data: bytes) -> str:
    """Return a digest in the form of WARC files: SHA-1 in base 32."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


class Archive:
    """A WARC file that is being made, with one gzip member a record."""

    def __init__(self, rng: random.Random, name: str) -> None:
        self.name = name
        self.members: list[bytes] = []
        self._rng = rng
        info = (
            "Software-Info: make_samples\r\nisPartOf: bundled samples\r\n"
            "description: invented pages around passages in the public domain\r\n"
            "format: WARC File Format 1.0\r\n"
        )
        headers = {"WARC-Filename": name, "Content-Type": "application/warc-fields"}
        self.info_id = self.add("warcinfo", headers, info.encode())

    def new_id(self) -> str:
        """Return a random record id."""
        return f"<urn:uuid:{uuid.UUID(int=self._rng.getrandbits(128), version=4)}>"

    def date(self) -> str:
        """Return a random time of a capture."""
        ranges = ((17, 29), (0, 23), (0, 59), (0, 59))  # day, hour, minute, second
        return DATE.format(*(self._rng.randint(first, last) for first, last in ranges))

    def add(self, kind: str, headers: dict[str, str], payload: bytes) -> str:
        """Append a record with its digest and length; return its id."""
        record_id = self.new_id()
        lines = [
            "WARC/1.0",
            f"WARC-Type: {kind}",
            *(f"{name}: {value}" for name, value in headers.items() if name[:4] == "WARC"),
            *([] if "WARC-Date" in headers else [f"WARC-Date: {self.date()}"]),
            f"WARC-Record-ID: {record_id}",
            f"WARC-Block-Digest: {sha1_digest(payload)}",
            *(f"{name}: {value}" for name, value in headers.items() if name[:4] != "WARC"),
            f"Content-Length: {len(payload)}",
        ]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        self.members.append(gzip_member(head + payload + b"\r\n\r\n"))
        return record_id

    def write(self, folder: Path, *, cut: bool = False) -> None:
        """Write the file. ``cut`` leaves out the second half of the last member."""
        members = list(self.members)
        if cut:
            members[-1] = members[-1][: len(members[-1]) // 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.name).write_bytes(b"".join(members))


def tiny_png() -> bytes:
    """Return a PNG image of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0\x80"))
        + chunk(b"IEND", b"")
    )


def add_capture(archive: Archive, url: str, status: str, http: dict[str, str], body: bytes) -> None:
    """Append the request, the response and the metadata of one capture."""
    common = {"WARC-Target-URI": url, "WARC-Date": archive.date(), "WARC-IP-Address": "192.0.2.7"}
    host, _, path = url.removeprefix("https://").partition("/")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: make_samples\r\n\r\n"
    asked = {**common, "WARC-Warcinfo-ID": archive.info_id}
    archive.add(
        "request", {**asked, "Content-Type": "application/http; msgtype=request"}, request.encode()
    )
    fields = "".join(f"{name}: {value}\r\n" for name, value in http.items())
    response_id = archive.add(
        "response",
        {
            **asked,
            "WARC-Payload-Digest": sha1_digest(body),
            "Content-Type": "application/http; msgtype=response",
        },
        f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body,
    )
    archive.add(
        "metadata",
        {**common, "WARC-Concurrent-To": response_id, "Content-Type": "application/warc-fields"},
        b"fetchTimeMs: 97\r\n",
    )


def chunked(body: bytes, size: int) -> bytes:
    """Return a body in HTTP/1.1's chunked transfer encoding."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
