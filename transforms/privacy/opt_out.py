"""The opt-out list: ids, urls and domains whose documents are left out at their owners' request.

The file is a list as :mod:`transforms.web.text_lists` reads them. An entry with ``://`` is a url,
and one with ``#`` is a document's id (``SOURCE/FILE#RECORD``). Any other is a domain, which also
covers everything below it, and may be written ``*.example.org`` as well. :mod:`transforms.web.urls`
says how urls and domains are compared.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.documents import drop
from transforms.kernels.key_sets import KeySet, in_key_set, key_set
from transforms.web.text_lists import numbered_entries
from transforms.web.urls import (
    domain_in,
    domains_of,
    hosts_of,
    in_domains,
    listed_pages_of,
    pages_of,
)

_DOMAIN = re.compile(r"(?:\*?\.)?[\w-]+(?:\.[\w-]+)+\.?")


class OptOutList(NamedTuple):
    """The hashes of a list's entries, by kind."""

    ids: KeySet
    urls: KeySet
    domains: KeySet

    def covers(self, other: OptOutList) -> bool:
        """Tell whether every entry of another list stands in this one."""
        return all(np.isin(its, mine).all() for mine, its in zip(self, other, strict=True))

    def matches(self, ids: pa.StringArray, urls: pa.StringArray) -> npt.NDArray[np.bool_]:
        """Tell which documents the list names. A url may be null."""
        is_named = in_key_set(ids, self.ids)
        if len(self.urls):
            is_named |= in_key_set(pages_of(urls), self.urls)
        if len(self.domains):
            is_named |= in_domains(hosts_of(urls), self.domains)
        return is_named


class _Entries(NamedTuple):
    """The entries of a list by kind, as they are written, and the forms that are compared."""

    ids: list[str]
    urls: list[str]
    domains: list[str]

    def forms(self) -> tuple[pa.StringArray, pa.StringArray, pa.StringArray]:
        ids, urls, domains = (pa.array(entries, pa.string()) for entries in self)
        return ids, listed_pages_of(urls), domains_of(domains)


@functools.lru_cache(maxsize=4)
def parse_opt_out(data: bytes) -> OptOutList:
    """Parse the file of a list.

    Raises ValueError, with the line, for an entry of no known kind and for one that can never match
    a document.
    """
    return OptOutList(*map(key_set, _parsed(data).forms()))


def _parsed(data: bytes) -> _Entries:
    entries = _Entries([], [], [])
    numbers: dict[str, int] = {}
    for number, entry in numbered_entries(data):
        if "://" in entry:
            entries.urls.append(entry)
        elif "#" in entry:
            entries.ids.append(entry)
        elif _DOMAIN.fullmatch(entry):
            entries.domains.append(entry)
        else:
            raise ValueError(
                f"line {number}: {entry!r} is neither a document's id (SOURCE/FILE#RECORD), nor a "
                f"url (https://...), nor a domain (example.org){_instead(entry)}"
            )
        numbers.setdefault(entry, number)
    _, urls, domains = entries.forms()
    for written, forms in ((entries.urls, urls), (entries.domains, domains)):
        for position in np.flatnonzero(forms.is_null().to_numpy(zero_copy_only=False))[:1]:
            entry = written[position]
            raise ValueError(
                f"line {numbers[entry]}: {entry!r} can match no document{_instead(entry)}"
            )
    return entries


def _instead(entry: str) -> str:
    """Say what to write instead of an entry that can match nothing, where that is clear."""
    domain = domain_in(entry)
    return f"; {domain} covers itself and everything below it" if domain else ""


class UnmatchedEntries:
    """The entries of a list that have matched none of the documents seen so far."""

    def __init__(self, data: bytes) -> None:
        entries = _parsed(data)
        self._left: list[dict[str, list[str]]] = []
        for written, forms in zip(entries, entries.forms(), strict=True):
            by_form: dict[str, list[str]] = {}
            for entry, form in zip(written, forms.to_pylist(), strict=True):
                by_form.setdefault(form, []).append(entry)
            self._left.append(by_form)
        self.n_entries = sum(map(len, entries))

    def see(self, ids: pa.StringArray, urls: pa.StringArray) -> None:
        """Look at documents, whose urls may be null."""
        by_id, by_page, by_domain = self._left
        for identifier in ids.to_pylist():
            by_id.pop(identifier, None)
        for page in pages_of(urls).to_pylist():
            by_page.pop(page, None)
        for host in pc.unique(hosts_of(urls)).drop_null().to_pylist():
            labels = host.split(".")
            for first in range(len(labels)):
                by_domain.pop(".".join(labels[first:]), None)

    def entries(self) -> list[str]:
        """Return the entries, as they are written."""
        return [entry for forms in self._left for same in forms.values() for entry in same]


def opt_out(batch: pa.RecordBatch, entries: OptOutList) -> pa.RecordBatch:
    """Drop the documents that the list names, as ``opted_out``."""
    return drop(batch, entries.matches(batch["id"], batch["url"]), "opted_out")
