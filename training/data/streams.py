"""Streams of tokens: the shards of each source, one after the other, mapped into memory.

A source's stream is the tokens of its shards in the corpus's order: document after document, each
with its begin and end tokens. Where a source is divided into domains, each domain has a stream: its
pieces of these shards. Locations in a stream are counted in tokens. A stream is circular: its
beginning follows its end.

Shapes: N ranges, T tokens of a range, T1 = sequence_length + 1 tokens of a sample.
"""

from __future__ import annotations

import mmap
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.data.files import Files
from training.data.manifest import Shard

Int64s = npt.NDArray[np.int64]

MAX_OPEN_SHARDS = 128
"""Most shards that a process keeps mapped. A mapping keeps a file open, and the pages read."""


class DocumentSpan(NamedTuple):
    """A part of a document in a sample, with its edges in both.

    All edges are in tokens. The document's include its begin token.
    """

    source: str
    domain: str | None  # where the source is divided
    shard: str  # the .bin file, relative to the corpus's folder
    id: str
    url: str | None
    begin: int
    end: int
    sample_begin: int
    sample_end: int


class Stream(NamedTuple):
    """What a stream is of."""

    source: str
    domain: str | None = None


class Piece(NamedTuple):
    """A part of a stream: consecutive tokens of one shard."""

    stream: Stream
    shard: int  # number of the shard
    begin: int  # in the shard, in tokens
    n_tokens: int


class Streams:
    """The streams of all sources, or of their domains, of which ranges can be read."""

    def __init__(self, files: Files, shards: list[Shard], *, by_domain: bool = True) -> None:
        """Make the streams of shards in the corpus's order. No file is opened yet.

        The shards are those of one part, ``train`` or ``validation``. Without ``by_domain``, a
        source has one stream even where it is divided into domains.
        """
        self._files = files
        self.shards = shards
        pieces = [
            piece
            for number, shard in enumerate(shards)
            for piece in _pieces_of(shard, number, by_domain=by_domain)
        ]
        self.streams = sorted({piece.stream for piece in pieces}, key=_place)
        pieces.sort(key=lambda piece: _place(piece.stream))  # stable
        self._piece_shards: Int64s = np.array([piece.shard for piece in pieces], np.int64)
        self._piece_begins: Int64s = np.array([piece.begin for piece in pieces], np.int64)
        # All streams stand one after the other on one line, so that one search finds any piece.
        self._piece_ends: Int64s = np.cumsum([piece.n_tokens for piece in pieces], dtype=int)
        ends = {piece.stream: int(end) for piece, end in zip(pieces, self._piece_ends, strict=True)}
        self.n_tokens = np.diff([ends[stream] for stream in self.streams], prepend=0)
        self._stream_ends = np.cumsum(self.n_tokens)
        self._stream_begins = self._stream_ends - self.n_tokens
        self._mapped: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()

    def read(self, streams: Int64s, begins: Int64s, n_tokens: int) -> Int64s:
        """Read ``n_tokens`` tokens from each location on, as ``tokens_NT``.

        ``streams`` are indices of :attr:`streams`, and ``begins`` locations within these streams.
        Raises ValueError, with the file's name, where a shard is missing or damaged.
        """
        tokens_NT = np.empty((len(begins), n_tokens), np.int64)
        locations = self._stream_begins[streams] + begins
        pieces = np.searchsorted(self._piece_ends, locations, "right")
        left = self._piece_ends[pieces] - locations  # tokens to the end of the piece
        ends_in_shard = self._piece_begins[pieces] + self._sizes(pieces)
        shards = self._piece_shards[pieces]
        order = np.lexsort((locations, shards))  # each shard is opened once
        begins_in_shard = (ends_in_shard - left).tolist()
        fits, shard_numbers, token_begins = (
            (left >= n_tokens).tolist(),
            shards.tolist(),
            begins.tolist(),
        )
        for i in order.tolist():
            if fits[i]:
                begin = begins_in_shard[i]
                tokens_NT[i] = self.tokens(shard_numbers[i])[begin : begin + n_tokens]
            else:
                filled = 0
                for shard, begin, end in self._pieces(int(streams[i]), token_begins[i], n_tokens):
                    tokens_NT[i, filled : filled + end - begin] = self.tokens(shard)[begin:end]
                    filled += end - begin
        return tokens_NT

    def documents(self, stream: int, begin: int, n_tokens: int) -> list[DocumentSpan]:
        """Return the documents of a range, in order.

        Raises ValueError, with the file's name, where a file is missing or damaged.
        """
        spans: list[DocumentSpan] = []
        filled = 0
        for number, piece_begin, piece_end in self._pieces(stream, begin, n_tokens):
            spans += self.documents_of_piece(stream, number, piece_begin, piece_end, filled)
            filled += piece_end - piece_begin
        return spans

    def documents_of_piece(
        self, stream: int, number: int, begin: int, end: int, sample_begin: int
    ) -> Iterator[DocumentSpan]:
        """Yield the documents of a range of a shard's tokens, which stands at a place in a sample.

        ``number`` is the shard's. Raises as :meth:`documents` does.
        """
        shard = self.shards[number]
        path = str(self._files.path(shard.documents))
        for row in _documents_between(path, begin, end, ["id", "url"]).to_pylist():
            offset = row["token_offset"]
            first = max(offset, begin)
            last = min(offset + row["token_count"], end)
            at = sample_begin + first - begin
            yield DocumentSpan(
                source=shard.source,
                domain=self.streams[stream].domain,
                shard=shard.tokens.name,
                id=row["id"],
                url=row["url"],
                begin=first - offset,
                end=last - offset,
                sample_begin=at,
                sample_end=at + last - first,
            )

    def lengths_of_documents(self, piece: Piece) -> tuple[Int64s, Int64s]:
        """Return where the documents of a piece begin in its shard, and how many tokens they have.

        Raises as :meth:`documents` does.
        """
        path = str(self._files.path(self.shards[piece.shard].documents))
        rows = _documents_between(path, piece.begin, piece.begin + piece.n_tokens, [])
        begins, lengths = (rows[name].to_numpy() for name in ("token_offset", "token_count"))
        return begins.astype(np.int64), lengths.astype(np.int64)

    @property
    def n_pieces(self) -> int:
        """The number of pieces of all streams, which stand stream after stream."""
        return len(self._piece_ends)

    def piece(self, number: int) -> Piece:
        """Return a piece by its number."""
        size = int(self._sizes(np.array([number]))[0])
        end = int(self._piece_ends[number])
        stream = self.streams[int(np.searchsorted(self._stream_ends, end))]
        begin = int(self._piece_begins[number])
        return Piece(stream, int(self._piece_shards[number]), begin, size)

    def shards_of(self, pieces: Int64s) -> Int64s:
        """Return the numbers of the shards of pieces."""
        return self._piece_shards[pieces]

    def last_pieces(self) -> Int64s:
        """Return the number of each stream's last piece."""
        lasts: Int64s = np.searchsorted(self._piece_ends, self._stream_ends, "left")
        return lasts

    def check(self) -> None:
        """Find the file of every shard, and fetch remote ones. Raises as :meth:`read` does."""
        for shard in self.shards:
            self._files.path(shard.tokens)

    def _sizes(self, pieces: Int64s) -> Int64s:
        """Return the tokens of pieces."""
        before = np.where(pieces > 0, self._piece_ends[pieces - 1], 0)
        sizes: Int64s = self._piece_ends[pieces] - before
        return sizes

    def _pieces(self, stream: int, begin: int, n_tokens: int) -> Iterator[tuple[int, int, int]]:
        """Cut a range at the ends of pieces. Yields each one's shard, and the edges in that."""
        stream_begin, stream_tokens = int(self._stream_begins[stream]), int(self.n_tokens[stream])
        while n_tokens:
            location = stream_begin + begin
            number = int(np.searchsorted(self._piece_ends, location, "right"))
            left = int(self._piece_ends[number]) - location
            here = min(n_tokens, left)
            size = int(self._sizes(np.array([number]))[0])
            at = int(self._piece_begins[number]) + size - left
            yield int(self._piece_shards[number]), at, at + here
            n_tokens -= here
            begin = (begin + here) % stream_tokens

    def tokens(self, number: int) -> npt.NDArray[Any]:
        """Return a shard's mapped tokens. The least recently used mapping makes room."""
        tokens = self._mapped.get(number)
        if tokens is not None:
            self._mapped.move_to_end(number)
            return tokens
        shard = self.shards[number]
        with self._files.path(shard.tokens).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), shard.tokens.n_bytes, access=mmap.ACCESS_READ)
        mapped.madvise(mmap.MADV_RANDOM)  # otherwise each sample would read ahead around it
        tokens = np.frombuffer(mapped, "<u2" if shard.token_bytes == 2 else "<i4")
        if len(self._mapped) >= MAX_OPEN_SHARDS:
            self._mapped.popitem(last=False)
        self._mapped[number] = tokens
        return tokens

    def __getstate__(self) -> dict[str, Any]:
        """Copy without the mappings, as for a loader's worker process."""
        return {**self.__dict__, "_mapped": OrderedDict()}


class Concatenated:
    """The samples of streams, document after document. They overlap by a token."""

    def __init__(self, streams: Streams, sequence_length: int) -> None:
        self._streams = streams
        self._sequence_length = sequence_length
        self.n_samples: Int64s = np.maximum(streams.n_tokens // sequence_length, 1)

    def places(self, streams: Int64s, epochs: Int64s, samples: Int64s) -> Int64s:
        """Return the locations in their streams, in tokens, where samples of epochs begin."""
        firsts = epochs * self.n_samples[streams]  # an epoch begins where the last one ended
        begins: Int64s = (
            (firsts + samples) * self._sequence_length % self._streams.n_tokens[streams]
        )
        return begins

    def read(self, streams: Int64s, places: Int64s) -> Int64s:
        """Read samples as ``tokens_NT1``. Raises as :meth:`Streams.read` does."""
        return self._streams.read(streams, places, self._sequence_length + 1)

    def documents(self, stream: int, place: int) -> list[DocumentSpan]:
        """Return the documents of a sample, in order. Raises as :meth:`Streams.documents` does."""
        return self._streams.documents(stream, place, self._sequence_length + 1)


def _place(stream: Stream) -> tuple[str, str]:
    """Return the key by which streams are sorted."""
    return stream.source, stream.domain or ""


def _pieces_of(shard: Shard, number: int, *, by_domain: bool) -> Iterator[Piece]:
    """Yield the pieces that a shard has of streams; none is empty."""
    if not (by_domain and shard.domains):
        yield Piece(Stream(shard.source), number, 0, shard.n_tokens)
        return
    for domain, begin, n_tokens in shard.domains:
        if n_tokens:
            yield Piece(Stream(shard.source, domain), number, begin, n_tokens)


def _documents_between(path: str, begin: int, end: int, columns: list[str]) -> Any:
    """Return the rows of a ``docs.parquet`` that have tokens in a range of the shard's tokens.

    It is a table with ``token_offset``, ``token_count`` and ``columns``. Only the row groups with
    such rows are read. Raises ValueError where the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            column = file.schema_arrow.get_field_index("token_offset")
            firsts = [
                file.metadata.row_group(i).column(column).statistics.min
                for i in range(file.num_row_groups)
            ]
            groups = [
                i
                for i, first in enumerate(firsts)
                if first < end and (i + 1 == len(firsts) or firsts[i + 1] > begin)
            ]
            table = file.read_row_groups(groups, [*columns, "token_offset", "token_count"])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not readable: {error}") from None
    offsets = table["token_offset"].to_numpy()
    counts = table["token_count"].to_numpy()
    return table.take(np.flatnonzero((offsets < end) & (offsets + counts > begin) & (counts > 0)))
