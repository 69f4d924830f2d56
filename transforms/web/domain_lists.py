"""Lists of millions of domains, whose plain names are hashed where they stand in their file.

A list is what :mod:`transforms.web.text_lists` says. Nearly all its entries are names that are
compared as they are, so no text is made of these.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from transforms.kernels.hashing import xxh64
from transforms.kernels.key_sets import KeySet
from transforms.web.text_lists import GZIP_MAGIC, NO_ENTRIES, read_list

_END_OF_LINE, _HASH, _DOT, _HYPHEN, _UNDERSCORE = map(ord, "\n#.-_")
_LAST_ASCII = 127


def read_domains(path: str) -> tuple[KeySet, pa.StringArray]:
    """Return the hashes of a list's plain names, and its other entries as they are written.

    Neither is sorted. A plain name has lower-case ASCII letters, digits, hyphens, underscores and
    dots, and no empty label. A list in gzip or beyond ASCII is all other entries. Raises ValueError
    as :func:`transforms.web.text_lists.read_list` does.
    """
    data = np.fromfile(path, np.uint8)
    is_gzip = data[: len(GZIP_MAGIC)].tobytes() == GZIP_MAGIC
    if is_gzip or not data.size or data.max() > _LAST_ASCII:
        return np.empty(0, np.uint64), read_list(path)
    keys, begins, ends = _plain_names(data)
    others = [data[a:b].tobytes().decode() for a, b in zip(begins, ends, strict=True)]
    if not len(keys) and not others:
        raise ValueError(f"{path}: {NO_ENTRIES}")
    return keys, pa.array(others, pa.string())


@njit(cache=True, nogil=True)
def _plain_names(data):  # type: ignore[no-untyped-def]
    """Return the hashes of plain names, and where the other entries begin and end."""
    n_lines = 1 + np.count_nonzero(data == _END_OF_LINE)
    keys = np.empty(n_lines, np.uint64)
    others = np.empty((2, n_lines), np.int64)
    n_keys = n_others = 0
    end = -1
    while end < data.size:
        begin = end + 1
        end = begin
        while end < data.size and data[end] != _END_OF_LINE:
            end += 1
        last = end
        while begin < last and _is_blank(data[begin]):
            begin += 1
        while begin < last and _is_blank(data[last - 1]):
            last -= 1
        if begin == last or data[begin] == _HASH:
            continue
        if _is_plain(data, begin, last):
            keys[n_keys] = xxh64(data, begin, last)
            n_keys += 1
        else:
            others[0, n_others], others[1, n_others] = begin, last
            n_others += 1
    return keys[:n_keys], others[0, :n_others], others[1, :n_others]


@njit(cache=True, nogil=True)
def _is_blank(byte):  # type: ignore[no-untyped-def]
    """Tell white space of ASCII as Unicode has it, with the four separators of files to units."""
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


@njit(cache=True, nogil=True)
def _is_plain(data, begin, end):  # type: ignore[no-untyped-def]
    if data[begin] == _HYPHEN:
        return False
    before = np.uint8(_DOT)
    for i in range(begin, end):
        byte = data[i]
        if byte == _DOT:
            if before == _DOT:
                return False
        elif not (97 <= byte <= 122 or 48 <= byte <= 57 or byte in (_HYPHEN, _UNDERSCORE)):
            return False
        before = byte
    return before != _DOT
