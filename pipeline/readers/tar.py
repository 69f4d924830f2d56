"""Members of a tar archive (POSIX ustar and pax, GNU long names), read from a stream.

``tarfile`` of the standard library ends silently at the first damaged header, and reads extended
headers of any size into memory. Here every byte is accounted for: where no member begins comes a
:class:`Garbage`, and reading goes on at the next header whose checksum is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

BLOCK_BYTES = 512
MAX_EXTENSION_BYTES = 1 << 20  # of a long name or pax header

_SKIP_BYTES = 1 << 18
_PAX_RECORD = re.compile(rb"(\d{1,7}) ([^=\n]{1,100})=")
_ZEROS = bytes(BLOCK_BYTES)
_MAX_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*\Z")

Kind = Literal["file", "folder", "link", "device"]


class Member(NamedTuple):
    """A member; its content is read from the :class:`Bytes` before the next one is asked for."""

    name: str
    kind: Kind  # a type that is none of these is a device
    size: int
    offset: int  # of its header


class Garbage(NamedTuple):
    """A stretch in which no member begins."""

    offset: int
    size: int
    error: str


class Bytes:
    """Bytes read on from chunks, with the offset of the next one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._at = 0
        self.offset = 0

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end, and stay before them."""
        pieces, have = [self._buffer[self._at :]], len(self._buffer) - self._at
        if have < size:
            for chunk in self._chunks:
                pieces.append(chunk)
                have += len(chunk)
                if have >= size:
                    break
            self._buffer, self._at = b"".join(pieces), 0
        return self._buffer[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end."""
        taken = self.peek(size)
        self._at += len(taken)
        self.offset += len(taken)
        return taken

    def skip(self, size: int) -> int:
        """Go past ``size`` bytes, and return how many there were."""
        left = size
        while left and (piece := self.take(min(left, _SKIP_BYTES))):
            left -= len(piece)
        return size - left


def is_tar(head: bytes) -> bool:
    """Tell by its first 512 bytes whether a file is a tar archive."""
    return _header(head) is not None


def tar_members(source: Bytes) -> Iterator[Member | Garbage]:
    """Yield the members in their order; content that is not taken is gone past.

    A member that ends with the archive before its size is followed by a :class:`Garbage` that says
    so.
    """
    long_name: str | None = None
    size_override: int | None = None
    while block := source.take(BLOCK_BYTES):
        offset = source.offset - len(block)
        if block == _ZEROS[: len(block)]:
            continue
        header = _header(block)
        if header is None:
            yield _garbage(source, offset)
            long_name = size_override = None
            continue
        name, type_flag, size = header
        if type_flag in b"LKxg":
            if size > MAX_EXTENSION_BYTES:
                source.skip(_padded(size))
                yield Garbage(offset, source.offset - offset, "an extended header is too large")
                continue
            extension = source.take(_padded(size))[:size]
            if type_flag == b"L":
                long_name = extension.rstrip(b"\0").decode(errors="replace")
            elif type_flag == b"x":
                records = _pax_records(extension)
                if b"path" in records:
                    long_name = records[b"path"].decode(errors="replace")
                if records.get(b"size", b"x").isdigit():
                    size_override = int(records[b"size"])
            continue
        size = size if size_override is None else size_override
        kind = _kind(type_flag, name)
        if kind in ("link", "folder") or type_flag in b"346":
            size = 0
        begin = source.offset
        yield Member(long_name or name, kind, size, offset)
        long_name = size_override = None
        source.skip(begin + _padded(size) - source.offset)
        if source.offset < begin + size:
            yield Garbage(offset, source.offset - offset, "the archive ends inside a member")


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _kind(type_flag: bytes, name: str) -> Kind:
    if type_flag in (b"0", b"\0", b"7"):
        return "folder" if name.endswith("/") else "file"
    if type_flag == b"5":
        return "folder"
    return "link" if type_flag in b"12" else "device"


def _header(block: bytes) -> tuple[str, bytes, int] | None:
    """Read name, type and size of a header; None for a block that is none."""
    if len(block) < BLOCK_BYTES:
        return None
    checksum = _number(block[148:156])
    if checksum != sum(block) - sum(block[148:156]) + 8 * 0x20:
        return None
    size = _number(block[124:136])
    if size is None:
        return None
    name = block[:100].split(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].split(b"\0")[0] + b"/" + name
    return name.decode(errors="replace"), block[156:157], size


def _number(field: bytes) -> int | None:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    octal = _MAX_OCTAL.match(field)
    return int(octal[1] or b"0", 8) if octal else None


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    at = 0
    while match := _PAX_RECORD.match(data, at):
        end = at + int(match[1])
        if end <= match.end() or end > len(data):
            break
        records[match[2]] = data[match.end() : end - 1]
        at = end
    return records


def _garbage(source: Bytes, offset: int) -> Garbage:
    """Go to the next header, or to the end."""
    while (block := source.peek(BLOCK_BYTES)) and not is_tar(block):
        source.take(BLOCK_BYTES)
    return Garbage(offset, source.offset - offset, "no tar header here")
