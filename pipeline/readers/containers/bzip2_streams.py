"""The streams that a bzip2 file of many is made of, found without an index.

A stream begins at a byte with ``BZh1`` to ``BZh9`` and the magic number of a block: 80 bits that do
not occur in compressed data but by an accident that the world's dumps will not see.
"""

from __future__ import annotations

import io
import re

from pipeline.readers.containers.cursor import READ_BYTES, RawFile

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
