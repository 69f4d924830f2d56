"""Search for the streams of a bzip2 file of many streams, without an index.

A stream begins at a whole byte, with ``BZh1`` to ``BZh9`` and the magic number of a block. By
chance these 80 bits are too rare in compressed data to matter in any dump.
"""

from __future__ import annotations

import io
import re

from pipeline.readers.containers.cursor import READ_BYTES, RawFile

_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_STREAM_BYTES = 10


def begins_stream(head: bytes) -> bool:
    """Tell from the first bytes of a file whether it is bzip2."""
    return bool(_STREAM.match(head))


def first_stream(raw: RawFile, start: int, end: int | None) -> int | None:
    """Return the offset of the first bzip2 stream from ``start`` on and before ``end``, or None.

    The first byte of the file always counts as the beginning of a stream.
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
    """A view of the file from ``begin`` on; with ``one_stream``, it ends at the next stream."""

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
        """Seek to an offset from the beginning of the window."""
        assert whence == 0
        self._at = self._begin + offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes; returns none at the end of the window."""
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
