"""Readers of the sources' own formats: from a file's bytes to batches of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
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
    splits: frozenset[str]  # what can be cut: "plain" files, "bzip2" files of many streams
    join: Join | None = None  # where documents are put together of records of the whole source


class Join(NamedTuple):
    """How documents are made of records that may stand anywhere in a source.

    ``options`` is a dataclass of the recipe's parameters. ``choose`` takes the source's files, by
    name with their sizes, and the options, and says which are read. ``partition`` gives every
    record of a batch the number of its partition; ``join`` makes documents of all records of one.
    """

    options: type[Any]
    choose: Callable[[dict[str, int], Any], set[str]]
    partition: Callable[[pa.RecordBatch, int], npt.NDArray[np.int64]]
    join: Callable[[pa.RecordBatch, Any], pa.RecordBatch]


_WHOLE: frozenset[str] = frozenset()
_PLAIN = frozenset({"plain"})

READERS = {
    "json_lines": Reader(read_json_lines, _PLAIN),
    "warc": Reader(read_warc, _WHOLE),
    "wet": Reader(read_wet, _WHOLE),
}
