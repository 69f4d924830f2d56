"""Positions in chunks and in streams: what comes next, gaps, and ways back."""

from __future__ import annotations

import io

import pytest

from pipeline.readers.containers import cursor
from pipeline.readers.containers.cursor import Cursor, Damage, RawFile, plain_chunks

GAP = Damage(5, "bad", 2, 0)
CONTENT = bytes(range(200))


class Pipe(io.BytesIO):
    """A stream that cannot seek and gives few bytes at once."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        return super().read(min(size, 7))

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise AssertionError("sought")


@pytest.fixture(autouse=True)
def few_bytes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "READ_BYTES", 16)
    monkeypatch.setattr(cursor, "CHUNK_BYTES", 5)


def test_the_next_bytes_are_seen_taken_and_passed_with_their_offsets() -> None:
    source = Cursor(iter((b"ab", b"", b"cdef", b"gh")))
    assert source.more() and source.data == b"ab"
    assert (source.peek(3), source.offset) == (b"abc", 0)
    assert (source.take(3), source.offset) == (b"abc", 3)
    assert (source.skip(4), source.offset) == (4, 7)
    assert source.ensure(1) and not source.more()
    assert (source.take(9), source.skip(1), source.offset) == (b"h", 0, 8)
    assert source.ended and source.pass_gap() is None and not source.more()


def test_reading_stops_before_a_gap_until_it_is_passed() -> None:
    source = Cursor(iter((b"abc", GAP, b"de", GAP)))
    assert (source.peek(9), source.gap) == (b"abc", GAP)
    assert (source.take(1), source.skip(9), source.offset) == (b"a", 2, 3)
    assert (source.pass_gap(), source.gap) == (GAP, None)
    assert source.peek(9) == b"de"
    # What is left before a gap is passed with it.
    assert (source.pass_gap(), source.offset, source.peek(1)) == (GAP, 5, b"")
    assert source.ended and source.pass_gap() is None


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_a_raw_file_is_read_forward(stream: type[io.BytesIO]) -> None:
    raw = RawFile(stream(CONTENT))
    assert raw.read_at(0, 20) == CONTENT[:20]
    assert raw.read_at(3, 4) == CONTENT[3:7]  # still at hand
    assert (raw.read_at(100, 3), raw.offset) == (CONTENT[100:103], 100)
    pieces = iter(lambda: raw.read(6), b"")
    assert b"".join(pieces) == CONTENT[100:]
    assert raw.seek(500) == 500 and raw.read(1) == b""


def test_a_raw_file_goes_back_where_its_stream_can_seek() -> None:
    raw = RawFile(io.BytesIO(CONTENT))
    assert raw.seekable() and raw.take(1_000) == CONTENT
    raw.unread(10)
    assert (raw.read(4), raw.offset) == (CONTENT[190:194], 194)
    raw.seek(150)
    assert raw.take(1_000) == CONTENT[150:]
    raw.seek(20)
    assert raw.take(1_000) == CONTENT[20:]
    pipe = RawFile(Pipe(CONTENT))
    assert not pipe.seekable() and pipe.read_at(150, 2) == CONTENT[150:152]
    with pytest.raises(AssertionError, match="cannot go back"):
        pipe.seek(10)


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
@pytest.mark.parametrize("offset", [0, 1, 33, 199, 200, 300])
def test_plain_chunks_begin_anywhere(stream: type[io.BytesIO], offset: int) -> None:
    chunks = list(plain_chunks(stream(CONTENT), offset))
    assert b"".join(chunks) == CONTENT[offset:]
    assert max(map(len, chunks), default=0) <= 5
