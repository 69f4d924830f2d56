"""Reading of shards of text as shards of tokens are read: their units are UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import storage
from tokenizer.text_buffers import text_buffers

Bytes = npt.NDArray[Any]


class TextReader:
    """The documents of a part of a shard of text. ``reader[i]`` is document ``i``'s bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        with storage.open_read(path) as stream:
            metadata = pq.ParquetFile(stream).metadata
            sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._ends = np.cumsum([0, *sizes])
        self._last: tuple[int, pa.ChunkedArray] | None = None  # a row group and its texts

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, number: int) -> Bytes:
        """Return a document's bytes; reads its row group, unless it was read last.

        Raises IndexError beyond the last document.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"document {number} of {len(self)}")
        group = int(np.searchsorted(self._ends, number, "right")) - 1
        if self._last is None or self._last[0] != group:
            self._last = group, self._texts([group])
        text = self._last[1][number - int(self._ends[group])].as_buffer()
        return np.frombuffer(text, np.uint8) if text.size else np.zeros(0, np.uint8)

    @cached_property
    def _all(self) -> tuple[Bytes, npt.NDArray[np.int64]]:
        """All bytes, and the offsets of each document's in them."""
        chunks = [text_buffers(chunk) for chunk in self._texts(range(len(self._ends) - 1)).chunks]
        parts = [data[offsets[0] : offsets[-1]] for data, offsets in chunks]
        lengths = [np.diff(offsets) for _, offsets in chunks]
        joined = np.concatenate([np.zeros(0, np.int64), *lengths])
        return np.concatenate([np.zeros(0, np.uint8), *parts]), np.cumsum([0, *joined])

    @property
    def tokens(self) -> Bytes:
        """The bytes of all documents."""
        return self._all[0]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of bytes of every document."""
        return np.diff(self._all[1])

    def _texts(self, groups: Iterable[int]) -> pa.ChunkedArray:
        """Read the texts of row groups."""
        with storage.open_read(self._path) as stream:
            file = pq.ParquetFile(stream)
            return file.read_row_groups(list(groups), columns=["text"], use_threads=False)["text"]
