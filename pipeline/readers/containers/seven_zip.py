"""One member of a ``.7z`` archive as a stream of chunks, by ``py7zr``.

py7zr pushes what it decompresses into a writer; a thread runs it, and a queue of one place holds it
back. It reads the archive in small blocks and takes up to 128 MB of what one decompresses to:
measured, 35 MB of memory for ordinary text and 430 MB for 400 MB packed into 58 KB. The members
before the wanted one in the same solid block are decompressed and thrown away. LZMA keeps its
dictionary besides (64 MB at 7-Zip's highest preset), PPMd its model.
"""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

import py7zr
from py7zr.io import Py7zIO, WriterFactory

from pipeline.readers.containers.cursor import CHUNK_BYTES, Damage
from pipeline.readers.containers.decompress import MAX_EXPANSION, MIN_BOMB_BYTES

_BLOCK_BYTES = 1 << 16  # of the archive at once


class _StoppedError(Exception):
    """Nobody reads on."""


class _Pipe(Py7zIO):
    """A writer whose content comes out in another thread."""

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


class _Watched(io.IOBase):
    """A stream that remembers its own errors, which are not the archive's."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:
            self.error = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def member_of_7z(stream: BinaryIO, member: str) -> Iterator[bytes | Damage]:
    """Yield the content of the first member with the base name ``member``, in any letter case.

    ``stream`` can seek. Chunks are of :data:`CHUNK_BYTES` at most. A :class:`Damage` ends the
    output where the archive is damaged, is of a kind that py7zr does not read (encrypted ones
    among them), says that it unpacks to more than other compressed files may, or has no such
    member. Errors of the stream itself are raised.
    """
    pipe, watched = _Pipe(), _Watched(stream)
    errors: list[str] = []
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    thread = threading.Thread(
        target=_extract, args=(watched, n_bytes, member, pipe, errors), daemon=True
    )
    thread.start()
    try:
        while (chunk := pipe.chunks.get()) is not None:
            yield chunk
    finally:
        pipe.stopped.set()
        thread.join()
    if watched.error is not None:
        raise watched.error
    if errors:
        yield Damage(0, errors[0], n_bytes, pipe.written)


def _extract(stream: _Watched, n_bytes: int, member: str, pipe: _Pipe, errors: list[str]) -> None:
    try:
        with py7zr.SevenZipFile(cast(IO[bytes], stream), blocksize=_BLOCK_BYTES) as archive:
            names = [
                name
                for name in archive.getnames()
                if name.rsplit("/", 1)[-1].lower() == member.lower()
            ]
            unpacked = sum(info.uncompressed for info in archive.list())
            if not names:
                errors.append(f"bad 7z archive: no {member} in it")
            elif unpacked > max(MIN_BOMB_BYTES, MAX_EXPANSION * n_bytes):
                errors.append(f"bad 7z archive: {unpacked} bytes, of {n_bytes} as stored")
            else:
                archive.extract(targets=names[:1], factory=_Factory(pipe))
    except _StoppedError:
        return
    except Exception as error:  # py7zr lets many types through from a bad archive
        errors.append(f"bad 7z archive: {type(error).__name__}: {error}")
    with contextlib.suppress(_StoppedError):
        pipe.finish()
