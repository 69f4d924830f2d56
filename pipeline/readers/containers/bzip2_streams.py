"""The streams that a bzip2 file of many is made of, found without an index.

A stream begins at a byte with ``BZh1`` to ``BZh9`` and the magic number of a block: 80 bits that do
not occur in compressed data but by an accident that the world's dumps will not see.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO

from pipeline.readers.containers.decompress import READ_BYTES

_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_STREAM_BYTES = 10


def begins_stream(head: bytes) -> bool:
    """Tell by a file's first bytes whether it is bzip2."""
    return bool(_STREAM.match(head))


def first_stream(raw: RawFile, start: int, end: int | None) -> int | None:
    """Find the first bzip2 stream that begins at or behind ``start`` and before ``end``.

    The file's first byte begins a stream whatever it is.
    """
    at = start
    while start and (data := raw.read_at(at, READ_BYTES + _STREAM_BYTES - 1)):
        match = _STREAM.search(data)
        if match:
            at += match.start()
            return at if end is None or at < end else None
        at += READ_BYTES
        if end is not None and at >= end:
            return None
    return None if start else 0


class RawFile:
    """The raw file, read mostly forward, with the last bytes at hand."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = b""
        self._base = 0  # offset of the buffer's first byte

    def seekable(self) -> bool:
        """Tell whether :meth:`read_at` can go back."""
        return self._stream.seekable()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes at ``offset``, fewer at the end of the file."""
        buffer_end = self._base + len(self._buffer)
        if not self._base <= offset <= buffer_end:
            if self._stream.seekable():
                self._stream.seek(offset)
            else:
                assert offset > buffer_end, "the stream cannot go back"
                left = offset - buffer_end
                while left and (passed := self._stream.read(min(READ_BYTES, left))):
                    left -= len(passed)
            self._buffer, self._base = b"", offset
        at = offset - self._base
        if len(self._buffer) - at < size:
            pieces = [self._buffer[at:]]
            have = len(pieces[0])
            while have < size and (more := self._stream.read(READ_BYTES)):
                pieces.append(more)
                have += len(more)
            self._buffer, self._base, at = b"".join(pieces), offset, 0
        return self._buffer[at : at + size]


class Window(io.RawIOBase):
    """The file from ``begin`` on, up to where the next bzip2 stream begins if ``one_stream``."""

    def __init__(self, raw: RawFile, begin: int, *, one_stream: bool) -> None:
        self._raw = raw
        self._begin = begin
        self._at = begin
        self._one_stream = one_stream
        self.end: int | None = None

    def seekable(self) -> bool:
        """Tell whether :meth:`seek` works."""
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to ``offset`` of the window."""
        assert whence == 0
        self._at = self._begin + offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, and none at the window's end."""
        assert size >= 0
        if self.end is not None:
            size = min(size, max(0, self.end - self._at))
        data = self._raw.read_at(self._at, size + _STREAM_BYTES - 1)
        if self._one_stream and self.end is None:
            match = _STREAM.search(data, 1 if self._at == self._begin else 0)
            if match and match.start() < size:
                self.end = self._at + match.start()
                size = match.start()
            elif len(data) <= size:
                self.end = self._at + len(data)
        data = data[:size]
        self._at += len(data)
        return data
