"""Export formats of small files that trainers download one by one: litdata's and Mosaic's MDS.

A file of either format begins with the number of its items and their offsets from the beginning of
the file, all u32 little-endian. An ``index.json`` in the folder lists the files. An item is a
document or, in MDS on request, a sequence of a fixed number of tokens.

- litdata (``litdata/streaming/writer.py``): the items are raw tokens (``no_header_tensor``).
  ``TokensLoader`` cuts them into blocks and ignores the boundaries of items.
- MDS (``streaming/base/format/mds``): a description of the columns in JSON stands between the
  offsets and the samples. A sample is the sizes of its columns (u32), then the columns, by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.exports.corpus_parts import Corpus, ShardPart, spans

CHUNK_BYTES = 1 << 26
"""Most bytes of a file, unless a single item is larger. It is the default of MDS."""

LITDATA_TYPES = {"uint16": 20, "int32": 16}
"""Numbers of PyTorch's types in litdata."""

ARRAY_SHAPE_TYPES = ("<u1", "<u2", "<u4")
"""Types of an array's length in MDS; the index of a type is its code."""


def write_litdata(corpus: Corpus, folder: Path, *, chunk_bytes: int = CHUNK_BYTES) -> None:
    """Write a folder of chunks for each source."""
    config = {
        "chunk_bytes": chunk_bytes,
        "chunk_size": None,
        "compression": None,
        "data_format": [f"no_header_tensor:{LITDATA_TYPES[corpus.dtype.name]}"],
        "data_spec": json.dumps([1, {"type": None, "context": None, "children_spec": []}]),
        "encryption": None,
        "item_loader": "TokensLoader",
    }
    for source, parts in corpus.sources.items():
        chunks: list[dict[str, Any]] = []
        (folder / source).mkdir(parents=True)
        for part in parts:
            reader = part.open()
            sizes = reader.lengths.astype(np.int64) * corpus.dtype.itemsize
            for first, last in spans(sizes + 4, chunk_bytes):  # 4 bytes for the offset of each
                name = f"chunk-0-{len(chunks)}.bin"
                offsets = _offsets(sizes[first:last], 0, part)
                n_tokens = int(reader.lengths[first:last].sum(dtype=np.int64))
                start = int(reader.index.byte_offsets[first]) // corpus.dtype.itemsize
                with (folder / source / name).open("wb") as file:
                    file.write(np.uint32(last - first).astype("<u4").tobytes())
                    file.write(offsets.tobytes())
                    file.write(reader.tokens[start : start + n_tokens].tobytes())
                chunks.append(
                    {
                        "chunk_bytes": int(offsets[-1]),
                        "chunk_size": last - first,
                        "dim": n_tokens,
                        "filename": name,
                    }
                )
        _write_index(folder / source, {"chunks": chunks, "config": config})


def write_mds(
    corpus: Corpus,
    folder: Path,
    *,
    sequence_length: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> None:
    """Write a folder of MDS shards for each source.

    A sample is a document, with the columns ``id`` and ``tokens``. With ``sequence_length``, a
    sample is that many tokens of the source's concatenated documents, in the only column
    ``tokens``. Tokens at the end of a source that do not fill a sequence are left out.
    """
    columns = {"tokens": f"ndarray:{corpus.dtype.name}"}
    if sequence_length is None:
        columns["id"] = "str"
    config: dict[str, Any] = {
        "column_encodings": [columns[name] for name in sorted(columns)],
        "column_names": sorted(columns),
        "column_sizes": [None] * len(columns),
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": chunk_bytes,
        "version": 2,
    }
    described = json.dumps(config, sort_keys=True).encode()
    for source, parts in corpus.sources.items():
        shards: list[dict[str, Any]] = []
        (folder / source).mkdir(parents=True)
        samples = (
            _document_samples(parts)
            if sequence_length is None
            else _sequence_samples(parts, sequence_length)
        )
        for group in _groups(samples, chunk_bytes, len(described)):
            name = f"shard.{len(shards):05d}.mds"
            offsets = _offsets(np.array([len(s) for s in group]), len(described), parts[0])
            with (folder / source / name).open("wb") as file:
                file.write(np.uint32(len(group)).astype("<u4").tobytes())
                file.write(offsets.tobytes())
                file.write(described)
                file.writelines(group)
            written = {"basename": name, "bytes": int(offsets[-1]), "hashes": {}}
            shards.append({**config, "raw_data": written, "samples": len(group), "zip_data": None})
        _write_index(folder / source, {"shards": shards, "version": 2})


def _document_samples(parts: list[ShardPart]) -> Iterator[bytes]:
    for part in parts:
        reader = part.open()
        number = 0
        for batch in part.records(10_000):
            for identifier in batch["id"].to_pylist():
                key, tokens = identifier.encode(), _array(reader[number])
                sizes = np.array([len(key), len(tokens)], "<u4").tobytes()
                yield b"".join((sizes, key, tokens))
                number += 1


def _sequence_samples(parts: list[ShardPart], length: int) -> Iterator[bytes]:
    """Cut the concatenated shards of a source into sequences, which may span two shards."""
    rest: npt.NDArray[Any] | None = None
    for part in parts:
        tokens = part.open().tokens
        start = 0
        if rest is not None and len(rest):
            start = min(length - len(rest), len(tokens))
            rest = np.concatenate([rest, tokens[:start]])
            if len(rest) < length:
                continue
            yield _sequence(rest)
        end = start + (len(tokens) - start) // length * length
        for begin in range(start, end, length):
            yield _sequence(tokens[begin : begin + length])
        rest = np.array(tokens[end:])


def _sequence(tokens: npt.NDArray[Any]) -> bytes:
    array = _array(tokens)
    return np.uint32(len(array)).astype("<u4").tobytes() + array


def _array(tokens: npt.NDArray[Any]) -> bytes:
    """Encode a one-dimensional array; the description of its column has the type of its items.

    The first byte is 4 times the number of dimensions plus the code of the length's type. The
    length follows, then the items.
    """
    code = next(c for c, t in enumerate(ARRAY_SHAPE_TYPES) if len(tokens) <= np.iinfo(t).max)
    shape = np.array([len(tokens)], ARRAY_SHAPE_TYPES[code])
    return b"".join((bytes([1 << 2 | code]), shape.tobytes(), tokens.tobytes()))


def _groups(samples: Iterator[bytes], limit: int, n_header: int) -> Iterator[list[bytes]]:
    """Divide samples into groups, each for a file of at most ``limit`` bytes or of one sample."""
    group: list[bytes] = []
    size = start = 8 + n_header
    for sample in samples:
        if group and size + len(sample) + 4 > limit:
            yield group
            group, size = [], start
        group.append(sample)
        size += len(sample) + 4
    if group:
        yield group


def _offsets(sizes: npt.NDArray[Any], n_between: int, part: ShardPart) -> npt.NDArray[np.uint32]:
    """Return the offset of each item in a file, and of the end of the last.

    ``n_between`` bytes stand between the offsets and the first item.
    """
    start = 4 + 4 * (len(sizes) + 1) + n_between
    ends = start + np.cumsum(sizes, dtype=np.int64)
    if ends[-1] > np.iinfo(np.uint32).max:
        raise ValueError(f"{part.source}: a document is longer than the 4 GiB of a file's offsets")
    return np.concatenate([[start], ends]).astype("<u4")


def _write_index(folder: Path, index: dict[str, Any]) -> None:
    (folder / "index.json").write_text(json.dumps(index, sort_keys=True))
