"""Readers of the sources' own formats: from a file's bytes to batches of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.readers.arxiv import read_arxiv
from pipeline.readers.books import read_books
from pipeline.readers.github import read_bigquery_github, read_repositories
from pipeline.readers.huggingface import read_huggingface
from pipeline.readers.json_lines import read_json_lines
from pipeline.readers.page_text import check_extractor
from pipeline.readers.stackexchange import (
    StackExchangeOptions,
    choose_files,
    documents_of_posts,
    partition_posts,
    read_posts,
)
from pipeline.readers.warc import read_warc
from pipeline.readers.wet import read_wet
from pipeline.readers.wikipedia import read_wikipedia


class Reader(NamedTuple):
    """How a format is read.

    ``read`` takes a stream of a file's raw bytes and the file's name, ``SOURCE/FILE``, then by
    keyword ``start``, ``end``, ``batch_bytes``, ``max_record_bytes`` and the options of its own.
    """

    read: Callable[..., Iterator[pa.RecordBatch]]
    splits: frozenset[str]  # what can be cut: "plain" files, "bzip2" files of many streams
    join: Join | None = None  # where documents are put together of records of the whole source
    check: Callable[..., None] | None = None  # of the recipe's parameters; raises ValueError


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
    "arxiv": Reader(read_arxiv, _WHOLE),
    "bigquery_github": Reader(read_bigquery_github, _PLAIN),
    "books": Reader(read_books, _WHOLE),
    "huggingface": Reader(read_huggingface, _WHOLE),
    "json_lines": Reader(read_json_lines, _PLAIN),
    "repositories": Reader(read_repositories, _WHOLE),
    "stackexchange": Reader(
        read_posts,
        _PLAIN,
        Join(StackExchangeOptions, choose_files, partition_posts, documents_of_posts),
    ),
    "warc": Reader(read_warc, _WHOLE, check=check_extractor),
    "wet": Reader(read_wet, _WHOLE),
    "wikipedia": Reader(read_wikipedia, frozenset({"plain", "bzip2"})),
}
