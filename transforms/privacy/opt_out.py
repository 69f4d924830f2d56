"""The opt-out list: ids, urls and domains whose documents are left out at their owners' request.

The file is a list as :mod:`transforms.web.text_lists` reads them. An entry with ``://`` is a url,
one with ``#`` a document's id (``SOURCE/FILE#RECORD``), any other a domain, which stands for what
lies below it as well. Urls and domains are compared as :mod:`transforms.web.urls` does it.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.documents import drop
from transforms.kernels.key_sets import KeySet, in_key_set, key_set
from transforms.web.text_lists import numbered_entries
from transforms.web.urls import hosts_of, in_domains, pages_of

_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)+\.?")


class OptOutList(NamedTuple):
    """The keys of a list's entries, by kind."""

    ids: KeySet
    urls: KeySet
    domains: KeySet

    def covers(self, other: OptOutList) -> bool:
        """Tell whether every entry of another list stands in this one."""
        return all(np.isin(its, mine).all() for mine, its in zip(self, other, strict=True))

    def matches(self, ids: pa.StringArray, urls: pa.StringArray) -> npt.NDArray[np.bool_]:
        """Tell of each document whether it is to be left out; a url may be null."""
        found = in_key_set(ids, self.ids)
        if len(self.urls):
            found |= in_key_set(pages_of(urls), self.urls)
        if len(self.domains):
            found |= in_domains(hosts_of(urls), self.domains)
        return found


@functools.lru_cache(maxsize=4)
def parse_opt_out(data: bytes) -> OptOutList:
    """Parse a list's file. Raises ValueError where it is none, or an entry is of no kind."""
    kinds: dict[str, list[str]] = {"ids": [], "urls": [], "domains": []}
    for number, entry in numbered_entries(data):
        if "://" in entry:
            kinds["urls"].append(entry)
        elif "#" in entry:
            kinds["ids"].append(entry)
        elif _DOMAIN.fullmatch(entry):
            kinds["domains"].append(entry)
        else:
            raise ValueError(
                f"line {number}: {entry!r} is neither a document's id (SOURCE/FILE#RECORD), nor a "
                "url (https://...), nor a domain (example.org)"
            )
    ids, urls, domains = (pa.array(entries, pa.string()) for entries in kinds.values())
    return OptOutList(key_set(ids), key_set(pages_of(urls)), key_set(hosts_of(domains)))


def opt_out(batch: pa.RecordBatch, entries: OptOutList) -> pa.RecordBatch:
    """Drop the documents that the list names, as ``opted_out``."""
    return drop(batch, entries.matches(batch["id"], batch["url"]), "opted_out")
