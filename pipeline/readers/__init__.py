"""Readers: each turns the bytes of files of one format into batches of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.readers.arxiv import read_arxiv
from pipeline.readers.books import read_books
from pipeline.readers.github import read_bigquery_github, read_repositories
from pipeline.readers.html.page_text import check_extractor
from pipeline.readers.huggingface import check_descriptors, read_huggingface
from pipeline.readers.json_lines import read_json_lines
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


class Typical(NamedTuple):
    """Typical figures of a format, from real samples, for estimates; cautious on purpose."""

    text_fraction: float = 1.0  # bytes of text a decompressed byte, at the first deduplication
    document_bytes: int = 2_000  # bytes of text of a document
    core_seconds_per_mb: float = 0.1  # a decompressed MB, for both passes with the paper's steps
    kept_fraction: float = 0.5  # bytes of documents kept between passes, a decompressed byte


class Reader(NamedTuple):
    """A reader of one format.

    ``read`` takes a stream of a file's raw bytes and the file's name, ``SOURCE/FILE``. Its keyword
    parameters are ``start``, ``end``, ``batch_bytes``, ``max_record_bytes`` and the reader's own.
    """

    read: Callable[..., Iterator[pa.RecordBatch]]
    splits: frozenset[str]  # kinds of files to cut: "plain", "bzip2" (of many streams)
    join: Join | None = None  # set if documents are joined from records of the whole source
    check: Callable[..., None] | None = None  # checks the recipe's parameters; raises ValueError
    check_files: Callable[[Iterable[str]], None] | None = None  # checks the inputs' names; likewise
    typical: Typical = Typical()
    is_dear: bool = False  # whether documents are kept, so that later passes do not read anew


class Join(NamedTuple):
    """The functions that join documents from records anywhere in a source.

    ``options`` is a dataclass of the recipe's parameters. ``choose`` takes the sizes of the
    source's files by name, and the options, and returns the files to read. ``partition`` returns
    the number of a partition for each record of a batch. ``join`` makes documents from all records
    of one partition.
    """

    options: type[Any]
    choose: Callable[[dict[str, int], Any], set[str]]
    partition: Callable[[pa.RecordBatch, int], npt.NDArray[np.int64]]
    join: Callable[[pa.RecordBatch, Any], pa.RecordBatch]


_WHOLE: frozenset[str] = frozenset()
_PLAIN = frozenset({"plain"})

READERS = {
    "arxiv": Reader(read_arxiv, _WHOLE, typical=Typical(0.5, 50_000, 0.11, 0.6), is_dear=True),
    "bigquery_github": Reader(read_bigquery_github, _PLAIN, typical=Typical(0.4, 5_000, 0.05)),
    "books": Reader(read_books, _WHOLE, typical=Typical(1.0, 300_000, 0.08, 0.9), is_dear=True),
    "huggingface": Reader(read_huggingface, _WHOLE, check_files=check_descriptors),
    "json_lines": Reader(read_json_lines, _PLAIN, typical=Typical(0.9, 2_000, 0.11)),
    "repositories": Reader(read_repositories, _WHOLE, typical=Typical(0.4, 5_000, 0.05)),
    "stackexchange": Reader(
        read_posts,
        _PLAIN,
        Join(StackExchangeOptions, choose_files, partition_posts, documents_of_posts),
        typical=Typical(0.7, 1_500, 0.09),
    ),
    "warc": Reader(
        read_warc,
        _WHOLE,
        check=check_extractor,
        typical=Typical(0.1, 5_000, 0.1, 0.05),
        is_dear=True,
    ),
    "wet": Reader(read_wet, _WHOLE, typical=Typical(0.85, 8_000, 0.09)),
    "wikipedia": Reader(
        read_wikipedia,
        frozenset({"plain", "bzip2"}),
        typical=Typical(0.5, 4_000, 0.2, 0.6),
        is_dear=True,
    ),
}
"""Readers by the names that recipes give them."""
