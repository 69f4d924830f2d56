"""From chunks of a decompressed dump to the bytes of its pages, and where each begins."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.readers.batches import utf8
from pipeline.readers.containers.cursor import Damage

_PAGE = b"<page>"
_PAGE_END = b"</page>"


class Chunk(NamedTuple):
    """Some bytes of the decompressed file, or a damage in their place."""

    stream: int  # raw offset of the bzip2 stream, or 0
    offset: int  # of the chunk's first byte, in the stream decompressed
    data: bytes | Damage
    owned: bool  # false where it is read only to finish a page that began before


def chunks_of(
    pieces: Iterator[bytes | Damage], stream: int = 0, owned: bool = True
) -> Iterator[Chunk]:
    """Say of the pieces of one stream where they lie."""
    offset = 0
    for piece in pieces:
        yield Chunk(stream, offset, piece, owned)
        offset += len(piece) if isinstance(piece, bytes) else 0


def as_utf8(chunks: Iterator[Chunk], encoding: str) -> Iterator[Chunk]:
    """Turn UTF-16 into UTF-8; offsets are those in the UTF-8."""
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
    """Decompressed bytes not yet done with, and the place in the file that each came from."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._places: list[tuple[int, int, int]] = []  # offset in the data, stream, offset in it
        self._searched = 0  # up to here there is no end of the page
        self._passed = 0  # bytes of a page too large that are no longer held
        self._large_at: tuple[int, int] = (0, 0)
        self._owned_bytes = 0  # of the data; a page that begins behind them is not ours
        self.in_page = False  # the data begins with a page

    def add(self, chunk: Chunk) -> None:
        """Append a chunk."""
        assert isinstance(chunk.data, bytes)
        self._places.append((len(self._data), chunk.stream, chunk.offset))
        self._data += chunk.data
        if chunk.owned:
            self._owned_bytes = len(self._data)

    def place(self) -> tuple[int, int]:
        """Return stream and offset of the page that the data begins with."""
        return self._large_at if self._passed else self._place(0)

    def ends_in_part_of_tag(self) -> bool:
        """Tell whether a ``<page>`` might begin at the very end of the data."""
        return any(self._data.endswith(_PAGE[:size]) for size in range(1, len(_PAGE)))

    def pages(self, max_page_bytes: int) -> Iterator[tuple[tuple[int, int], bytes | int | None]]:
        """Yield each page in the data with its place: its bytes, its size if it is too large to
        be held, or None if it has no end. What is left waits for more data.
        """
        at = 0
        while True:
            if not self.in_page:
                found = self._data.find(_PAGE, at)
                if found < 0 or found >= self._owned_bytes:
                    self._forget(max(at, len(self._data) - len(_PAGE) + 1))
                    return
                at, self.in_page, self._searched = found, True, found + len(_PAGE)
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
        """Let the first ``size`` bytes of the data go."""
        if not size:
            return
        kept = [place for place in self._places if place[0] > size]
        if len(kept) < len(self._places):
            kept.insert(0, self._places[len(self._places) - len(kept) - 1])
        self._places = [(begin - size, stream, offset) for begin, stream, offset in kept]
        del self._data[:size]
        self._searched = max(0, self._searched - size)
        self._owned_bytes = max(0, self._owned_bytes - size)
