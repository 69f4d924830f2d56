"""Record batches of Arrow's IPC streams and files, in bounded memory.

A message's buffers may be compressed, each for itself, with its size in front (``Message.fbs`` and
``Columnar.rst`` of Arrow's format). Messages are cut out of the stream here and looked at before
Arrow has them. A file is a stream between ``ARROW1`` and a footer, and is read as one, so that what
lies ahead of a damage is read as well.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.readers.containers.columnar import (
    FORMAT_ERRORS,
    MAX_HELD_EXPANSION,
    Expansion,
    Unreadable,
    Watched,
    check_types,
    pieces,
)

FILE_MAGIC = b"ARROW1"
CONTINUATION = b"\xff\xff\xff\xff"

_FILE_HEAD_BYTES = 8
_READ_BYTES = 1 << 22
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # MessageHeader


def ipc_batches(
    stream: Watched, *, columns: Sequence[str], text: str
) -> Iterator[pa.RecordBatch | Unreadable]:
    """Yield those of ``columns`` that a stream of messages has, in slices of its record batches.

    An :class:`Unreadable` stands for the rest of a stream that is damaged or holds too much
    (:mod:`columnar`). ``text`` is the column that may be large. Errors of the stream are raised.
    """
    messages = _Messages(stream)
    try:
        reader = pa.ipc.open_stream(messages)
        names = [name for name in reader.schema.names if name in columns]
        check_types(reader.schema, names)
        for batch in reader:
            yield from _bounded(batch.select(names), messages.expansion, text)
    except FORMAT_ERRORS as error:
        stream.raise_error()
        yield Unreadable(str(error).split("\n", 1)[0], None)


def _bounded(
    batch: pa.RecordBatch, expansion: Expansion, text: str
) -> Iterator[pa.RecordBatch | Unreadable]:
    try:
        # Arrow takes on trust from a file: offsets, lengths, dictionary indices.
        batch.validate()
        for column in batch.columns:
            if pa.types.is_dictionary(column.type):
                pa.DictionaryArray.from_arrays(column.indices, column.dictionary)
    except FORMAT_ERRORS as error:
        yield Unreadable(str(error), len(batch))
        return
    yield from pieces(batch, expansion, text)


class _Messages(io.RawIOBase):
    """A stream of messages, each of which is read whole and checked before any of it is given."""

    def __init__(self, stream: Watched) -> None:
        self.expansion = Expansion()
        self._stream = stream
        self._waiting: list[bytes] = []  # parts of a message, the next one last
        self._is_first = True

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes; fewer at the end."""
        taken: list[bytes] = []
        while size:
            if not self._waiting:
                self._waiting = self._next()[::-1]
            if not self._waiting:
                break
            part = self._waiting.pop()
            if 0 < size < len(part):
                self._waiting.append(part[size:])
                part = part[:size]
            taken.append(part)
            size -= len(part)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _next(self) -> list[bytes]:
        """Read the next message; returns its parts, as Arrow asks for them."""
        head = self._take(4)
        if self._is_first and head == FILE_MAGIC[:4]:
            self._take(_FILE_HEAD_BYTES - 4)
            head = self._take(4)
        self._is_first = False
        if head == CONTINUATION:  # streams before Arrow 0.15 have none
            head += self._take(4)
        size = int.from_bytes(head[-4:], "little", signed=True)
        if len(head) < 4 or size <= 0:
            return [head] if head else []
        metadata = self._take(size)
        try:
            body_bytes = _body_bytes(metadata)
        except struct.error:
            raise ValueError("bad message") from None
        body = self._take(body_bytes)
        self.expansion.read_bytes += len(head) + len(metadata) + len(body)
        if len(body) == body_bytes:
            try:
                unpacked = _unpacked_bytes(metadata, body)
            except struct.error:
                raise ValueError("bad message") from None
            if unpacked > self.expansion.limit(MAX_HELD_EXPANSION):
                raise ValueError(f"buffers of {unpacked} bytes, packed as {body_bytes}")
        return [part for part in (head, metadata, body) if part]

    def _take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self._stream.read(min(size, _READ_BYTES))):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _body_bytes(metadata: bytes) -> int:
    """Return the length of a message's body."""
    at = _field(metadata, _root(metadata), 3)
    size: int = struct.unpack_from("<q", metadata, at)[0] if at else 0
    if size < 0:
        raise ValueError("bad message")
    return size


def _unpacked_bytes(metadata: bytes, body: bytes) -> int:
    """Return what the buffers of a message are, once decompressed."""
    message = _root(metadata)
    kind_at, header_at = _field(metadata, message, 1), _field(metadata, message, 2)
    kind = metadata[kind_at] if kind_at and kind_at < len(metadata) else 0
    if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH) or not header_at:
        return 0
    batch = _table(metadata, header_at)
    if kind == _DICTIONARY_BATCH:
        data_at = _field(metadata, batch, 1)
        if not data_at:
            return 0
        batch = _table(metadata, data_at)
    buffers_at = _field(metadata, batch, 2)
    if not _field(metadata, batch, 3) or not buffers_at:  # not compressed
        return len(body)
    vector = _table(metadata, buffers_at)
    (count,) = struct.unpack_from("<I", metadata, vector)
    total = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * number)
        if length > 0:
            if offset < 0:
                raise ValueError("bad message")
            (unpacked,) = struct.unpack_from("<q", body, offset)
            total += max(unpacked, length)
    return total


# Flatbuffers: tables begin with the distance back to the table of their fields' places.


def _root(data: bytes) -> int:
    return _table(data, 0)


def _table(data: bytes, at: int) -> int:
    """Return where the table or vector begins that ``at`` refers to."""
    return at + int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """Return where a field of a table is, 0 for one that is left out."""
    places = table - int(struct.unpack_from("<i", data, table)[0])
    if places < 0:
        raise ValueError("bad message")
    (size,) = struct.unpack_from("<H", data, places)
    at = 4 + 2 * number
    place = int(struct.unpack_from("<H", data, places + at)[0]) if at + 2 <= size else 0
    return table + place if place else 0
