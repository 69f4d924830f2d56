"""Lists that a recipe names as files: one entry a line, plain or gzip."""

from __future__ import annotations

import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

_GZIP_MAGIC = b"\x1f\x8b"
_COMMENT = r"(?:^|\s)#.*$"


def read_list(path: str) -> pa.StringArray:
    """Return the entries of a list, stripped, in the file's order.

    The file is UTF-8. A ``#`` at the begin of a line or behind a space begins a comment, and empty
    lines do not count. Raises ValueError for a file of another kind and for one without entries,
    which would silently have no effect.
    """
    data = Path(path).read_bytes()
    try:
        if data.startswith(_GZIP_MAGIC):
            data = igzip.decompress(data)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a list in UTF-8: {error}") from None
    except (zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path}: damaged gzip: {error}") from None
    lines = pc.list_flatten(pc.split_pattern(pa.array([text]), "\n"))
    if "#" in text:
        lines = pc.replace_substring_regex(lines, _COMMENT, "")
    lines = pc.utf8_trim_whitespace(lines)
    entries = lines.filter(pc.not_equal(lines, ""))
    if not len(entries):
        raise ValueError(f"{path}: the list has no entries")
    return entries
