"""A fastText model file (``.bin``, or ``.ftz`` where quantised), read into arrays.

The format is that of fastText's own ``FastText::saveModel`` (versions 11 and 12): arguments,
dictionary with the pruned buckets, input matrix, output matrix. Quantised matrices (product
quantisation, arXiv 1612.03651) are decoded here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

HIERARCHICAL_SOFTMAX = 1
SOFTMAX = 3
SUPERVISED = 3

_MAGIC = 793712314
_CENTROIDS = 256


@dataclass(frozen=True)
class FastTextModel:
    """The parts of a model that prediction needs, under fastText's names.

    A bucket is a hash value of a character n-gram.
    """

    model: int
    loss: int
    word_ngrams: int  # longest n-gram of words
    bucket: int  # number of buckets
    minn: int  # shortest character n-gram
    maxn: int  # longest character n-gram
    entries: list[bytes]  # the words, then the labels
    n_words: int
    label_counts: npt.NDArray[np.int64]
    pruned: dict[int, int] | None  # input row of each kept bucket, less n_words; None: all are kept
    input_rows: npt.NDArray[np.float32]
    output_rows: npt.NDArray[np.float32]

    @property
    def labels(self) -> list[str]:
        """The labels without their prefix, in the order of the output."""
        return [entry.decode().removeprefix("__label__") for entry in self.entries[self.n_words :]]


class _Reader:
    """A position in the file's bytes; numbers are little-endian."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def numbers(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, dtype: str, size: int) -> npt.NDArray[np.generic]:
        values = np.frombuffer(self.data, dtype, size, self.at).copy()
        self.at += values.nbytes
        return values

    def entry(self) -> tuple[bytes, int]:
        end = self.data.index(b"\0", self.at)
        word = self.data[self.at : end]
        self.at = end + 1
        count, _ = self.numbers("qb")
        return word, count


def read_model(path: str) -> FastTextModel:
    """Read a model file. Raises ValueError if it is not a fastText model or is cut off."""
    try:
        return _read(_Reader(Path(path).read_bytes()))
    except (struct.error, ValueError, IndexError) as error:
        raise ValueError(f"{path}: not a whole fastText model: {error}") from error


def _read(reader: _Reader) -> FastTextModel:
    magic, version = reader.numbers("ii")
    if magic != _MAGIC or version not in (11, 12):
        raise ValueError(f"starts with {magic:#x} and version {version}")
    (_, _, _, _, _, word_ngrams, loss, model, bucket, minn, maxn, _, _) = reader.numbers("12id")
    if version == 11 and model == SUPERVISED:
        maxn = 0  # supervised models had no character n-grams then
    size, n_words, n_labels, _, n_pruned = reader.numbers("iiiqq")
    if size != n_words + n_labels:
        raise ValueError(f"{size} entries, of {n_words} words and {n_labels} labels")
    counted = [reader.entry() for _ in range(size)]
    pairs = reader.array("<i4", 2 * max(n_pruned, 0)).reshape(-1, 2)
    (is_quantised,) = reader.numbers("?")
    input_rows = _quantised_matrix(reader) if is_quantised else _matrix(reader)
    (is_output_quantised,) = reader.numbers("?")
    output_is_small = is_quantised and is_output_quantised
    output_rows = _quantised_matrix(reader) if output_is_small else _matrix(reader)
    return FastTextModel(
        model=model,
        loss=loss,
        word_ngrams=word_ngrams,
        bucket=bucket,
        minn=minn,
        maxn=maxn,
        entries=[word for word, _ in counted],
        n_words=n_words,
        label_counts=np.array([count for _, count in counted[n_words:]], np.int64),
        pruned=None if n_pruned < 0 else dict(pairs.tolist()),
        input_rows=input_rows,
        output_rows=output_rows,
    )


def _matrix(reader: _Reader) -> npt.NDArray[np.float32]:
    rows, columns = reader.numbers("qq")
    return reader.array("<f4", rows * columns).reshape(rows, columns).astype(np.float32, copy=False)


def _quantised_matrix(reader: _Reader) -> npt.NDArray[np.float32]:
    has_norms, rows, columns, code_size = reader.numbers("?qqi")
    codes = reader.array("u1", code_size)
    matrix = _decode(codes, rows, *_quantiser(reader))
    if matrix.shape != (rows, columns):
        raise ValueError(f"a matrix of {matrix.shape}, not of {(rows, columns)}")
    if has_norms:
        norm_codes = reader.array("u1", rows)
        matrix *= _decode(norm_codes, rows, *_quantiser(reader))
    return matrix


def _quantiser(reader: _Reader) -> tuple[int, int, npt.NDArray[np.float32]]:
    """Read a product quantiser.

    Returns the dimensions of a part, the dimensions of the last part, and the centroids of all
    parts.
    """
    dim, _, part_dim, last_part_dim = reader.numbers("4i")
    return part_dim, last_part_dim, reader.array("<f4", dim * _CENTROIDS).astype(np.float32)


def _decode(
    codes: npt.NDArray[np.generic],
    rows: int,
    part_dim: int,
    last_part_dim: int,
    centroids: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    parts = len(codes) // rows if rows else 0
    codes = codes.reshape(rows, parts)
    columns = []
    for part in range(parts):
        dim = last_part_dim if part == parts - 1 else part_dim
        first = part * _CENTROIDS * part_dim
        table = centroids[first : first + _CENTROIDS * dim].reshape(_CENTROIDS, dim)
        columns.append(table[codes[:, part]])
    return np.concatenate(columns, axis=1)
