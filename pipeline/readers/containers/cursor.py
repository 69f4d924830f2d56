"""Positions in bytes that are read forward: of a raw file, or of decompressed chunks.

Readers look at the next bytes without moving, ask for their offset, and skip many of them in little
memory.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple

READ_BYTES = 1 << 20
"""Bytes of a raw file that are read at once."""

CHUNK_BYTES = 1 << 18
"""Bytes, about, that a chunk of a plain or decompressed file holds."""


_ROOM_BYTES = 1 << 22  # asked for at once by others: as much is made room for


class Damage(NamedTuple):
    """A range of a compressed file that could not be decompressed."""

    offset: int  # offset of the damaged member in the raw file
    error: str
    skipped_bytes: int  # raw bytes from ``offset`` to where reading continues
    recovered_bytes: int  # decompressed bytes of the damaged member, which came before this


class Watched(io.RawIOBase):
    """A stream that remembers its own errors, which are not the file's."""

    def __init__(self, stream: BinaryIO, head: bytes = b"") -> None:
        self._stream = stream
        self._head = head  # read already
        self.read_bytes = 0
        self.error: BaseException | None = None

    def _try(self, call: Callable[..., Any], *arguments: int) -> Any:
        try:
            return call(*arguments)
        except BaseException as error:
            self.error = error
            raise

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, or fewer: what a file says may be more than it has. -1: all."""
        parts = [self._head[:size]] if self._head else []
        self._head = self._head[size:]
        left = size - sum(map(len, parts))
        while left and (part := self._try(self._stream.read, min(left, _ROOM_BYTES))):
            parts.append(part)
            left -= len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.read_bytes += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek as the stream does."""
        return self._try(self._stream.seek, offset, whence)

    def tell(self) -> int:
        """Return the stream's position."""
        return self._try(self._stream.tell)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say whether it can seek."""
        return self._stream.seekable()

    def raise_error(self) -> None:
        """Raise the stream's error, if it had one."""
        if self.error is not None:
            raise self.error


class Cursor:
    """A position in the bytes of an iterator of chunks.

    ``data`` holds the buffered bytes, and ``at`` is the position in it. A :class:`Damage` among the
    chunks is a gap. Reading stops before it, as at the end, until :meth:`pass_gap` is called.
    """

    def __init__(self, chunks: Iterator[bytes | Damage]) -> None:
        self._chunks = chunks
        self._begin = 0  # offset of the data's first byte
        self.data = b""
        self.at = 0
        self.gap: Damage | None = None  # the gap that the data ends before
        self.ended = False  # whether no more bytes come before the gap or the end

    @property
    def offset(self) -> int:
        """Offset of the next byte in all the chunks."""
        return self._begin + self.at

    def ensure(self, size: int) -> bool:
        """Buffer the next ``size`` bytes; returns false if there are fewer."""
        have = len(self.data) - self.at
        if have >= size or self.ended:
            return have >= size
        pieces = [self.data[self.at :]]
        while have < size:
            chunk = next(self._chunks, None)
            if not isinstance(chunk, bytes):
                self.gap, self.ended = chunk, True
                break
            pieces.append(chunk)
            have += len(chunk)
        self.data, self._begin, self.at = b"".join(pieces), self.offset, 0
        return have >= size

    def more(self) -> bool:
        """Buffer at least one more byte; returns false if there is none."""
        return self.ensure(len(self.data) - self.at + 1)

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer before a gap or the end, without moving."""
        self.ensure(size)
        return self.data[self.at : self.at + size]

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer before a gap or the end."""
        taken = self.peek(size)
        self.at += len(taken)
        return taken

    def skip(self, size: int) -> int:
        """Skip ``size`` bytes; returns how many there were before a gap or the end."""
        left = size
        while left and self.ensure(1):
            step = min(left, len(self.data) - self.at)
            self.at += step
            left -= step
        return size - left

    def pass_gap(self) -> Damage | None:
        """Pass the gap at which reading stopped; returns it, None if there is no gap."""
        gap, self.gap = self.gap, None
        if gap is not None:
            self.at, self.ended = len(self.data), False
        return gap


class RawFile(Cursor):
    """A position in a stream. It can go back if the stream can seek.

    The stream must be at its first byte. A raw file can itself be read as a stream.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(_reads(stream))
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes; returns none only at the end of the file."""
        self.ensure(1)
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes at ``offset``, fewer at the end of the file."""
        self.seek(offset)
        return self.peek(size)

    def unread(self, size: int) -> None:
        """Step back over ``size`` of the bytes that the last :meth:`read` returned."""
        self.at -= size
        assert self.at >= 0

    def seekable(self) -> bool:
        """Tell whether :meth:`seek` can go back."""
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek to an offset of the raw file; buffered bytes are not read again."""
        assert whence == 0
        at = offset - self._begin
        if 0 <= at <= len(self.data):
            self.at = at
            return offset
        _go_to(self._stream, offset, offset - self._begin - len(self.data))
        self._chunks, self._begin, self.ended = _reads(self._stream), offset, False
        self.data, self.at = b"", 0
        return offset


def plain_chunks(stream: BinaryIO, offset: int) -> Iterator[bytes]:
    """Yield the bytes of a stream from ``offset`` on. The stream must be at its first byte."""
    if offset:
        _go_to(stream, offset, offset)
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _reads(stream: BinaryIO) -> Iterator[bytes]:
    return iter(partial(stream.read, READ_BYTES), b"")


def _go_to(stream: BinaryIO, offset: int, distance: int) -> None:
    """Go to an offset of a stream, by reading ``distance`` bytes if it cannot seek."""
    if stream.seekable():
        stream.seek(offset)
        return
    assert distance >= 0, "the stream cannot go back"
    while distance and (passed := stream.read(min(READ_BYTES, distance))):
        distance -= len(passed)
