"""Cutting of a decompressed Wikipedia dump into the bytes of its pages."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.readers.batches import utf8
from pipeline.readers.containers.cursor import Damage

_PAGE = b"<page>"
_PAGE_END = b"</page>"


class Chunk(NamedTuple):
    """A run of decompressed bytes, or a damage in their place."""

    stream: int  # offset of the bzip2 stream in the raw file, or 0
    offset: int  # offset of the first byte in the decompressed stream
    data: bytes | Damage
    owned: bool  # false if it is read only to complete a page that began before it


def chunks_of(
    pieces: Iterator[bytes | Damage], stream: int = 0, owned: bool = True
) -> Iterator[Chunk]:
    """Turn the pieces of one stream into chunks with their offsets."""
    offset = 0
    for piece in pieces:
        yield Chunk(stream, offset, piece, owned)
        offset += len(piece) if isinstance(piece, bytes) else 0


def as_utf8(chunks: Iterator[Chunk], encoding: str) -> Iterator[Chunk]:
    """Convert UTF-16 chunks to UTF-8; their offsets become those in the UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    offsets: dict[int, int] = {}
    for chunk in chunks:
        if isinstance(chunk.data, Damage):
            decoder.reset()
            yield chunk
            continue
        data = utf8(decoder.decode(chunk.data))
        offset = offsets.get(chunk.stream, 0)
        offsets[chunk.stream] = offset + len(data)
        yield chunk._replace(offset=offset, data=data)


class PageCutter:
    """A buffer of decompressed bytes that are cut into pages, with their places in the file."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._places: list[
            tuple[int, int, int]
        ] = []  # offset in the data, stream, offset in the stream
        self._searched = 0  # up to here the page has no end
        self._passed = 0  # discarded bytes of a page that is too large
        self._large_at: tuple[int, int] = (0, 0)
        self._owned_bytes = 0  # owned bytes of the data; pages that begin after them are not ours
        self.in_page = False  # true if the data begins with a page

    def add(self, chunk: Chunk) -> None:
        """Append a chunk of bytes."""
        assert isinstance(chunk.data, bytes)
        self._places.append((len(self._data), chunk.stream, chunk.offset))
        self._data += chunk.data
        if chunk.owned:
            self._owned_bytes = len(self._data)

    def place(self) -> tuple[int, int]:
        """Return the stream and offset of the page with which the data begins."""
        return self._large_at if self._passed else self._place(0)

    def ends_in_part_of_tag(self) -> bool:
        """Tell whether the data ends with a part of a ``<page>`` tag."""
        return any(self._data.endswith(_PAGE[:size]) for size in range(1, len(_PAGE)))

    def pages(self, max_page_bytes: int) -> Iterator[tuple[tuple[int, int], bytes | int | None]]:
        """Yield the place of each page in the data with its bytes.

        A page of more than ``max_page_bytes`` has its size instead, and a page without an end has
        None. An incomplete page at the end of the data waits for more chunks.
        """
        at = 0
        while True:
            if not self.in_page:
                begin = self._data.find(_PAGE, at)
                if begin < 0 or begin >= self._owned_bytes:
                    self._forget(max(at, len(self._data) - len(_PAGE) + 1))
                    return
                at, self.in_page, self._searched = begin, True, begin + len(_PAGE)
            next_page = self._data.find(_PAGE, self._searched)
            end = self._data.find(
                _PAGE_END, self._searched, next_page if next_page >= 0 else len(self._data)
            )
            if end >= 0:
                next_page = -1
            if end < 0 and next_page < 0:
                size = self._passed + len(self._data) - at
                if size > max_page_bytes:
                    self._large_at = self.place() if self._passed else self._place(at)
                    keep = max(at, len(self._data) - len(_PAGE_END) + 1)
                    self._passed += keep - at
                    at = keep
                self._searched = max(self._searched, len(self._data) - len(_PAGE_END) + 1)
                self._forget(at)
                return
            stop = next_page if next_page >= 0 else end + len(_PAGE_END)
            place = self._large_at if self._passed else self._place(at)
            size = self._passed + stop - at
            if next_page >= 0:
                yield place, None
            elif size > max_page_bytes:
                yield place, size
            else:
                yield place, bytes(self._data[at + len(_PAGE) : end])
            at, self.in_page, self._passed = stop, False, 0

    def _place(self, at: int) -> tuple[int, int]:
        for begin, stream, offset in reversed(self._places):
            if begin <= at:
                return stream, offset + at - begin
        raise AssertionError("no chunk holds this byte")

    def _forget(self, size: int) -> None:
        """Discard the first ``size`` bytes of the data."""
        if not size:
            return
        kept = [place for place in self._places if place[0] > size]
        if len(kept) < len(self._places):
            kept.insert(0, self._places[len(self._places) - len(kept) - 1])
        self._places = [(begin - size, stream, offset) for begin, stream, offset in kept]
        del self._data[:size]
        self._searched = max(0, self._searched - size)
        self._owned_bytes = max(0, self._owned_bytes - size)
