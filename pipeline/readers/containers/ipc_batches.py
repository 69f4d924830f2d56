"""Record batches of Arrow's IPC streams and files, one after the other.

A file is a stream between ``ARROW1`` and a footer, and is read as one, so that what lies ahead of a
damage is read as well. Arrow unpacks a record batch whole, by sizes that its buffers begin with:
what it makes of one is looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

import pyarrow as pa

from pipeline.readers.containers.columnar import (
    FORMAT_ERRORS,
    Expansion,
    Unreadable,
    check_types,
    pieces,
)
from pipeline.readers.containers.cursor import Watched

FILE_MAGIC = b"ARROW1"
CONTINUATION = b"\xff\xff\xff\xff"

_FILE_HEAD_BYTES = 8


def ipc_batches(
    stream: Watched, *, columns: Sequence[str], text: str
) -> Iterator[pa.RecordBatch | Unreadable]:
    """Yield those of ``columns`` that a stream of messages has, in slices of its record batches.

    An :class:`Unreadable` stands for the rest of a stream that is damaged or holds too much
    (:mod:`columnar`). ``text`` is the column that may be large. Errors of the stream are raised.
    """
    expansion = Expansion()
    head = stream.read(_FILE_HEAD_BYTES)
    try:
        put_back = b"" if head.startswith(FILE_MAGIC) else head
        reader = pa.ipc.open_stream(Watched(cast(BinaryIO, stream), put_back))
        names = [name for name in reader.schema.names if name in columns]
        check_types(reader.schema, names)
        for batch in reader:
            expansion.read_bytes = stream.read_bytes
            yield from _bounded(batch.select(names), expansion, text)
    except FORMAT_ERRORS as error:
        stream.raise_error()
        yield Unreadable(str(error).split("\n", 1)[0], None)


def _bounded(
    batch: pa.RecordBatch, expansion: Expansion, text: str
) -> Iterator[pa.RecordBatch | Unreadable]:
    try:
        # Arrow takes on trust from a file: offsets, lengths, dictionary indices.
        batch.validate()
        for column in batch.columns:
            if pa.types.is_dictionary(column.type):
                pa.DictionaryArray.from_arrays(column.indices, column.dictionary)
    except FORMAT_ERRORS as error:
        yield Unreadable(str(error), len(batch))
        return
    yield from pieces(batch, expansion, text)
