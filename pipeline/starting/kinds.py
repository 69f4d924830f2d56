"""The reader for a file, by its first bytes and its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.readers.containers.columnar import Unreadable
from pipeline.readers.containers.cursor import Damage, Watched
from pipeline.readers.containers.decompress import SEVEN_ZIP_MAGIC, decompressed
from pipeline.readers.containers.ipc_batches import CONTINUATION, FILE_MAGIC, ipc_batches
from pipeline.readers.containers.parquet_rows import parquet_rows
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
    """Return the first records of a file of JSON lines, Parquet or Arrow; [] of another.

    Columns are read by what bounds and checks them in a run. Raises ValueError where they are
    damaged, or hold too much.
    """
    with Path(path).open("rb") as stream:
        rows = _rows_of_columns(stream)
        if rows is not None:
            return _first_records(rows)
    return list(islice(_objects(_head(path)), LOOKED_AT))


def _rows_of_columns(stream: BinaryIO) -> Iterator[pa.RecordBatch | Unreadable] | None:
    """Return what yields the rows of a file of columns, with all of them; None of another file."""
    raw = stream.read(8)
    if raw.startswith(b"PAR1"):
        names = pq.read_schema(stream).names
        groups = parquet_rows(stream, start=0, end=None, columns=names, text="")
        return (rows for _, rows in groups)
    if raw.startswith((FILE_MAGIC, CONTINUATION)):
        stream.seek(len(raw) if raw.startswith(FILE_MAGIC) else 0)
        names = pa.ipc.open_stream(stream).schema.names
        stream.seek(0)
        return ipc_batches(Watched(stream), columns=names, text="")
    return None


def _first_records(parts: Iterator[pa.RecordBatch | Unreadable]) -> list[dict[str, Any]]:
    """Return the records up to the first that cannot be read; ValueError where that is the first.

    Where the first ones are large, they are enough.
    """
    records: list[dict[str, Any]] = []
    n_bytes = 0
    for part in parts:
        if isinstance(part, Unreadable):
            if not records:
                raise ValueError(part.error)
            break
        records += part.slice(0, LOOKED_AT - len(records)).to_pylist()
        n_bytes += part.nbytes
        if len(records) >= LOOKED_AT or n_bytes >= HEAD_BYTES:
            break
    return records


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
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _holds_papers(head: bytes) -> bool:
    """Tell whether a tar's first members are papers' sources, and not files of repositories."""
    names = [head[at : at + 100].rstrip(b"\0") for at in range(0, len(head), 512)
             if head[at + 257 : at + 262] == b"ustar"]  # fmt: skip
    return any(name.endswith((b".tex", b".gz", b".bbl")) for name in names)
