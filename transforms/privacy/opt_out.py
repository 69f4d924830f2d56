"""The opt-out list: ids, urls and domains whose documents are left out at their owners' request.

The list has one entry a line. Blank lines and lines that begin with ``#`` are skipped. An entry
with ``://`` is a url, and one with ``#`` is a document's id (``SOURCE/FILE#RECORD``). Any other is
a domain, which also covers everything below it. :mod:`transforms.web.urls` says how urls and
domains are compared.
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
from transforms.web.urls import hosts_of, in_domains, pages_of

_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)+\.?")


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


@functools.lru_cache(maxsize=4)
def parse_opt_out(data: bytes) -> OptOutList:
    """Parse a list in UTF-8. Raises ValueError, with the line, for an entry of no known kind."""
    kinds: dict[str, list[str]] = {"ids": [], "urls": [], "domains": []}
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error}") from None
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
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
