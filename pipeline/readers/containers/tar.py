"""Reading of tar archives from a stream (POSIX ustar and pax, GNU long names).

The standard library's ``tarfile`` keeps a list of all members, reads extended headers of any size
into memory, and ends silently at the first damaged header. Here memory is bounded, and no byte is
lost silently. Where no member can be read, a :class:`Broken` is yielded, and reading continues at
the next header with a valid checksum.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from pipeline.readers.containers.cursor import Cursor

BLOCK_BYTES = 512  # size of a header, and unit of padding
MAX_EXTENSION_BYTES = 1 << 20  # longest GNU long name or pax header

_WINDOW_BYTES = 1 << 16  # that are searched for a header at a time; whole blocks
_MAGIC = re.compile(rb"ustar")
_MAGIC_AT = 257
_PAX_RECORD = re.compile(rb"(\d{1,7}) ([^=\n]{1,1000})=")
_PAX_SIZE = re.compile(rb"\d{1,19}\Z")
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*\Z")
_EXTENSION_TYPES = (b"x", b"g", b"X", b"L", b"K")
_FILE_TYPES = (b"0", b"\0", b"7")
_LINK_TYPES = (b"1", b"2")
_EMPTY_TYPES = (b"1", b"2", b"3", b"4", b"5", b"6")  # without content

Kind = Literal["file", "folder", "link", "device"]


class Member(NamedTuple):
    """A member. Read its content from the :class:`Cursor` before you ask for the next one."""

    number: int  # index of the member, from 0
    name: str
    kind: Kind  # "device" also stands for unknown types
    size: int
    offset: int  # offset of its first header in the decompressed archive


class Broken(NamedTuple):
    """A range in which no member can be read, or the rest of a member that is cut off."""

    number: int  # of the member that is cut off, else of the next one
    name: str  # of the member that is cut off, else empty
    offset: int  # in the decompressed archive
    error: str
    skipped_bytes: int  # from ``offset`` to where reading continues


class _BrokenError(Exception):
    """The member at this place cannot be read."""


class _Header(NamedTuple):
    name: str
    type: bytes
    size: int


def is_tar(head: bytes) -> bool:
    """Tell from the first 512 bytes of a file whether it is a tar archive."""
    return _header(head) is not None


def tar_members(source: Cursor) -> Iterator[Member | Broken]:
    """Yield the members in order; content that the caller does not read is skipped.

    A member that is cut off by a gap or the end is followed by a :class:`Broken` with its number.
    Concatenated archives are read as one.
    """
    number = 0
    while True:
        _skip_zeros(source)
        begin, name = source.offset, ""
        try:
            header = _next_header(source)
            if header is None:
                return
            name, type_flag, size = header
            content_begin = source.offset
            yield Member(number, name, _kind(type_flag, name), size, begin)
            left = content_begin + size - source.offset
            if source.skip(left) < left:
                raise _BrokenError(_error(source))
            source.skip(-size % BLOCK_BYTES)  # the last member may have no padding
        except _BrokenError as error:
            _find_header(source)
            yield Broken(number, name, begin, str(error), source.offset - begin)
        number += 1


def _error(source: Cursor) -> str:
    """Say why the archive does not go on here, and go past the gap if that is why."""
    gap = source.pass_gap()
    return gap.error if gap else "the archive ends inside a member"


def _skip_zeros(source: Cursor) -> None:
    while (block := source.peek(BLOCK_BYTES)) and not block.strip(b"\0"):
        source.skip(len(block))


def _next_header(source: Cursor) -> _Header | None:
    """Read the extended headers and the header of a member; None at the end."""
    long_name: str | None = None
    long_size: int | None = None
    begin = source.offset
    while True:
        block = source.peek(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            if source.gap is None and not block and source.offset == begin:
                return None
            raise _BrokenError(_error(source))
        header = _header(block)
        if header is None:
            raise _BrokenError("no tar header here")
        source.skip(BLOCK_BYTES)
        if header.type not in _EXTENSION_TYPES:
            name = long_name or header.name
            size = header.size if long_size is None else long_size
            return _Header(name, header.type, 0 if _is_empty(header.type, name) else size)
        if header.size > MAX_EXTENSION_BYTES:
            raise _BrokenError(f"an extended header of {header.size} bytes")
        extension = source.take(header.size)  # if it is cut off, the next header is too
        source.skip(-header.size % BLOCK_BYTES)
        if header.type == b"L":
            long_name = extension.rstrip(b"\0").decode(errors="replace")
        elif header.type == b"x":
            records = _pax_records(extension)
            if b"path" in records:
                long_name = records[b"path"].decode(errors="replace")
            if _PAX_SIZE.match(records.get(b"size", b"")):
                long_size = int(records[b"size"])


def _is_empty(type_flag: bytes, name: str) -> bool:
    """Tell whether a header has no content. Old archives mark folders only by a final slash."""
    return type_flag in _EMPTY_TYPES or (type_flag == b"\0" and name.endswith("/"))


def _kind(type_flag: bytes, name: str) -> Kind:
    if type_flag in _FILE_TYPES:
        return "folder" if name.endswith("/") else "file"
    if type_flag == b"5":
        return "folder"
    return "link" if type_flag in _LINK_TYPES else "device"


def _header(block: bytes) -> _Header | None:
    """Parse a block as a header; None if it is not one."""
    if len(block) < BLOCK_BYTES:
        return None
    checksum = _number(block[148:156])
    if checksum is None or checksum != sum(block) - sum(block[148:156]) + 8 * 0x20:
        return None
    size = _number(block[124:136])
    if size is None:
        return None
    name = block[:100].split(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].split(b"\0")[0] + b"/" + name
    return _Header(name.decode(errors="replace"), block[156:157], size)


def _number(field: bytes) -> int | None:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    octal = _OCTAL.match(field)
    return int(octal[1] or b"0", 8) if octal else None


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """Parse the records of a pax header, ``LENGTH KEY=VALUE\\n``, up to the first invalid one."""
    records: dict[bytes, bytes] = {}
    at = 0
    while match := _PAX_RECORD.match(data, at):
        end = at + int(match[1])
        if end <= match.end() or end > len(data):
            break
        records[match[2]] = data[match.end() : end - 1]
        at = end
    return records


def _find_header(source: Cursor) -> None:
    """Skip to the next header, a gap or the end.

    Headers of ustar and GNU archives are found at any offset, since bytes may be missing. Older
    headers have no magic number and are found only at multiples of a block from here.
    """
    while True:
        window = source.peek(_WINDOW_BYTES)
        last = len(window) - BLOCK_BYTES
        begins = {match.start() - _MAGIC_AT for match in _MAGIC.finditer(window)}
        for begin in sorted(begins.union(range(0, last + 1, BLOCK_BYTES))):
            if 0 <= begin <= last and is_tar(window[begin : begin + BLOCK_BYTES]):
                source.skip(begin)
                return
        if len(window) < _WINDOW_BYTES:
            source.skip(len(window))
            return
        source.skip(last)
