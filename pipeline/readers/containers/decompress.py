"""Decompression of gzip, zstd, bzip2 and plain files, which are recognised by magic bytes.

Files of many members are read as one stream; Common Crawl writes one gzip member (RFC 1952) for
each record. After a damaged member, reading continues: first come the bytes that could be
decompressed, then a :class:`Damage`, then the next intact member. Output comes in bounded pieces,
so a small file that unpacks to terabytes takes little memory, and its rest is skipped.
"""

from __future__ import annotations

import bz2
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import zstandard
from isal import isal_zlib

from pipeline.readers.containers.cursor import CHUNK_BYTES, READ_BYTES, Damage, RawFile

SEVEN_ZIP_MAGIC = b"7z\xbc\xaf\x27\x1c"
"""First bytes of 7z archives, which :mod:`pipeline.readers.containers.seven_zip` reads."""

PROBE_BYTES = 1 << 16  # decompressed bytes after which a candidate counts as a member
LOOK_BACK_BYTES = 1 << 20  # raw bytes before a failure that are searched for the next member
MAX_EXPANSION = 250
"""Decompressed bytes a raw byte, on average up to any point, above which the rest is skipped.

Text reaches 20, logs 100, gzip bombs 1,032, bzip2 and zstd bombs many thousands.
"""

MIN_BOMB_BYTES = 1 << 26  # decompressed bytes up to which any ratio is allowed
MAX_DAMAGES = 1_000  # damages of a file after which its rest is skipped

_SLICE_BYTES = 1 << 16
_FINE_BYTES = 64  # input and output of one step near a known error
_ZSTD_STEP_BYTES = 1 << 11
_MAX_DICTIONARY_BYTES = 1 << 26


class _BadMemberError(Exception):
    """The input is not a complete, valid member."""


class _Member(ABC):
    """A decompressor of one member of any format."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""  # bytes of the last input that follow the member
        self.wants_input = True

    @abstractmethod
    def pull(self, data: bytes, limit: int) -> bytes:
        """Take ``data``, empty unless ``wants_input``; return at most about ``limit`` bytes."""


class _GzipMember(_Member):
    def __init__(self) -> None:
        super().__init__()
        self._object: Any = isal_zlib.decompressobj(wbits=31)
        self._tail = b""

    def pull(self, data: bytes, limit: int) -> bytes:
        out: bytes = self._object.decompress(data or self._tail, limit)
        self._tail = self._object.unconsumed_tail
        self.wants_input = not self._tail
        self.eof = self._object.eof
        self.unused_data = self._object.unused_data
        return out


class _Bzip2Member(_Member):
    def __init__(self) -> None:
        super().__init__()
        self._object = bz2.BZ2Decompressor()

    def pull(self, data: bytes, limit: int) -> bytes:
        out = self._object.decompress(data, limit)
        self.wants_input = self._object.needs_input
        self.eof = self._object.eof
        self.unused_data = self._object.unused_data
        return out


class _ZstdMember(_Member):
    """A zstd frame (RFC 8878). Only small inputs bound its output: 4 bytes can make 128 KiB."""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        super().__init__()
        decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
        self._object = decompressor.decompressobj()
        self._tail = b""

    def pull(self, data: bytes, limit: int) -> bytes:
        data = data or self._tail
        step = min(_ZSTD_STEP_BYTES, limit)
        out = self._object.decompress(data[:step])
        self._tail = data[step:]
        self.wants_input = not self._tail
        self.eof = self._object.eof
        if self.eof:
            self.unused_data = self._object.unused_data + self._tail
        return out


class _Codec(NamedTuple):
    name: str
    begins: re.Pattern[bytes]
    member: Callable[[], _Member]


_GZIP = _Codec("gzip", re.compile(rb"\x1f\x8b\x08[\x00-\x1f]"), _GzipMember)
_BZIP2 = _Codec(
    "bzip2",
    re.compile(rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)"),
    _Bzip2Member,
)
_ZSTD_FRAME = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_ZSTD_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
_MAGIC_BYTES = 10  # the longest of them
_MEMBER_ERRORS: Any = (isal_zlib.error, zstandard.ZstdError, OSError, EOFError, ValueError)


def is_compressed(head: bytes) -> bool:
    """Tell from the first 16 bytes of a file whether :func:`decompressed` decompresses it."""
    return any(begins.match(head) for begins in (_GZIP.begins, _BZIP2.begins, _ZSTD_FRAME))


def decompressed(stream: BinaryIO) -> Iterator[bytes | Damage]:
    """Yield the decompressed content of ``stream`` in chunks of about :data:`CHUNK_BYTES`.

    ``stream`` is at the first byte of the file. gzip, bzip2 and zstd, with any number of members,
    are recognised by their first bytes, and so is zstd after a dictionary frame as in
    ``.warc.zst``. Any other file is plain. A :class:`Damage` stands for bytes that do not
    decompress. Reading continues after it if the stream can seek; otherwise the rest of the file is
    skipped. Errors of the stream itself are raised.
    """
    source = RawFile(stream)
    codec = _codec_of(source)
    if codec is None:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk
        return
    pieces: list[bytes] = []
    size = 0
    for piece in _bounded(source, _members(source, codec)):
        if isinstance(piece, Damage) or size >= CHUNK_BYTES:
            if size:
                yield b"".join(pieces)
            pieces, size = [], 0
        if isinstance(piece, Damage):
            yield piece
        else:
            pieces.append(piece)
            size += len(piece)
    if size:
        yield b"".join(pieces)


def _bounded(source: RawFile, pieces: Iterator[bytes | Damage]) -> Iterator[bytes | Damage]:
    """Yield the pieces as long as they are at most :data:`MAX_EXPANSION` times the bytes read."""
    produced = 0
    for piece in pieces:
        yield piece
        produced += len(piece) if isinstance(piece, bytes) else 0
        if produced > max(MIN_BOMB_BYTES, MAX_EXPANSION * source.offset):
            begin = source.offset
            _skip_all(source)
            error = f"more than {MAX_EXPANSION} times as large as the file that it comes from"
            yield Damage(begin, error, source.offset - begin, 0)
            return


def _skip_zeros(source: RawFile) -> None:
    """Skip zero bytes, with which some writers pad a file."""
    while source.peek(1) == b"\0":
        piece = source.read(_SLICE_BYTES)
        source.unread(len(piece.lstrip(b"\0")))


def _skip_all(source: RawFile) -> None:
    """Skip the rest of the file."""
    while source.read(READ_BYTES):
        pass


def _codec_of(source: RawFile) -> _Codec | None:
    magic = source.peek(_MAGIC_BYTES)
    for codec in (_GZIP, _BZIP2):
        if codec.begins.match(magic):
            return codec
    if not _ZSTD_FRAME.match(magic):
        return None
    dictionary = _zstd_dictionary(source) if magic.startswith(_ZSTD_DICTIONARY_MAGIC) else None
    return _Codec("zstd", _ZSTD_FRAME, lambda: _ZstdMember(dictionary))


def _zstd_dictionary(source: RawFile) -> zstandard.ZstdCompressionDict | None:
    """Read the dictionary in the skippable frame at the beginning of a ``.warc.zst`` file."""
    size = int.from_bytes(source.peek(8)[4:], "little")
    if not 0 < size <= _MAX_DICTIONARY_BYTES:
        return None
    content = source.peek(8 + size)[8:]
    try:
        if content.startswith(b"\x28\xb5\x2f\xfd"):
            decompressor = zstandard.ZstdDecompressor()
            with decompressor.stream_reader(content) as reader:
                content = reader.read(_MAX_DICTIONARY_BYTES)
        return zstandard.ZstdCompressionDict(content)
    except (zstandard.ZstdError, ValueError):
        return None


def _decode(source: RawFile, codec: _Codec, fine_from: int | None = None) -> Iterator[bytes]:
    """Decompress the member at the source's offset; the source ends up after it.

    After ``fine_from`` decompressed bytes, steps are small, so that a later error loses little good
    output. Raises :class:`_BadMemberError` if the bytes are not a complete member.
    """
    member = codec.member()
    done = 0
    limit, slice_bytes = CHUNK_BYTES, _SLICE_BYTES
    while not member.eof:
        if fine_from is not None:
            limit = min(CHUNK_BYTES, fine_from - done) if done < fine_from else _FINE_BYTES
            slice_bytes = _FINE_BYTES
        wanted = member.wants_input
        data = source.read(slice_bytes) if wanted else b""
        try:
            out = member.pull(data, limit)
        except _MEMBER_ERRORS as error:
            raise _BadMemberError(f"bad {codec.name} member: {error}") from error
        if out:
            done += len(out)
            yield out
        elif wanted and not data:
            raise _BadMemberError(f"the file ends inside a {codec.name} member")
    source.unread(len(member.unused_data))


def _members(source: RawFile, codec: _Codec) -> Iterator[bytes | Damage]:
    """Decompress all members; a :class:`Damage` stands for bytes that do not decompress."""
    damages = 0
    while source.peek(1):
        begin = source.offset
        produced = 0
        try:
            if not codec.begins.match(source.peek(_MAGIC_BYTES)):
                raise _BadMemberError(f"no {codec.name} member begins here")
            for out in _decode(source, codec):
                produced += len(out)
                yield out
            _skip_zeros(source)
            continue
        except _BadMemberError as error:
            message = str(error)
        damages += 1
        if not source.seekable() or damages == MAX_DAMAGES:
            _skip_all(source)
        else:
            for out in _rest_of_bad_member(source, codec, begin, produced):
                produced += len(out)
                yield out
            _find_member(source, codec, max(begin + 1, source.offset - LOOK_BACK_BYTES))
        yield Damage(begin, message, source.offset - begin, produced)


def _rest_of_bad_member(
    source: RawFile, codec: _Codec, begin: int, produced: int
) -> Iterator[bytes]:
    """Decompress a bad member again in small steps, for output lost in the step that failed.

    The source ends up where the member fails.
    """
    source.seek(begin)
    if not codec.begins.match(source.peek(_MAGIC_BYTES)):
        return
    done = 0
    try:
        for out in _decode(source, codec, fine_from=produced):
            done += len(out)
            if done > produced:
                yield out[-(done - produced) :] if done - len(out) < produced else out
    except _BadMemberError:
        return


def _find_member(source: RawFile, codec: _Codec, offset: int) -> None:
    """Seek to the first member from ``offset`` on that decompresses, or to the end of the file."""
    source.seek(offset)
    window = b""
    while piece := source.read(READ_BYTES):
        window = window[1 - _MAGIC_BYTES :] + piece
        end = source.offset
        for match in codec.begins.finditer(window):
            candidate = end - len(window) + match.start()
            source.seek(candidate)
            if _decompresses(source, codec):
                source.seek(candidate)
                return
        source.seek(end)


def _decompresses(source: RawFile, codec: _Codec) -> bool:
    size = 0
    try:
        for out in _decode(source, codec):
            size += len(out)
            if size >= PROBE_BYTES:
                break
    except _BadMemberError:
        return False
    return True
