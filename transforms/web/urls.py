"""Urls: their hosts, and the forms in which hosts and pages are compared.

Hosts are compared in lower case, without user names, ports and trailing dots. Internationalised
names are compared in their ASCII form (UTS 46, RFC 5891). A domain stands for itself and everything
below it: ``example.org`` covers ``www.example.org``, but not ``notexample.org``. Pages are compared
without scheme, user name, default port, fragment and trailing slashes.

Sets of millions of hosts or pages are kept as sorted XXH64 hashes of 8 bytes. The probability that
any of ten billion pages falsely matches one of five million hashes is about 0.01.
"""

from __future__ import annotations

from urllib.parse import unquote

import idna
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from transforms.documents import text_buffers
from transforms.kernels.hashing import xxh64
from transforms.kernels.key_sets import KeySet, holds

_PARTS = (
    r"^\s*(?:(?:[A-Za-z][A-Za-z0-9+.\-]*:)?(?P<slashes>[/\\]{2}))?"
    r"(?:[^/?#\\]*@)?"
    r"(?P<host>\[[^\]/?#\\]*\]|[^:/?#\\]*)"
    r"(?::(?P<port>[0-9]*))?"
    r"(?P<rest>[/?#\\][\s\S]*)?$"
)
_BARE_NAME = r"^[a-z0-9_](?:[a-z0-9_.\-]*[a-z0-9_\-])?$"  # form of almost all entries of a list
_NOT_PLAIN_ASCII = r"[^!-$&-~]"  # characters of a host that has to be decoded, such as %


def hosts_of(urls: pa.StringArray) -> pa.StringArray:
    """Return the host of every url in the form that is compared, null where there is none.

    A url without ``//`` has a host if it begins with a name that holds a dot. So lists of plain
    domains go through the same function as urls of pages.
    """
    return _hosts(_parts(urls))


def pages_of(urls: pa.StringArray) -> pa.StringArray:
    """Return every url in the form in which pages are compared, null where there is no host."""
    parts = _parts(urls)
    hosts = _hosts(parts)
    port = parts.field("port")
    is_usual = pc.is_in(port, pa.array(["", "80", "443"]))
    ports = pc.if_else(is_usual, "", pc.binary_join_element_wise(":", port, ""))
    rest = pc.replace_substring_regex(parts.field("rest"), r"#[\s\S]*$", "")
    rest = pc.utf8_rtrim(pc.utf8_rtrim_whitespace(rest), "/")
    return pc.binary_join_element_wise(hosts, ports, rest, "")


def domains_of(names: pa.StringArray) -> pa.StringArray:
    """Return the entries of a list of domains in the form that is compared, null for other entries.

    An entry may be a name (``example.org``, ``.example.org``, ``*.example.org``), a single label,
    which covers a whole top-level domain, or a url, of which the host counts.
    """
    odd = pc.invert(pc.match_substring_regex(names, _BARE_NAME))
    if not odd.true_count:
        return names
    bare = pc.replace_substring_regex(names.filter(odd), r"^\s*\*?\.", "")
    is_address = pc.match_substring(bare, "//")
    hosts = hosts_of(pc.if_else(is_address, bare, pc.binary_join_element_wise("//", bare, "")))
    has_space = pc.match_substring_regex(hosts, r"[\s\pZ]")
    hosts = pc.if_else(has_space, pa.scalar(None, pa.string()), hosts)
    return pc.replace_with_mask(names, odd, hosts)


def in_domains(hosts: pa.StringArray, domains: KeySet) -> npt.NDArray[np.bool_]:
    """Tell which hosts are one of the domains or lie below one. Nulls never do."""
    return _suffix_in(*text_buffers(hosts), domains)


def _parts(urls: pa.StringArray) -> pa.StructArray:
    return pc.extract_regex(urls, _PARTS)


def _hosts(parts: pa.StructArray) -> pa.StringArray:
    hosts = pc.ascii_lower(pc.utf8_rtrim(pc.struct_field(parts, "host"), "."))
    odd = pc.fill_null(pc.match_substring_regex(hosts, _NOT_PLAIN_ASCII), False)
    if odd.true_count:
        plain = [_plain_host(host) for host in hosts.filter(odd).to_pylist()]
        hosts = pc.replace_with_mask(hosts, odd, pa.array(plain, pa.string()))
    has_dot = pc.match_substring(hosts, ".")
    is_host = pc.and_(
        pc.not_equal(hosts, ""),
        pc.or_(has_dot, pc.not_equal(pc.struct_field(parts, "slashes"), "")),
    )
    return pc.if_else(is_host, hosts, pa.scalar(None, pa.string()))


def _plain_host(host: str) -> str:
    """Return the ASCII form of a host; labels that the standard refuses stay as they are."""
    host = unquote(host).strip()
    try:
        host = idna.uts46_remap(host, std3_rules=False)
    except idna.IDNAError:
        host = host.lower()
    return ".".join(map(_ascii_label, host.rstrip(".").split(".")))


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError:
        return label


@njit(cache=True, nogil=True)
def _suffix_in(data, offsets, keys):  # type: ignore[no-untyped-def]
    """Tell which hosts are in ``keys``, as a whole or from one of their dots on."""
    is_in_domain = np.zeros(offsets.size - 1, np.bool_)
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            begins = i == offsets[t] or data[i - 1] == ord(".")
            if begins and holds(keys, xxh64(data, i, offsets[t + 1])):
                is_in_domain[t] = True
                break
    return is_in_domain
