"""Tar archives read as a stream: ustar, GNU and pax headers, in bounded memory, past damage.

The standard library's reader keeps every member, takes extended headers of any size into memory and
ends at the first damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline.readers.decompress import Damage

BLOCK_BYTES = 512
MAX_HEADER_BYTES = 1 << 16  # of an extended header, which holds a path

_STEP_BYTES = 1 << 16
_FILE_TYPES = (b"0", b"\0", b"7")
_LINK_TYPES = (b"1", b"2")
_EMPTY_TYPES = (b"1", b"2", b"3", b"4", b"5", b"6")  # whatever size their headers say
_EXTENDED_TYPES = (b"x", b"g", b"L", b"K", b"X")


class Member(NamedTuple):
    """An entry of the archive."""

    number: int  # ordinal, from 0
    path: bytes
    kind: str  # "file", "link" or "other"
    size: int
    content: bytes | None  # None for what is no file, was not wanted or is too large


class Broken(NamedTuple):
    """A place where the archive cannot be read."""

    number: int  # of the member that would have come or is cut off
    path: bytes  # of the member that is cut off
    offset: int  # in the decompressed archive
    error: str
    skipped_bytes: int  # decompressed, up to where reading goes on


class _DamagedError(Exception):
    """The decompressed stream has a gap here."""


class _Header(NamedTuple):
    path: bytes
    type: bytes
    size: int


class _Blocks:
    """Reads exact counts of bytes from chunks; a gap or the end raises."""

    def __init__(self, chunks: Iterable[bytes | Damage]) -> None:
        self._chunks = iter(chunks)
        self._buffer = bytearray()
        self._gap: str | None = None
        self.offset = 0

    def available(self, size: int) -> int:
        """Try to have ``size`` bytes at hand; return how many there are before a gap or the end."""
        while len(self._buffer) < size and self._gap is None:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._gap = ""
            elif isinstance(chunk, Damage):
                self._gap = chunk.error
            else:
                self._buffer += chunk
        return min(size, len(self._buffer))

    def peek(self, size: int) -> bytes:
        """Return the next bytes, which must be at hand."""
        return bytes(self._buffer[:size])

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes. Raises :class:`_DamagedError` where there are fewer."""
        if self.available(size) < size:
            raise self.broken_off()
        data = self.peek(size)
        self._forget(size)
        return data

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes. Raises :class:`_DamagedError` where there are fewer."""
        while size:
            step = self.available(min(size, _STEP_BYTES))
            if not step:
                raise self.broken_off()
            self._forget(step)
            size -= step

    def broken_off(self) -> _DamagedError:
        """Pass the gap or go to the end, and return the error that says so."""
        error = self.pass_gap() or "the archive ends inside a member"
        self._forget(len(self._buffer))
        return _DamagedError(error)

    def _forget(self, size: int) -> None:
        del self._buffer[:size]
        self.offset += size

    def pass_gap(self) -> str | None:
        """Drop what is left before a gap; return its error, or None where there is none."""
        if not self._gap:
            return None
        error, self._gap = self._gap, None
        self._forget(len(self._buffer))
        return error

    def find_header(self) -> None:
        """Go to the next bytes that make a sound header, or to a gap or the end."""
        while self.available(_STEP_BYTES) >= BLOCK_BYTES:
            window = self.peek(_STEP_BYTES)
            at = window.find(b"ustar")
            while 0 <= at <= len(window) - (BLOCK_BYTES - 257):
                begin = at - 257
                if begin >= 0 and _header(window[begin : begin + BLOCK_BYTES]):
                    self._forget(begin)
                    return
                at = window.find(b"ustar", at + 1)
            self._forget(max(len(window) - BLOCK_BYTES + 1, 1))
        self._forget(len(self._buffer))


def tar_members(
    chunks: Iterable[bytes | Damage], wants: Callable[[bytes, int], bool]
) -> Iterator[Member | Broken]:
    """Yield the entries of a tar archive from its decompressed ``chunks``.

    The content of a file is read where ``wants(path, size)``, and is then in memory as a whole. A
    :class:`Broken` stands for bytes that are no entry, and for an entry that is cut off; reading
    goes on at the next sound header. Archives set one behind the other are read as one.
    """
    blocks = _Blocks(chunks)
    number = 0
    while True:
        begin, path = blocks.offset, b""
        try:
            header = _next_header(blocks)
            if header is None:
                error = blocks.pass_gap()
                if error is None:
                    return
                raise _DamagedError(error)
            path = header.path
            yield _member(blocks, number, header, wants)
        except _DamagedError as damaged:
            blocks.find_header()
            yield Broken(number, path, begin, str(damaged), blocks.offset - begin)
        number += 1


def _member(
    blocks: _Blocks, number: int, header: _Header, wants: Callable[[bytes, int], bool]
) -> Member:
    if header.type in _LINK_TYPES:
        return Member(number, header.path, "link", 0, None)
    size = 0 if header.type in _EMPTY_TYPES else header.size
    is_file = header.type in _FILE_TYPES and not header.path.endswith(b"/")
    content = None
    if is_file and wants(header.path, size):
        content = blocks.take(size)
    else:
        blocks.skip(size)
    blocks.skip(blocks.available(-size % BLOCK_BYTES))  # the last member may have no padding
    return Member(number, header.path, "file" if is_file else "other", size, content)


def _next_header(blocks: _Blocks) -> _Header | None:
    """Read a header with the extended ones ahead of it; None at the end or a gap."""
    path, size = None, None
    while True:
        at_hand = blocks.available(BLOCK_BYTES)
        if not blocks.peek(at_hand).strip(b"\0"):
            blocks.skip(at_hand)
            if at_hand < BLOCK_BYTES:
                return None
            continue
        if at_hand < BLOCK_BYTES:
            raise blocks.broken_off()
        header = _header(blocks.peek(BLOCK_BYTES))
        if header is None:
            raise _DamagedError("no header of a tar archive")
        blocks.skip(BLOCK_BYTES)
        if header.type not in _EXTENDED_TYPES:
            return header._replace(
                path=header.path if path is None else path,
                size=header.size if size is None else size,
            )
        if header.size > MAX_HEADER_BYTES:
            raise _DamagedError(f"an extended header of {header.size} bytes")
        content = blocks.take(header.size + -header.size % BLOCK_BYTES)[: header.size]
        if header.type == b"L":
            path = content.rstrip(b"\0")
        elif header.type == b"x":
            fields = _pax_fields(content)
            path = fields.get(b"path", path)
            digits = fields.get(b"size", b"")
            size = int(digits) if digits.isdigit() and len(digits) < 20 else size


def _pax_fields(content: bytes) -> dict[bytes, bytes]:
    """Read the records of a pax header, ``LENGTH KEY=VALUE\\n``, up to one that is none."""
    fields = {}
    while content:
        digits, space, _ = content[:21].partition(b" ")
        if not (space and digits.isdigit() and 0 < int(digits) <= len(content)):
            break
        key, _, value = content[len(digits) + 1 : int(digits)].partition(b"=")
        fields[key] = value.removesuffix(b"\n")
        content = content[int(digits) :]
    return fields


def _header(block: bytes) -> _Header | None:
    """Read a header block; None where its checksum or its size is not one."""
    try:
        checksum = int(block[148:156].strip(b" \0") or b"-1", 8)
        if sum(block) - sum(block[148:156]) + 8 * 32 != checksum:
            return None
        if block[124] & 0x80:
            size = int.from_bytes(block[125:136], "big")
        else:
            size = int(block[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    if size < 0:
        return None
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    return _Header(prefix + b"/" + name if prefix else name, block[156:157], size)
