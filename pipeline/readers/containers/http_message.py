"""HTTP responses as WARC files keep them: status, headers, and the body without its encodings.

Crawlers store messages as they came (RFC 9112), or with encodings undone and headers left as they
were, or cut off. So what a header says about the body is tried, and the body kept as it is where it
turns out to be otherwise.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import brotli  # type: ignore[import-untyped]

from pipeline.readers.containers.decompress import decompressed
from pipeline.readers.containers.warc_records import header_end, parse_headers

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+[ \t]+([0-9]{3})(?![0-9])")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\n]{0,4096})?\r?\n")
_PIECE_BYTES = 1 << 16
_MAX_ENCODINGS = 4
"""One within another; servers send one, rarely two."""


class HttpMessage(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]  # by name in lower case
    body: bytes  # as it was transferred


def parse_http(payload: bytes) -> HttpMessage | None:
    """Read a record's payload as an HTTP response; None where it does not begin as one does."""
    status = _STATUS_LINE.match(payload)
    if not status:
        return None
    end = header_end(payload, 0)
    if end < 0:
        end = len(payload)
    return HttpMessage(int(status.group(1)), parse_headers(payload[:end]), payload[end:])


def decoded_body(headers: Mapping[str, str], body: bytes, *, max_bytes: int) -> bytes:
    """Undo the transfer and content encodings of ``body`` that ``headers`` name.

    The last :data:`_MAX_ENCODINGS` are undone. Knows chunked, gzip, deflate, br and zstd. A
    body that is not encoded as the headers say is returned as it is; of one that is damaged,
    the part before the damage. Not more than ``max_bytes + 1`` bytes come out of a
    decompressor, so a longer result is to be refused.
    """
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _without_chunks(body)
    encodings = headers.get("content-encoding", "").lower().split(",")
    for encoding in reversed(encodings[-_MAX_ENCODINGS:]):
        pieces = _decoded(encoding.strip(), body)
        if pieces is None:
            continue
        gathered = bytearray()
        for piece in pieces:
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


def _decoded(encoding: str, body: bytes) -> Iterator[bytes] | None:
    if encoding in ("gzip", "x-gzip", "zstd"):
        return _by_magic(body)
    if encoding == "deflate":
        return _inflated(body)
    if encoding == "br":
        return _from_brotli(body)
    return None


def _by_magic(body: bytes) -> Iterator[bytes]:
    for chunk in decompressed(io.BytesIO(body)):
        if not isinstance(chunk, bytes):
            return
        yield chunk


def _inflated(body: bytes) -> Iterator[bytes]:
    """Decompress zlib's format, or the bare deflate stream that some servers send for it."""
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
