"""Rows of Parquet files, a row group after the other, in bounded memory, past damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_ROWS = 64
_BUFFER_BYTES = 1 << 20  # of a column's pages, read at once
_BYTES_OF = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}


class ParquetRow(NamedTuple):
    """A row; strings are bytes, since Parquet does not promise that they are UTF-8."""

    number: int  # in the file, from 0
    values: dict[str, Any]


class Unreadable(NamedTuple):
    """Rows that cannot be read, from ``number`` on."""

    number: int
    error: str
    rows: int | None  # how many; None where the whole file is unreadable


class _Watched:
    """A stream that remembers the error it raised, to tell it from errors of the format."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: BaseException | None = None
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        try:
            return self._stream.read(size)
        except BaseException as error:
            self.error = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek as the stream does."""
        try:
            return self._stream.seek(offset, whence)
        except BaseException as error:
            self.error = error
            raise

    def tell(self) -> int:
        """Return the stream's position."""
        return self._stream.tell()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can seek."""
        return True

    def writable(self) -> bool:
        """Say that it cannot be written to."""
        return False

    def close(self) -> None:
        """Leave the stream open: whoever opened it closes it."""

    def flush(self) -> None:
        """Do nothing."""


def parquet_rows(
    stream: BinaryIO, *, start: int, end: int | None, columns: Sequence[str]
) -> Iterator[ParquetRow | Unreadable]:
    """Yield the rows of a Parquet file, with those of ``columns`` that it has.

    ``start`` and ``end`` are offsets of the file: the row groups that begin there are read, so that
    splits that follow each other read every row once. An :class:`Unreadable` stands for the rest of
    a damaged row group, or, in the split at 0, for a file whose footer is damaged. ``stream`` must
    be able to seek; its own errors are raised.
    """
    watched = _Watched(stream)
    try:
        file = pq.ParquetFile(watched, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        begins = [_begin(file.metadata.row_group(i)) for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        _raise_stream_error(watched)
        if start == 0:
            yield Unreadable(0, f"not a readable Parquet file: {_first_line(error)}", None)
        return
    names = [name for name in columns if name in file.schema_arrow.names]
    number = 0
    for group, begin in enumerate(begins):
        n_rows = file.metadata.row_group(group).num_rows
        if start <= begin and (end is None or begin < end):
            yield from _group_rows(file, watched, group, names, number, n_rows)
        number += n_rows


def _begin(group: Any) -> int:
    """Return where a row group's first page begins in the file."""
    if not group.num_columns:
        return 0
    column = group.column(0)
    pages = (column.dictionary_page_offset, column.data_page_offset)
    return max(min(page for page in pages if page is not None), 0)


def _group_rows(
    file: Any, watched: _Watched, group: int, names: list[str], first: int, n_rows: int
) -> Iterator[ParquetRow | Unreadable]:
    number = first
    try:
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names):
            values = [_values(column) for column in batch.columns]
            for row in zip(*values, strict=True) if names else ((),) * batch.num_rows:
                yield ParquetRow(number, dict(zip(batch.schema.names, row, strict=True)))
                number += 1
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        _raise_stream_error(watched)
        yield Unreadable(number, _first_line(error), first + n_rows - number)
        return
    if number < first + n_rows:
        yield Unreadable(number, "the row group ends early", first + n_rows - number)


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type in _BYTES_OF:
        column = column.view(_BYTES_OF[column.type])
    return column.to_pylist()


def _raise_stream_error(watched: _Watched) -> None:
    if watched.error is not None:
        raise watched.error


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
