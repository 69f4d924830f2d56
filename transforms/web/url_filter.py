"""A filter of documents by their urls, with block lists that are given as files.

It follows the filters of RefinedWeb (arXiv 2306.01116, appendix G.1) and of FineWeb's published
code. There are lists of domains, of single pages, of words and of parts of words that block a url
alone, and of soft words, several of which must occur.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from transforms.documents import FilePath, checked_by, drop, text_buffers
from transforms.kernels.hashing import xxh64
from transforms.kernels.key_sets import KeySet, holds, in_key_set, key_set
from transforms.kernels.lines import document_keys
from transforms.web.domain_lists import read_domains
from transforms.web.text_lists import read_list
from transforms.web.urls import (
    domain_in,
    domains_of,
    hosts_of,
    in_domains,
    listed_pages_of,
    pages_of,
)

_NO_LETTER = r"[^0-9a-z]+"


def check_filter_urls(
    *,
    blocked_domains: list[FilePath],
    blocked_urls: list[FilePath],
    blocked_words: list[FilePath],
    blocked_subwords: list[FilePath],
    soft_words: list[FilePath],
    min_soft_words: int,
) -> None:
    """Raise ValueError for a file that is not such a list, and for ``min_soft_words`` below 1."""
    if blocked_words or soft_words:
        _check_min_soft_words(min_soft_words)
    _domains(tuple(blocked_domains))
    _pages(tuple(blocked_urls))
    _words(tuple(blocked_words))
    _words(tuple(soft_words))
    _subwords(tuple(blocked_subwords))


def _check_min_soft_words(min_soft_words: int) -> None:
    if min_soft_words < 1:
        raise ValueError(f"min_soft_words: expected a number above 0, found {min_soft_words}")


@checked_by(check_filter_urls)
def filter_urls(
    batch: pa.RecordBatch,
    *,
    blocked_domains: list[FilePath],
    blocked_urls: list[FilePath],
    blocked_words: list[FilePath],
    blocked_subwords: list[FilePath],
    soft_words: list[FilePath],
    min_soft_words: int,
) -> pa.RecordBatch:
    """Drop documents whose url a list blocks.

    Each parameter but the last names files with one entry a line, plain or gzip. The files of the
    UT1 lists (``adult/domains``, ``adult/urls``) can be used as they are. A url is blocked if

    - its host is one of ``blocked_domains`` or lies below one (reason ``blocked_domain``);
    - it is one of ``blocked_urls`` as :mod:`transforms.web.urls` compares pages: scheme, fragment
      and trailing slash do not count (``blocked_url``);
    - one of its words is in ``blocked_words``, at least ``min_soft_words`` different words of it
      are in ``soft_words``, or one of ``blocked_subwords`` occurs anywhere in its letters and
      digits (``blocked_url_word``).

    Words are runs of ASCII letters and digits, compared in lower case. Documents without a url
    stay. Raises ValueError for a file that is not such a list, or has an entry that can never
    match, such as ``||example.org^`` or ``*example.org``.
    """
    urls = batch["url"]
    if blocked_domains:
        domains = _domains(tuple(blocked_domains))
        batch = drop(batch, in_domains(hosts_of(urls), domains), "blocked_domain")
    if blocked_urls:
        batch = drop(batch, in_key_set(pages_of(urls), _pages(tuple(blocked_urls))), "blocked_url")
    if blocked_words or soft_words:
        _check_min_soft_words(min_soft_words)
        hard, soft = _words(tuple(blocked_words)), _words(tuple(soft_words))
        has_word = _words_in(*text_buffers(pc.ascii_lower(urls)), hard, soft, min_soft_words)
        batch = drop(batch, has_word, "blocked_url_word")
    if blocked_subwords:
        subwords = _subwords(tuple(blocked_subwords))
        has_subword = _subwords_in(*text_buffers(_letters(urls)), *subwords)
        batch = drop(batch, has_subword, "blocked_url_word")
    return batch


class _Subwords(NamedTuple):
    """The hashes of parts of words, and the lengths that these parts have."""

    keys: KeySet
    lengths: npt.NDArray[np.int32]  # distinct, in bytes


@cache
def _domains(paths: tuple[str, ...]) -> KeySet:
    sets = [np.empty(0, np.uint64)]
    for path in paths:
        names, others = read_domains(path)
        sets += [names, document_keys(_compared(others, path, domains_of, "domain"))]
    return np.sort(np.concatenate(sets))


@cache
def _pages(paths: tuple[str, ...]) -> KeySet:
    return key_set(_entries(paths, listed_pages_of, "url"))


@cache
def _words(paths: tuple[str, ...]) -> KeySet:
    return key_set(_entries(paths, _letters, "word"))


@cache
def _subwords(paths: tuple[str, ...]) -> _Subwords:
    words = _entries(paths, _letters, "word")
    return _Subwords(key_set(words), pc.unique(pc.binary_length(words)).to_numpy())


def _letters(texts: pa.StringArray) -> pa.StringArray:
    """Return the letters and digits of each text in lower case, null where there are none."""
    letters = pc.replace_substring_regex(pc.ascii_lower(texts), _NO_LETTER, "")
    return pc.if_else(pc.equal(letters, ""), pa.scalar(None, pa.string()), letters)


def _entries(
    paths: tuple[str, ...], form: Callable[[pa.StringArray], pa.StringArray], kind: str
) -> pa.StringArray:
    """Read lists and bring their entries into the form that is compared.

    ``form`` makes that form. Raises ValueError for an entry that has none.
    """
    columns = [_compared(read_list(path), path, form, kind) for path in paths]
    return pa.concat_arrays([pa.array([], pa.string()), *columns])


def _compared(
    entries: pa.StringArray, path: str, form: Callable[[pa.StringArray], pa.StringArray], kind: str
) -> pa.StringArray:
    """Bring entries of a list into the form that is compared; raises ValueError as _entries."""
    compared = form(entries)
    if compared.null_count:
        first = entries.filter(compared.is_null())[0].as_py()
        instead = _instead(first, kind)
        raise ValueError(f"{path}: {first!r} is no {kind}; a list has one {kind} a line{instead}")
    return compared


def _instead(entry: str, kind: str) -> str:
    """Say what to write instead of an entry that no url can match, where that is clear."""
    domain = domain_in(entry)
    if domain is None or kind == "word":
        return ""
    if kind == "url":
        return f", and {domain!r} in a list of domains covers all pages there"
    return f"; {domain!r} covers itself and everything below it"


@njit(cache=True, nogil=True)
def _is_letter(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57 or 97 <= byte <= 122


@njit(cache=True, nogil=True)
def _words_in(data, offsets, hard, soft, min_soft):  # type: ignore[no-untyped-def]
    """Tell which lower-case urls hold a word of ``hard``, or ``min_soft`` words of ``soft``."""
    is_blocked = np.zeros(offsets.size - 1, np.bool_)
    seen = np.empty(min_soft, np.uint64)
    for t in range(offsets.size - 1):
        n_seen = 0
        end = offsets[t]
        while end < offsets[t + 1] and not is_blocked[t]:
            start = end
            while end < offsets[t + 1] and _is_letter(data[end]):
                end += 1
            if end > start:
                key = xxh64(data, start, end)
                if holds(soft, key) and not np.any(seen[:n_seen] == key):
                    seen[n_seen] = key
                    n_seen += 1
                is_blocked[t] = n_seen == min_soft or holds(hard, key)
            end += 1
    return is_blocked


@njit(cache=True, nogil=True)
def _subwords_in(data, offsets, keys, lengths):  # type: ignore[no-untyped-def]
    """Tell which texts hold one of the parts of words anywhere."""
    is_blocked = np.zeros(offsets.size - 1, np.bool_)
    for t in range(offsets.size - 1):
        for length in lengths:
            for start in range(offsets[t], offsets[t + 1] - length + 1):
                if holds(keys, xxh64(data, start, start + length)):
                    is_blocked[t] = True
                    break
            if is_blocked[t]:
                break
    return is_blocked
