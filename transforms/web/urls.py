"""Urls: their hosts, and the forms in which hosts and pages are compared.

Hosts are compared in lower case, without user names, ports and trailing dots. Internationalised
names are compared in their ASCII form (UTS 46, RFC 5891). A domain stands for itself and everything
below it: ``example.org`` covers ``www.example.org``, but not ``notexample.org``. Pages are compared
without scheme, user name, default port, fragment and trailing slashes, and in the normal form of
RFC 3986 (6.2.2, 6.2.3): characters that need no percent-encoding stand for themselves, all others
are encoded, in capital digits; dot segments are resolved; an empty path is ``/``.

Sets of millions of hosts or pages are kept as sorted XXH64 hashes of 8 bytes. The probability that
any of ten billion pages falsely matches one of five million hashes is about 0.01.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

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
_NAME = r"[a-z0-9_][a-z0-9_\-]*(?:\.[a-z0-9_\-]+)*"  # almost all hosts, in a list and in urls
_BARE_NAME = rf"^{_NAME}$"
_NO_NAME = (
    r"[\s\pZ\pC#%*/:<>?@\\^|]|^\.|\.\.|^$"  # what no host holds (url.spec.whatwg.org), and `*`
)
_ADDRESS = r"^\[[0-9a-f:.]+\]$"
_NOT_NORMAL = r"[^!$&-;=?-Z\[\]_a-z~]|^\?|/\.\.?(?:[/?]|$)"  # of the part of a url behind its host
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_STAND_FOR_THEMSELVES = "!$&'()*+,;=:@/?[]%"  # beside letters, digits and `-._~`, in quote()
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
    rest = _normal(pc.utf8_rtrim_whitespace(rest))
    rest = pc.utf8_rtrim(rest, "/")
    return pc.binary_join_element_wise(hosts, ports, rest, "")


def domains_of(names: pa.StringArray) -> pa.StringArray:
    """Return the entries of a list of domains in the form that is compared, null for other entries.

    An entry may be a name (``example.org``, ``.example.org``, ``*.example.org``), a single label,
    which covers a whole top-level domain, or a url, of which the host counts. An entry that no host
    can match, such as ``*name.test``, is null too.
    """
    odd = pc.invert(pc.match_substring_regex(names, _BARE_NAME))
    if not odd.true_count:
        return names
    bare = pc.replace_substring_regex(names.filter(odd), r"^\s*(?:\*?\.)?", "")
    is_address = pc.match_substring(bare, "//")
    hosts = hosts_of(pc.if_else(is_address, bare, pc.binary_join_element_wise("//", bare, "")))
    return pc.replace_with_mask(names, odd, _possible(hosts, hosts))


def listed_pages_of(urls: pa.StringArray) -> pa.StringArray:
    """Return the entries of a list of urls as :func:`pages_of` does, null where none can match.

    An entry names one page: one with a wildcard for its host, or at its end, matches nothing.
    """
    pages = _possible(hosts_of(urls), pages_of(urls))
    return pc.if_else(pc.ends_with(pages, "*"), pa.scalar(None, pa.string()), pages)


def domain_in(entry: str) -> str | None:
    """Return the domain that somebody meant who wrote an entry that no host can match, or None."""
    names = re.findall(r"[\w-]+(?:\.[\w-]+)+", entry.partition("//")[2] or entry)
    return names[0].lower() if names else None


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


def _possible(hosts: pa.StringArray, entries: pa.StringArray) -> pa.StringArray:
    """Return the entries of a list, null where a url cannot have the host."""
    is_no_name = pc.and_(
        pc.match_substring_regex(hosts, _NO_NAME),
        pc.invert(pc.match_substring_regex(hosts, _ADDRESS)),
    )
    return pc.if_else(is_no_name, pa.scalar(None, pa.string()), entries)


def _normal(rest: pa.StringArray) -> pa.StringArray:
    """Return what stands behind the hosts of urls in the normal form of RFC 3986."""
    odd = pc.fill_null(pc.match_substring_regex(rest, _NOT_NORMAL), False)
    if not odd.true_count:
        return rest
    normal = [_normal_rest(text) for text in rest.filter(odd).to_pylist()]
    return pc.replace_with_mask(rest, odd, pa.array(normal, pa.string()))


def _normal_rest(rest: str) -> str:
    path, mark, query = rest.partition("?")
    path = _normal_encoding(path.replace("\\", "/"))
    return (_without_dots(path) or "/") + mark + _normal_encoding(query)


def _normal_encoding(text: str) -> str:
    return quote(_ENCODED.sub(_decoded, text), safe=_STAND_FOR_THEMSELVES)


def _decoded(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """Return a path without its dot segments (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]  # but not what stands ahead of the first slash
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


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
