"""Lists of words, urls or domains that a recipe names as files: one entry a line, plain or gzip."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

_GZIP_MAGIC = b"\x1f\x8b"
_COMMENT = r"(?:^|\s)#.*$"
_PIECE_BYTES = 1 << 20


def check_list(path: str) -> None:
    """Raise ValueError for the files that :func:`read_list` refuses. Needs little memory.

    The whole file is read, but only its first mebibyte of text is searched for an entry.
    """
    pieces = _text(path)
    first = next(pieces, "")
    for _ in pieces:  # damage later in the file is an error, too
        pass
    _some_entries(first, path)


def read_list(path: str) -> pa.StringArray:
    """Return the entries of a list, stripped, in the file's order.

    The file is UTF-8. A ``#`` at the beginning of a line or after white space begins a comment.
    Empty lines do not count. Raises ValueError for a file of another kind. A file without entries
    raises it too, because it would silently have no effect.
    """
    return _some_entries("".join(_text(path)), path)


def _text(path: str) -> Iterator[str]:
    """Yield a file's text in pieces. Raises ValueError where it is not UTF-8, plain or gzip."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with Path(path).open("rb") as raw:
        is_gzip = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        file = igzip.GzipFile(fileobj=raw) if is_gzip else raw
        try:
            while piece := file.read(_PIECE_BYTES):
                yield decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a list in UTF-8: {error}") from None
        except (zlib.error, EOFError, OSError) as error:
            if not is_gzip:  # the error is the file system's, not the list's
                raise
            raise ValueError(f"{path}: damaged gzip: {error}") from None


def _some_entries(text: str, path: str) -> pa.StringArray:
    """Return the entries of a list's text. Raises ValueError where there are none."""
    entries = _entries(text)
    if not len(entries):
        raise ValueError(f"{path}: the list has no entries")
    return entries


def _entries(text: str) -> pa.StringArray:
    lines = pc.list_flatten(pc.split_pattern(pa.array([text]), "\n"))
    if "#" in text:
        lines = pc.replace_substring_regex(lines, _COMMENT, "")
    lines = pc.utf8_trim_whitespace(lines)
    return lines.filter(pc.not_equal(lines, ""))
