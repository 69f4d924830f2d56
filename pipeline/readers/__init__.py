"""Readers of the sources' own formats: from a file's bytes to batches of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from pipeline.readers.json_lines import read_json_lines
from pipeline.readers.warc import read_warc
from pipeline.readers.wet import read_wet


class Reader(NamedTuple):
    """How a format is read.

    ``read`` takes a stream of a file's raw bytes and the file's name, ``SOURCE/FILE``, then by
    keyword ``start``, ``end``, ``batch_bytes``, ``max_record_bytes`` and the options of its own.
    """

    read: Callable[..., Iterator[pa.RecordBatch]]
    splits_plain_files: bool
    suffixes: tuple[str, ...]  # usual ones, for help texts: the content decides


READERS = {
    "wet": Reader(read_wet, False, (".warc.wet.gz", ".warc.wet", ".warc.wet.zst")),
    "warc": Reader(read_warc, False, (".warc.gz", ".warc", ".warc.zst")),
    "json_lines": Reader(read_json_lines, True, (".jsonl", ".json", ".jsonl.gz", ".jsonl.zst")),
}
