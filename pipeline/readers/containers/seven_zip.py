"""Streaming of one member of a ``.7z`` archive with ``py7zr``.

py7zr pushes decompressed data into a writer. It runs in a thread, and a queue with room for one
chunk makes it wait for the reader. It reads the archive in small blocks and buffers up to 128 MB of
decompressed data: measured memory was 35 MB for ordinary text, and 430 MB for 400 MB that were
packed into 58 KB. Members before the wanted one in the same solid block are decompressed and
discarded. LZMA also needs memory for its dictionary (64 MB at 7-Zip's highest preset), and PPMd for
its model.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, cast

import py7zr
from py7zr.io import Py7zIO, WriterFactory

from pipeline.readers.containers.cursor import CHUNK_BYTES, Damage, Watched
from pipeline.readers.containers.decompress import MAX_EXPANSION, MIN_BOMB_BYTES

MAX_NESTING = 2
"""Deepest nesting of archives in archives."""

_BLOCK_BYTES = 1 << 16  # of the archive that are read at a time


class _StoppedError(Exception):
    """The reader has stopped before the end."""


class _Pipe(Py7zIO):
    """A writer whose data another thread reads from a queue."""

    def __init__(self) -> None:
        self.chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=1)
        self.stopped = threading.Event()
        self.written = 0

    def write(self, s: bytes | bytearray) -> int:
        for begin in range(0, len(s), CHUNK_BYTES):
            self._put(bytes(s[begin : begin + CHUNK_BYTES]))
        self.written += len(s)
        return len(s)

    def finish(self) -> None:
        self._put(None)

    def _put(self, chunk: bytes | None) -> None:
        while not self.stopped.is_set():
            try:
                self.chunks.put(chunk, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _StoppedError

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self.written


class _Factory(WriterFactory):
    def __init__(self, pipe: _Pipe) -> None:
        self.pipe = pipe

    def create(self, filename: str) -> Py7zIO:
        return self.pipe


def member_of_7z(stream: BinaryIO, member: str) -> Iterator[bytes | Damage]:
    """Yield the content of the first member with the base name ``member``, in any letter case.

    Without such a member, one is read that is an archive itself: the one whose name ends in
    ``member`` but for the suffix, or the only one. It is unpacked to a temporary file first.
    ``stream`` must be able to seek. Chunks have at most :data:`CHUNK_BYTES` bytes. A
    :class:`Damage` ends the output if the archive is damaged, is encrypted or otherwise unreadable
    to py7zr, declares an unpacked size above the limit for compressed files, or has no such member.
    Errors of the stream itself are raised.
    """
    yield from _member(stream, member, MAX_NESTING)


def _member(stream: BinaryIO, member: str, nesting: int) -> Iterator[bytes | Damage]:
    chosen: list[str] = []
    chunks = _extracted(stream, member, chosen, nesting)
    if (first := next(chunks, None)) is None:
        return
    if not chosen or _base(chosen[0]) == member.lower():
        yield first
        yield from chunks
        return
    with tempfile.TemporaryFile() as inner:
        for chunk in itertools.chain((first,), chunks):
            if isinstance(chunk, Damage):
                yield chunk
                return
            inner.write(chunk)
        inner.seek(0)
        yield from _member(cast(BinaryIO, inner), member, nesting - 1)


def _extracted(
    stream: BinaryIO, member: str, chosen: list[str], nesting: int
) -> Iterator[bytes | Damage]:
    """Yield the content of a member; puts the name of the member into ``chosen`` first."""
    pipe, watched = _Pipe(), Watched(stream)
    errors: list[str] = []
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)

    def choose(names: list[str]) -> str | None:
        name = _choice(names, member, nesting)
        chosen.extend([name] if name else [])
        return name

    thread = threading.Thread(
        target=_extract, args=(watched, n_bytes, member, choose, pipe, errors), daemon=True
    )
    thread.start()
    try:
        while (chunk := pipe.chunks.get()) is not None:
            yield chunk
    finally:
        pipe.stopped.set()
        thread.join()
    watched.raise_error()
    if errors:
        yield Damage(0, errors[0], n_bytes, pipe.written)


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def _choice(names: list[str], member: str, nesting: int) -> str | None:
    """Return the member to read: ``member``, or an archive in which it must be."""
    exact = [name for name in names if _base(name) == member.lower()]
    if exact:
        return exact[0]
    archives = [name for name in names if _base(name).endswith(".7z")] if nesting > 0 else []
    stem = member.lower().rsplit(".", 1)[0]
    named = [name for name in archives if _base(name).removesuffix(".7z").endswith(stem)]
    return named[0] if named else archives[0] if len(archives) == 1 else None


def _extract(
    stream: Watched,
    n_bytes: int,
    member: str,
    choose: Callable[[list[str]], str | None],
    pipe: _Pipe,
    errors: list[str],
) -> None:
    try:
        with py7zr.SevenZipFile(cast(IO[bytes], stream), blocksize=_BLOCK_BYTES) as archive:
            name = choose(archive.getnames())
            unpacked = sum(info.uncompressed for info in archive.list())
            if name is None:
                errors.append(f"bad 7z archive: no {member} in it")
            elif unpacked > max(MIN_BOMB_BYTES, MAX_EXPANSION * n_bytes):
                errors.append(f"bad 7z archive: {unpacked} bytes, of {n_bytes} as stored")
            else:
                archive.extract(targets=[name], factory=_Factory(pipe))
    except _StoppedError:
        return
    except Exception as error:  # py7zr lets many types through from a bad archive
        errors.append(f"bad 7z archive: {type(error).__name__}: {error}")
    with contextlib.suppress(_StoppedError):
        pipe.finish()
