"""The reader for a file, by its first bytes and its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.readers.containers.cursor import Damage
from pipeline.readers.containers.decompress import SEVEN_ZIP_MAGIC, decompressed
from pipeline.readers.containers.ipc_batches import CONTINUATION, FILE_MAGIC
from pipeline.readers.containers.tar import is_tar

HEAD_BYTES = 1 << 20
"""Bytes of a file, decompressed, that are looked at."""

LOOKED_AT = 100
"""Records of a file that are looked at."""

_CODE_FIELDS = {"repo_name", "path", "content"}
_BOOKS = (".txt", ".epub", ".zip")


def reader_of(path: str) -> str | None:
    """Return the name of the reader for a file; None where no reader can read it."""
    with Path(path).open("rb") as stream:
        raw = stream.read(8)
    if raw.startswith((b"PAR1", FILE_MAGIC, CONTINUATION)):
        return _of_rows(records_of(path), "huggingface")
    if raw.startswith(SEVEN_ZIP_MAGIC):
        return "stackexchange"
    if raw.startswith(b"PK"):
        return "books"
    head = _head(path)
    if head.startswith(b"WARC/"):
        return "wet" if b"WARC-Type: conversion" in head else "warc"
    if is_tar(head[:512]):
        return "arxiv" if _holds_papers(head) else "repositories"
    if b"<mediawiki" in head[:4096]:
        return "wikipedia"
    if b"<posts" in head[:4096]:
        return "stackexchange"
    if head.lstrip().startswith(b"{"):
        return _of_rows(records_of(path), "json_lines")
    named = path.removesuffix(".gz").removesuffix(".zst").removesuffix(".bz2")
    return "books" if named.endswith(_BOOKS) else None


def records_of(path: str) -> list[dict[str, Any]]:
    """Return the first records of a file of JSON lines, Parquet or Arrow; [] of another."""
    with Path(path).open("rb") as stream:
        raw = stream.read(8)
    if raw.startswith(b"PAR1"):
        batches: Iterator[pa.RecordBatch] = pq.ParquetFile(path).iter_batches(LOOKED_AT)
    elif raw.startswith(FILE_MAGIC):
        file = pa.ipc.open_file(path)
        batches = (file.get_batch(i) for i in range(file.num_record_batches))
    elif raw.startswith(CONTINUATION):
        batches = iter(pa.ipc.open_stream(path))
    else:
        return list(islice(_objects(_head(path)), LOOKED_AT))
    return next(iter(batches)).slice(0, LOOKED_AT).to_pylist()


def _of_rows(records: list[dict[str, Any]], otherwise: str) -> str | None:
    if not records:
        return None
    return "bigquery_github" if set(records[0]) >= _CODE_FIELDS else otherwise


def _head(path: str) -> bytes:
    """Return the first bytes of a file, decompressed, up to its first damage."""
    head = bytearray()
    with Path(path).open("rb") as stream:
        for piece in decompressed(stream):
            if isinstance(piece, Damage):
                break
            head += piece
            if len(head) >= HEAD_BYTES:
                break
    return bytes(head[:HEAD_BYTES])


def _objects(head: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of whole lines; the last line may be cut off."""
    for line in head.split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _holds_papers(head: bytes) -> bool:
    """Tell whether a tar's first members are papers' sources, and not files of repositories."""
    names = [head[at : at + 100].rstrip(b"\0") for at in range(0, len(head), 512)
             if head[at + 257 : at + 262] == b"ustar"]  # fmt: skip
    return any(name.endswith((b".tex", b".gz", b".bbl")) for name in names)
