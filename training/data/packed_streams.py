"""Streams whose samples are packed: each holds parts of documents that best fit made fill it.

A table for each shard, or domain in it, says what its samples hold (:mod:`training.data.packing`).
Tables are made once, where a run first needs them, and are in a folder that runs may share: their
names have the digest of what they were made of. Processes that make them at the same time begin at
different shards, and each takes those that are there.

Shapes: N samples, T1 = sequence_length + 1 tokens.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np

from training.data.packing import PackedShard, pack, read_packed, write_packed
from training.data.streams import DocumentSpan, Int64s, Piece, Streams

MAX_OPEN_TABLES = 128
"""Most tables that a process keeps mapped."""


class PackedStreams:
    """The packed samples of streams, by their numbers in the streams' order.

    It is used as :class:`training.data.streams.Concatenated` is.
    """

    def __init__(self, streams: Streams, folder: Path, sequence_length: int, filler: int) -> None:
        """Make the tables that are not in ``folder`` yet. Samples are filled up with ``filler``.

        Raises ValueError, with the file's name, where a list of documents is missing or damaged,
        or a table is.
        """
        self._streams = streams
        self._folder = folder
        self._sequence_length = sequence_length
        self._filler = filler
        self._tables: OrderedDict[int, PackedShard] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)
        first = os.getpid() % max(streams.n_pieces, 1)
        for number in (*range(first, streams.n_pieces), *range(first)):
            self._make(number)
        of_piece = [self._table(number).n_samples for number in range(streams.n_pieces)]
        # As tokens in the streams, samples stand on one line, piece after piece.
        self._piece_ends: Int64s = np.cumsum(of_piece, dtype=int)
        ends = self._piece_ends[streams.last_pieces()]
        self.n_samples: Int64s = np.diff(ends, prepend=0)
        self._stream_begins = ends - self.n_samples

    def places(self, streams: Int64s, epochs: Int64s, samples: Int64s) -> Int64s:
        """Return the samples' numbers: all epochs of a stream have the same samples."""
        return samples

    def read(self, streams: Int64s, places: Int64s) -> Int64s:
        """Read samples of streams as ``tokens_NT1``, filled up at their ends."""
        size = len(places), self._sequence_length + 1
        tokens_NT1 = np.full(size, self._filler, np.int64)
        locations = self._stream_begins[streams] + places
        pieces = np.searchsorted(self._piece_ends, locations, "right")
        shards = self._streams.shards_of(pieces)
        for i in np.argsort(pieces, kind="stable").tolist():  # each shard is opened once
            tokens = self._streams.tokens(int(shards[i]))
            filled = 0
            for begin, end in self._parts(int(pieces[i]), int(locations[i])):
                tokens_NT1[i, filled : filled + end - begin] = tokens[begin:end]
                filled += end - begin
        return tokens_NT1

    def documents(self, stream: int, place: int) -> list[DocumentSpan]:
        """Return the documents of a sample, in order. Raises as :meth:`Streams.documents` does."""
        location = int(self._stream_begins[stream]) + place
        number = int(np.searchsorted(self._piece_ends, location, "right"))
        shard = int(self._streams.shards_of(np.array([number]))[0])
        spans: list[DocumentSpan] = []
        filled = 0
        for begin, end in self._parts(number, location):
            spans += self._streams.documents_of_piece(stream, shard, begin, end, filled)
            filled += end - begin
        return spans

    def _parts(self, number: int, location: int) -> list[tuple[int, int]]:
        """Return the edges, in tokens of the shard, of a sample of a piece."""
        before = int(self._piece_ends[number - 1]) if number else 0
        return self._table(number).parts(location - before)

    def _make(self, number: int) -> None:
        piece = self._streams.piece(number)
        path = self._path(piece)
        if not path.exists():
            lengths = self._streams.lengths_of_documents(piece)
            write_packed(path, pack(*lengths, self._sequence_length))

    def _table(self, number: int) -> PackedShard:
        """Return a piece's mapped table. The least recently used mapping makes room."""
        table = self._tables.get(number)
        if table is not None:
            self._tables.move_to_end(number)
            return table
        table = read_packed(self._path(self._streams.piece(number)))
        if len(self._tables) >= MAX_OPEN_TABLES:
            self._tables.popitem(last=False)
        self._tables[number] = table
        return table

    def _path(self, piece: Piece) -> Path:
        digest = self._streams.shards[piece.shard].documents.sha256
        return self._folder / f"{digest}-{piece.begin}-{self._sequence_length}.npy"
