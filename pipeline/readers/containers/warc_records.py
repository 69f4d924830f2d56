"""Reading of the records of WARC files (ISO 28500, versions 0.17 to 1.1), also damaged ones.

Every byte of the file is in a record, in a record marked as damaged, or in an :class:`Unreadable`.
A record is accepted if its ``Content-Length`` leads to the next record, to the end of the file, or
to the two line ends that close a record, whatever follows them. Otherwise reading continues at the
next line that begins a record. Header lines may end in CRLF or LF, may be continued, and may have
names in any letter case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pipeline.readers.containers.cursor import Cursor
from pipeline.readers.containers.decompress import decompressed

MAX_HEADER_BYTES = 1 << 20
"""Longest header of a record, in bytes."""

_RECORD_LINE = rb"WARC/\d\.\d{1,2}[ \t]*\r?\n"
_RECORD_LINE_BYTES = 32  # above the length of any such line
_LOOK_AHEAD_BYTES = 128  # after a payload: line ends, and the first line of the next record
_RECORD = re.compile(_RECORD_LINE)
_NEXT_RECORD = re.compile(rb"\n(?=" + _RECORD_LINE + rb")")
_HEADER_END = re.compile(rb"\n\r?\n")
_HEADER_STOP = re.compile(
    rb"\n(?:\r?\n|(?=" + _RECORD_LINE + rb"))"
)  # the end of a header, or the first line of a record
_NEWLINES = re.compile(rb"[\r\n]*")
_FEW_NEWLINES = re.compile(rb"[\r\n]{0,64}")  # between two records, where two line ends are right
_TWO_LINE_ENDS = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_ARC_MAGIC = b"filedesc://"


class Record(NamedTuple):
    """One record. If ``dropped_by`` is set, it is unusable and ``payload`` is empty."""

    number: int  # index in the file, from 0; records of all types count
    offset: int  # offset of the record in the decompressed file
    end: int  # offset of the first byte after it
    headers: dict[str, str]  # by name in lower case; the first value of each name
    payload: bytes
    dropped_by: str | None  # "damaged" or "record_too_large"
    error: str | None


class Unreadable(NamedTuple):
    """A range of bytes that belong to no record."""

    number: int  # index of the next record
    dropped_by: str  # "damaged", or "not_a_warc" if the whole file is of another format
    error: str
    offset: int  # in the decompressed file, or in the raw file if decompression failed
    skipped_bytes: int


def parse_headers(block: bytes) -> dict[str, str]:
    """Parse WARC header lines; returns the first value of each name, in lower case."""
    return {name: values[0] for name, values in header_values(block).items()}


def header_values(block: bytes) -> dict[str, list[str]]:
    """Parse WARC or HTTP header lines; returns the values of each name, in lower case."""
    headers: dict[str, list[list[str]]] = {}
    last: list[str] | None = None  # parts of the current header, which the next line may continue
    for line in block.decode(errors="replace").split("\n"):
        if line[:1] in (" ", "\t"):
            if last is not None:
                last.append(line.strip())
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        last = None
        if name and colon:
            last = [value.strip()]
            headers.setdefault(name, []).append(last)
    return {name: [" ".join(parts).strip() for parts in values] for name, values in headers.items()}


def header_end(data: bytes, at: int) -> int:
    """Return the offset after the header lines that begin at ``at`` and their empty line, or -1."""
    match = _HEADER_END.search(data, at)
    return match.end() if match else -1


def archive_records(stream: BinaryIO, *, max_record_bytes: int) -> Iterator[Record | Unreadable]:
    """Yield the records and unreadable ranges of a WARC file, compressed or not, in order.

    Records with a payload of more than ``max_record_bytes`` are not read into memory; they are
    yielded as ``record_too_large``. No content of the file raises an error.
    """
    held: Record | None = None
    for event in _events(Cursor(decompressed(stream)), max_record_bytes):
        if isinstance(event, _BadMember):
            if held and not held.dropped_by and event.damaged_from < held.end:
                # The last record of a bad member: the checksum failed on its bytes.
                held = _damaged(held, event.place.error)
            event = event.place
        if held:
            yield held
        held = event if isinstance(event, Record) else None
        if not held:
            yield event
    if held:
        yield held


class _BadMember(NamedTuple):
    place: Unreadable
    damaged_from: int  # decompressed offset at which the output of the bad member begins


def _damaged(record: Record, error: str) -> Record:
    return record._replace(payload=b"", dropped_by="damaged", error=error)


def _skip_newlines(feed: Cursor) -> None:
    """Skip line ends."""
    while True:
        match = _NEWLINES.match(feed.data, feed.at)
        assert match
        feed.at = match.end()
        if feed.at < len(feed.data) or not feed.more():
            return


def _skip_to_record(feed: Cursor, limit: int | None) -> int:
    """Skip to the next line that begins a record; returns the number of bytes skipped.

    Stops earlier after ``limit`` bytes or where the bytes end.
    """
    begin = feed.offset
    while True:
        reach = len(feed.data) if limit is None else begin + limit - feed.offset + feed.at
        match = _NEXT_RECORD.search(feed.data, feed.at)
        if match and match.end() < reach:
            feed.at = match.end()
            break
        if limit is not None and len(feed.data) >= reach:
            feed.at = reach
            break
        feed.at = max(feed.at, len(feed.data) - _RECORD_LINE_BYTES)
        if not feed.more():
            feed.at = len(feed.data)
            break
    return feed.offset - begin


def _events(feed: Cursor, max_record_bytes: int) -> Iterator[Record | Unreadable | _BadMember]:
    number = 0
    if feed.ensure(len(_ARC_MAGIC)) and feed.data.startswith(_ARC_MAGIC):
        yield Unreadable(0, "not_a_warc", "an ARC file, which is not WARC", 0, 0)
        return
    while True:
        _skip_newlines(feed)
        if feed.ensure(1):
            feed.ensure(_RECORD_LINE_BYTES)
            if _RECORD.match(feed.data, feed.at):
                yield _record(feed, number, max_record_bytes)
                number += 1
            else:
                offset = feed.offset
                skipped = _skip_to_record(feed, None)
                foreign = number == 0 and feed.ended and not feed.gap and not feed.ensure(1)
                reason = "not_a_warc" if foreign else "damaged"
                yield Unreadable(number, reason, "no WARC record begins here", offset, skipped)
        elif feed.gap:
            bad = feed.gap
            place = Unreadable(number, "damaged", bad.error, bad.offset, bad.skipped_bytes)
            yield _BadMember(place, feed.offset - bad.recovered_bytes)
            feed.pass_gap()
        else:
            return


def _record(feed: Cursor, number: int, max_record_bytes: int) -> Record:
    """Read the record at the feed's position; the feed ends up after it."""
    offset = feed.offset
    end = _header_end_in(feed)
    inner = _NEXT_RECORD.search(feed.data, feed.at, len(feed.data) if end < 0 else end)
    lines_end = inner.start() if inner else max(end, feed.at)
    headers = parse_headers(feed.data[feed.at : lines_end])
    record = Record(number, offset, offset, headers, b"", None, None)
    length = headers.get("content-length", "")
    if inner or end < 0:
        record = _damaged(record, "the record's header has no end")
    elif not _LENGTH.fullmatch(length):
        record = _damaged(record, f"Content-Length is {length[:40]!r}")
    else:
        feed.at = end
        if int(length) > max_record_bytes:
            return _skipped_record(feed, record, int(length))
        payload = _payload(feed, int(length))
        if payload is not None:
            return record._replace(payload=payload, end=feed.offset)
        record = _damaged(record, f"Content-Length {length} does not lead to a record's end")
    _skip_to_record(feed, None)
    return record._replace(end=feed.offset)


def _header_end_in(feed: Cursor) -> int:
    """Return the end of the header at the position; -1 if another record begins before it."""
    searched = feed.at
    while not (stop := _HEADER_STOP.search(feed.data, searched)):
        if len(feed.data) - feed.at > MAX_HEADER_BYTES:
            return -1
        passed = max(len(feed.data) - _RECORD_LINE_BYTES - feed.at, 0)
        if not feed.more():
            return -1
        searched = feed.at + passed
    return stop.end() if len(stop.group()) > 1 else -1


def _payload(feed: Cursor, length: int) -> bytes | None:
    """Read the payload if a record can end there; otherwise return None without moving."""
    feed.ensure(length + _LOOK_AHEAD_BYTES)
    data, end = feed.data, feed.at + length
    if len(data) < end:
        return None
    newlines = _FEW_NEWLINES.match(data, end)
    assert newlines
    unseen = 0 if feed.ended else _RECORD_LINE_BYTES
    foreign = newlines.end() + unseen < len(data) and not _RECORD.match(data, newlines.end())
    if foreign and not _TWO_LINE_ENDS.match(data, end):
        return None
    payload = data[feed.at : end]
    feed.at = end
    return payload


def _skipped_record(feed: Cursor, record: Record, length: int) -> Record:
    skipped = _skip_to_record(feed, length)
    if skipped < length:
        record = _damaged(record, f"Content-Length {length} does not lead to a record's end")
    else:
        record = record._replace(dropped_by="record_too_large", error=f"{length} bytes")
    return record._replace(end=feed.offset)
