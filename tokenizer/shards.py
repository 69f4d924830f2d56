"""Token shards in Megatron's format: ``NAME.bin`` holds the tokens, ``NAME.idx`` the documents.

``.bin`` is raw little-endian tokens. ``.idx`` is little-endian, too. It holds ``MMIDIDX\\0\\0``;
u64 version 1; u8 code of the tokens' type; u64 number of sequences; u64 number of document indices,
one more than documents; i32 lengths in tokens; i64 byte offsets into ``.bin``; i64 indices of the
documents. Megatron-LM, NeMo and GPT-NeoX read this format. They treat every sequence as a document,
so each document is one sequence here, with its end token.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

MAGIC = b"MMIDIDX\0\0"
VERSION = 1
HEADER = struct.Struct("<9sQBQQ")
DTYPE_OF_CODE: dict[int, npt.DTypeLike] = {
    1: np.uint8,
    2: np.int8,
    3: np.int16,
    4: np.int32,
    5: np.int64,
    8: np.uint16,
}
"""Integer types by Megatron's codes. There is no code for unsigned 32-bit integers."""

CODE_OF_DTYPE = {np.dtype(dtype): code for code, dtype in DTYPE_OF_CODE.items()}
DOCUMENTS_PER_CHUNK = 1 << 20
"""Documents whose offsets are computed and written at a time, which bounds the memory."""


class Writable(Protocol):
    """A file that a shard is written to."""

    def write(self, data: memoryview, /) -> Any:
        """Write all of ``data``."""


class ShardWriter:
    """A writer of a shard, batch by batch. It keeps only the documents' lengths in memory."""

    def __init__(self, bin_file: Writable, idx_file: Writable, dtype: npt.DTypeLike) -> None:
        """Begin a shard in two files that the caller has opened and will close.

        ``dtype`` is the type of the tokens. Raises ValueError where the format has no code for it.
        """
        if np.dtype(dtype) not in CODE_OF_DTYPE:
            raise ValueError(f"the .idx format has no code for tokens of type {np.dtype(dtype)}")
        self._bin_file = bin_file
        self._idx_file = idx_file
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._lengths: list[npt.NDArray[np.int32]] = []
        self.n_documents = 0
        self.n_tokens = 0

    def append(self, ids: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> None:
        """Append documents. Document ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.

        Raises ValueError where a token does not fit the shard's type, or a document is too long for
        the format.
        """
        kept = ids[offsets[0] : offsets[-1]]
        lengths = np.diff(offsets)
        if lengths.size and (lengths.min() < 0 or lengths.max() > np.iinfo(np.int32).max):
            raise ValueError("a document has more than 2,147,483,647 tokens, or fewer than none")
        if kept.size and not np.can_cast(kept.dtype, self._dtype):
            limits = np.iinfo(self._dtype)
            if kept.min() < limits.min or kept.max() > limits.max:
                raise ValueError(f"a token id does not fit the type {self._dtype.name}")
        tokens = np.ascontiguousarray(kept, self._dtype)
        if tokens.size:  # an empty view cannot be cast to bytes
            self._bin_file.write(tokens.data.cast("B"))
        self._lengths.append(lengths.astype(np.int32))
        self.n_documents += len(lengths)
        self.n_tokens += int(lengths.sum())

    def finish(self) -> None:
        """Write the index. Must be called once, after the last document."""
        n_indices = self.n_documents + 1
        code = CODE_OF_DTYPE[self._dtype.newbyteorder("=")]
        lengths = np.concatenate([np.zeros(0, np.int32), *self._lengths])
        header = HEADER.pack(MAGIC, VERSION, code, self.n_documents, n_indices)
        self._idx_file.write(memoryview(header))
        self._write(lengths, "<i4")
        start = 0
        for first in range(0, self.n_documents, DOCUMENTS_PER_CHUNK):
            n_bytes = lengths[first : first + DOCUMENTS_PER_CHUNK].astype(np.int64)
            n_bytes *= self._dtype.itemsize
            ends = start + np.cumsum(n_bytes)
            self._write(ends - n_bytes, "<i8")
            start = int(ends[-1])
        for first in range(0, n_indices, DOCUMENTS_PER_CHUNK):
            self._write(np.arange(first, min(first + DOCUMENTS_PER_CHUNK, n_indices)), "<i8")

    def _write(self, values: npt.NDArray[Any], dtype: str) -> None:
        if values.size:
            self._idx_file.write(np.ascontiguousarray(values, dtype).data.cast("B"))


class ShardIndex(NamedTuple):
    """The content of an ``.idx`` file."""

    dtype: np.dtype[Any]
    lengths: npt.NDArray[np.int32]  # lengths of the documents in tokens
    byte_offsets: npt.NDArray[np.int64]  # where each document begins in the .bin file

    @property
    def bin_bytes(self) -> int:
        """The size in bytes that the ``.bin`` file must have."""
        return int(self.lengths.sum(dtype=np.int64)) * self.dtype.itemsize


def read_index(path: str | Path) -> ShardIndex:
    """Read and check an ``.idx`` file. Raises ValueError, with its name, where it is damaged."""
    data = Path(path).read_bytes()
    try:
        return parse_index(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_index(data: bytes) -> ShardIndex:
    """Parse and check the content of an ``.idx`` file. Raises ValueError where it is damaged."""
    if len(data) < HEADER.size:
        raise ValueError(f"{len(data)} bytes are too few for an index")
    magic, version, code, n_sequences, n_indices = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ValueError("does not begin as a Megatron index")
    if version != VERSION:
        raise ValueError(f"version {version} of the index format, expected {VERSION}")
    if code not in DTYPE_OF_CODE:
        raise ValueError(f"code {code} stands for no integer type")
    if n_indices != n_sequences + 1:
        raise ValueError(
            f"{n_sequences} sequences but {n_indices} document indices, expected one more"
        )
    expected = HEADER.size + 12 * n_sequences + 8 * n_indices
    if len(data) != expected:
        raise ValueError(f"{len(data)} bytes, expected {expected} for {n_sequences} documents")
    dtype = np.dtype(DTYPE_OF_CODE[code]).newbyteorder("<")
    lengths = np.frombuffer(data, "<i4", n_sequences, HEADER.size)
    byte_offsets = np.frombuffer(data, "<i8", n_sequences, HEADER.size + 4 * n_sequences)
    documents = np.frombuffer(data, "<i8", n_indices, HEADER.size + 12 * n_sequences)
    if n_sequences and lengths.min() < 0:
        raise ValueError("a document of negative length")
    ends = np.cumsum(lengths, dtype=np.int64) * dtype.itemsize
    if n_sequences and (byte_offsets[0] != 0 or not np.array_equal(byte_offsets[1:], ends[:-1])):
        raise ValueError("the byte offsets do not follow from the lengths")
    if not np.array_equal(documents, np.arange(n_indices)):
        raise ValueError("the documents are not one sequence each")
    return ShardIndex(dtype, lengths, byte_offsets)


class ShardReader:
    """The documents of a shard, mapped into memory. ``reader[i]`` is document ``i``'s tokens."""

    def __init__(self, prefix: str | Path) -> None:
        """Open ``prefix.bin`` and ``prefix.idx``.

        Raises ValueError, with the file's name, where the index is damaged, or where the number of
        tokens differs from the index.
        """
        bin_path = Path(f"{prefix}.bin")
        self.index = read_index(f"{prefix}.idx")
        size = bin_path.stat().st_size
        if size != self.index.bin_bytes:
            raise ValueError(f"{bin_path}: {size} bytes, its index says {self.index.bin_bytes}")
        self.tokens: npt.NDArray[Any] = np.zeros(0, self.index.dtype)
        if size:  # an empty file cannot be mapped
            self.tokens = np.memmap(bin_path, self.index.dtype, "r")

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The number of tokens of every document."""
        return self.index.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> npt.NDArray[Any]:
        """Return the tokens of a document without copying. Raises IndexError beyond the last."""
        if not 0 <= number < len(self):
            raise IndexError(f"document {number} of {len(self)}")
        start = int(self.index.byte_offsets[number]) // self.index.dtype.itemsize
        return self.tokens[start : start + int(self.index.lengths[number])]
