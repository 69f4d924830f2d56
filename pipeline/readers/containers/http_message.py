"""HTTP responses in WARC files: status, headers, and the decoded body.

Crawlers store messages as they were received (RFC 9112), or with a decoded body and the original
headers, or cut off. So the encodings that the headers name are tried, and a body that is not
encoded in that way is kept as it is.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import brotli  # type: ignore[import-untyped]

from pipeline.readers.containers.decompress import decompressed
from pipeline.readers.containers.warc_records import header_end, header_values

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+[ \t]+([0-9]{3})(?![0-9])")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\n]{0,4096})?\r?\n")
_PIECE_BYTES = 1 << 16
_MAX_ENCODINGS = 4
"""Most encodings of a body that are undone; servers send one, rarely two."""


class HttpMessage(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]  # by name in lower case; several values are joined by commas
    body: bytes  # still encoded


def parse_http(payload: bytes) -> HttpMessage | None:
    """Parse a record's payload as an HTTP response; None if it does not begin like one.

    Several headers of one name are a list, as in RFC 9110, section 5.3.
    """
    status = _STATUS_LINE.match(payload)
    if not status:
        return None
    end = header_end(payload, 0)
    if end < 0:
        end = len(payload)
    values = header_values(payload[:end])
    headers = {name: ", ".join(filter(None, each)) for name, each in values.items()}
    return HttpMessage(int(status.group(1)), headers, payload[end:])


def decoded_body(headers: Mapping[str, str], body: bytes, *, max_bytes: int) -> bytes:
    """Undo the transfer and content encodings of ``body`` that ``headers`` name.

    Known are chunked, gzip, deflate, br and zstd; at most the last :data:`_MAX_ENCODINGS` are
    undone. A body that is not encoded as the headers say is returned unchanged, and of a damaged
    one the part before the damage. A decompressor returns at most ``max_bytes + 1`` bytes, so the
    caller must refuse a result longer than ``max_bytes``.
    """
    content, transfer = (
        headers.get(name, "").lower() for name in ("content-encoding", "transfer-encoding")
    )
    if "chunked" in transfer:  # it is the last one
        body = _without_chunks(body)
    named = [encoding.strip() for encoding in f"{content},{transfer}".split(",")]
    decoders = [_DECODERS[encoding] for encoding in named if encoding in _DECODERS]
    for pieces_of in reversed(decoders[-_MAX_ENCODINGS:]):
        gathered = bytearray()
        for piece in pieces_of(body):
            gathered += piece
            if len(gathered) > max_bytes:
                break
        body = bytes(gathered[: max_bytes + 1]) or body
    return body


def _without_chunks(body: bytes) -> bytes:
    chunks: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size.group(1), 16)
        if length == 0:
            return b"".join(chunks)
        chunks.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body.startswith(b"\r\n", at) else body.startswith(b"\n", at)
    return b"".join(chunks) if chunks else body


def _by_magic(body: bytes) -> Iterator[bytes]:
    for chunk in decompressed(io.BytesIO(body)):
        if not isinstance(chunk, bytes):
            return
        yield chunk


def _inflated(body: bytes) -> Iterator[bytes]:
    """Decompress zlib's format, or the raw deflate stream that some servers send instead."""
    for window_bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        inflate = zlib.decompressobj(window_bits)
        data, any_output = body, False
        try:
            while piece := inflate.decompress(data, _PIECE_BYTES):
                any_output = True
                yield piece
                data = inflate.unconsumed_tail
        except zlib.error:
            pass
        if any_output:
            return


def _from_brotli(body: bytes) -> Iterator[bytes]:
    decompressor = brotli.Decompressor()
    data = body
    try:
        while piece := decompressor.process(data, output_buffer_limit=_PIECE_BYTES):
            yield piece
            data = b""
    except brotli.error:
        return


_DECODERS = {
    "br": _from_brotli,
    "deflate": _inflated,
    "gzip": _by_magic,
    "x-gzip": _by_magic,
    "zstd": _by_magic,
}
