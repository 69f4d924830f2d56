"""Files that a recipe names and that are read line by line: lists, and texts of evaluation sets.

A file is UTF-8, with a byte order mark or without, plain or gzip. White space at the edges of a
line does not count, and blank lines are passed over. A list has one entry a line, and a line that
begins with ``#`` is a comment; behind that, a ``#`` is part of its entry, as in the ids of
documents, in addresses and in names of files.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

COMMENT_MARK = "#"

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a file in gzip (RFC 1952)."""

NO_ENTRIES = "the list has no entries"
"""What is wrong with a list that would silently have no effect."""

_PIECE_BYTES = 1 << 20


def check_list(path: str) -> None:
    """Raise ValueError for the files that :func:`read_list` refuses. Needs little memory.

    The whole file is read, but only its first mebibyte of text is searched for an entry.
    """
    pieces = _text_of_file(path)
    first = next(pieces, "")
    for _ in pieces:  # damage later in the file is an error, too
        pass
    _some_entries(first, path)


def read_list(path: str) -> pa.StringArray:
    """Return the entries of a list in the file's order.

    Raises ValueError for a file that is not of the form that the module describes, and for one
    without entries, which would silently have no effect.
    """
    return _some_entries("".join(_text_of_file(path)), path)


def numbered_entries(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the entries of a list, given as the bytes of its file, with their lines' numbers.

    Raises ValueError where it is not of the form that the module describes.
    """
    lines = _numbered("".join(_text(io.BytesIO(data))))
    return ((number, line) for number, line in lines if not line.startswith(COMMENT_MARK))


def lines_of_file(path: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers, those that begin with ``#`` as any other.

    Raises ValueError as :func:`read_list` does, but for a file without lines.
    """
    return _numbered("".join(_text_of_file(path)))


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return ((number, line) for number, line in stripped if line)


def _text_of_file(path: str) -> Iterator[str]:
    with Path(path).open("rb") as file:
        yield from _text(file, path)


def _text(raw: BinaryIO, path: str = "") -> Iterator[str]:
    """Yield a file's text in pieces. Raises ValueError where it is not UTF-8, plain or gzip."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    raw.seek(0)
    file = igzip.GzipFile(fileobj=raw) if is_gzip else raw
    line = 1
    try:
        while piece := file.read(_PIECE_BYTES):
            text = decoder.decode(piece)
            line += text.count("\n")
            yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object.count(b"\n", 0, error.start)
        where = f"{path}, line {line}" if path else f"line {line}"
        raise ValueError(f"{where}: not UTF-8: {error.reason}") from None
    except (zlib.error, EOFError, OSError) as error:
        if not is_gzip:  # the error is the file system's, not the list's
            raise
        where = f"{path}: " if path else ""
        raise ValueError(f"{where}damaged gzip: {error}") from None


def _some_entries(text: str, path: str) -> pa.StringArray:
    """Return the entries of a list's text. Raises ValueError where there are none."""
    lines = pc.list_flatten(pc.split_pattern(pa.array([text]), "\n"))
    lines = pc.utf8_trim_whitespace(lines)
    lines = lines.filter(pc.not_equal(lines, ""))
    if COMMENT_MARK in text:
        lines = lines.filter(pc.invert(pc.starts_with(lines, COMMENT_MARK)))
    if not len(lines):
        raise ValueError(f"{path}: {NO_ENTRIES}")
    return lines
