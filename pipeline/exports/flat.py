"""Export formats whose token files equal a shard's ``.bin``: Megatron's, nanotron's, OLMo's.

In all of them tokens are raw and little-endian, and int32 ids have the same bytes as uint32 ids. So
the token files are hard links to the shards where the file system allows it, else copies. Only the
index files differ. Of a source that is divided, the tokens of each domain are copied.

- Megatron-LM: ``.bin`` and ``.idx`` (``megatron/core/datasets/indexed_dataset.py``).
- nanotron: datatrove's ``.ds``; ``.ds.index`` with the end of each document in tokens, as u64; and
  ``.ds.metadata`` with the tokenizer, the bytes of a token id and the number of tokens.
- OLMo: dolma's ``.npy``, which has no NumPy header despite its name, and ``.csv.gz`` with a line a
  document: its start and end in tokens, its id, its source, and its number within the source.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.exports.corpus_parts import Corpus, ShardPart
from tokenizer.shards import ShardReader, ShardWriter

ROWS = 10_000
"""Rows of ``docs.parquet`` that are read at a time."""


def write_megatron(corpus: Corpus, folder: Path, target: Path, *, copy: bool) -> None:
    """Write Megatron's two files a shard, and ``data_args.txt`` for ``--data-args-path``.

    That file has a weight and the path of each shard in ``target``, an absolute path. The weights
    divide a source's proportion among its shards by their tokens. Raises ValueError if the path
    contains white space, at which Megatron splits the file.
    """
    if len(str(target).split()) > 1:
        raise ValueError(
            f"{target}: Megatron takes no paths with spaces; give another folder to --to"
        )
    arguments = []
    for source, parts in corpus.sources.items():
        proportion = corpus.proportions[source]
        n_tokens = sum(part.n_tokens for part in parts)
        for part in parts:
            reader, prefix = part.open(), folder / source / part.name
            _link(part, "bin", prefix.with_suffix(".bin"), copy)
            if part.of_whole is None:
                _link(part, "idx", prefix.with_suffix(".idx"), copy)
            else:
                _write_index(reader, prefix.with_suffix(".idx"))
            weight = proportion * part.n_tokens / n_tokens if n_tokens else 0.0
            if proportion:  # a domain may be left out of the mixture
                arguments.append(f"{weight:.12g} {target / source / part.name}\n")
    (folder / "data_args.txt").write_text("".join(arguments))


def write_nanotron(corpus: Corpus, folder: Path, *, copy: bool, tokenizer: str | None) -> None:
    """Write datatrove's three files a shard; ``tokenizer`` is the name that nanotron loads."""
    name = (tokenizer or corpus.manifest["tokenizer"]["model"]).replace("|", "_")
    for part in corpus.parts():
        lengths = part.open().lengths
        # datatrove's reader ignores an end that occurs twice, so empty documents are left out.
        ends = np.cumsum(lengths[lengths > 0], dtype="<u8")
        path = folder / part.folder / f"{part.name}.ds"
        _link(part, "bin", path, copy)
        path.with_name(f"{path.name}.index").write_bytes(ends.tobytes())
        path.with_name(f"{path.name}.metadata").write_text(
            f"{name}|{corpus.dtype.itemsize}\n{part.n_tokens}\n{_in_words(part.n_tokens)}"
        )


def _write_index(reader: ShardReader, path: Path) -> None:
    """Write the index of a part of a shard."""
    offsets = np.concatenate([[0], np.cumsum(reader.lengths, dtype=np.int64)])
    with path.open("wb") as file:
        writer = ShardWriter(io.BytesIO(), file, reader.index.dtype.newbyteorder("="))
        writer.append(np.zeros(0, reader.index.dtype), offsets)
        writer.finish()


def _in_words(n_tokens: int) -> str:
    for exponent, letter in ((12, " TT"), (9, " GT"), (6, " MT"), (3, " kT")):
        if n_tokens >= 10**exponent:
            return f"{n_tokens / 10**exponent:.3g}{letter}"
    return f"{n_tokens} T"


def write_olmo(corpus: Corpus, folder: Path, *, copy: bool) -> None:
    """Write dolma's two files a shard.

    In the index, a document's source is its shard as ``corpus ls`` names it, and its number is the
    number within that shard.
    """
    for part in corpus.parts():
        path = folder / part.folder / f"{part.name}.npy"
        _link(part, "bin", path, copy)
        with (
            path.with_suffix(".csv.gz").open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            io.TextIOWrapper(packed, "utf-8", newline="") as text,
        ):
            csv.writer(text, lineterminator="\n").writerows(_boundaries(part, part.open()))


def _boundaries(part: ShardPart, reader: ShardReader) -> Iterator[tuple[Any, ...]]:
    number = 0
    ends: npt.NDArray[np.int64] = np.cumsum(reader.lengths, dtype=np.int64)
    for batch in part.records(ROWS):
        for identifier in batch["id"].to_pylist():
            end = int(ends[number])
            start = end - int(reader.lengths[number])
            place = part.first_document + number
            yield start, end, identifier, f"{part.source}/{part.name}", place
            number += 1


def _link(part: ShardPart, suffix: str, path: Path, copy: bool) -> None:
    """Hard-link or copy one of a shard's files to a path of the export.

    Of a part that is of one domain, its tokens are written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if part.of_whole is not None:
        part.open().tokens.tofile(path)
        return
    source = Path(f"{part.prefix}.{suffix}")
    if not copy:
        try:
            os.link(source, path)
            return
        except OSError:  # another file system, or one without hard links
            pass
    shutil.copyfile(source, path)
