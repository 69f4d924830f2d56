"""A plain search for personal data, by regular expressions and the module ipaddress.

It does not use the kernels. ``docs/filters.md`` defines e-mail addresses, IP addresses and phone
numbers.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_LOCAL = re.compile(r"[A-Za-z0-9._%+-]*\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_RESERVED = re.compile(r"(?i)(.*\.)?(example(\.com|\.net|\.org)?|test|invalid|localhost)")
_TRIGGER = re.compile(r"[0-9+(]")
_IPV4 = re.compile(r"(?<![A-Za-z0-9_.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![A-Za-z0-9_]|[.-][0-9])")
_IPV6 = re.compile(r"(?<![A-Za-z0-9_.:])[23][0-9A-Fa-f:]+")
_ABROAD = re.compile(r"(?<![A-Za-z0-9_+])\+[1-9][0-9 ./()-]*")
_AMERICA = re.compile(
    r"""(?: (?: (?<![A-Za-z0-9_.+-]) 1[ .-] )? \( [2-9][0-9]{2} \) [ -]? [2-9][0-9]{2} [ .-]
    | (?<![A-Za-z0-9_.+-]) (?: 1[ .-] )? [2-9][0-9]{2} ([.-]) [2-9][0-9]{2} \1 )
    [0-9]{4} (?![A-Za-z0-9_]|[.-][0-9])""",
    re.VERBOSE,
)
_SPECIAL_IPV6 = [
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20")
]
_SPECIAL_IPV4 = [
    ipaddress.IPv4Network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3")
]


class PersonalData(NamedTuple):
    """An item of personal data, with its edges in the text."""

    start: int
    end: int
    kind: str


def scrub(text: str, placeholders: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, int]]:
    """Replace personal data of the kinds with placeholders; return the text and the counts."""
    parts = []
    counts: Counter[str] = Counter()
    at = 0
    for start, end, kind in personal_data(text, {k for k, texts in placeholders.items() if texts}):
        if text[start:end] not in placeholders[kind]:
            parts += [text[at:start], placeholders[kind][counts[kind] % len(placeholders[kind])]]
            counts[kind] += 1
            at = end
    return "".join([*parts, text[at:]]), dict(counts)


def personal_data(text: str, kinds: set[str]) -> Iterator[PersonalData]:
    """Yield e-mail addresses, and the numbers in the text between them."""
    at = 0
    for start, end in [*(emails(text) if "email" in kinds else []), (len(text), len(text))]:
        yield from (
            PersonalData(at + number.start, at + number.end, number.kind)
            for number in numbers(text[at:start], kinds)
        )
        if start < end:
            yield PersonalData(start, end, "email")
        at = end


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield the edges of all e-mail addresses."""
    behind = 0
    for at in (i for i, c in enumerate(text) if c == "@"):
        local = _LOCAL.search(text, max(behind, at - 65), at)
        domain = _DOMAIN.match(text, at + 1)
        assert local and domain
        name = local.group().lstrip("._%+-")
        host = domain.group().rstrip(".-")
        labels = host.split(".")
        if (
            len(local.group()) <= 64
            and name
            and not name.endswith(".")
            and ".." not in name
            and len(labels) > 1
            and all(_LABEL.fullmatch(label) for label in labels)
            and re.fullmatch(r"[A-Za-z]{2,}|[Xx][Nn]--[A-Za-z0-9-]+", labels[-1])
            and not _RESERVED.fullmatch(host)
        ):
            behind = at + 1 + len(host)
            yield at - len(name), behind


def numbers(text: str, kinds: set[str]) -> Iterator[PersonalData]:
    """Yield IP addresses and phone numbers, from left to right."""
    at = 0
    while trigger := _TRIGGER.search(text, at):
        at = trigger.start()
        end, kind = _ip_end(text, at) if "ip" in kinds else 0, "ip"
        if not end:
            end, kind = _phone_end(text, at) if "phone" in kinds else 0, "phone"
        if end:
            yield PersonalData(at, end, kind)
        at = end or at + 1


def _ip_end(text: str, at: int) -> int:
    if (ipv4 := _IPV4.match(text, at)) and _is_public_ipv4(ipv4.group()):
        return ipv4.end()
    if ipv6 := _IPV6.match(text, at):
        address = re.sub(r"(?<!:):$", "", ipv6.group())
        end = at + len(address)
        if _is_public_ipv6(address) and not re.match(r"[A-Za-z0-9_]", text[end : end + 1]):
            return end
    return 0


def _is_public_ipv4(candidate: str) -> bool:
    try:
        address = ipaddress.IPv4Address(candidate)
    except ValueError:
        return False
    large = [number for number in candidate.split(".") if int(number) >= 32]
    special = not address.is_global or any(address in network for network in _SPECIAL_IPV4)
    return len(large) >= 2 and not special


def _is_public_ipv6(candidate: str) -> bool:
    try:
        address = ipaddress.IPv6Address(candidate)
    except ValueError:
        return False
    return (
        len(re.findall(r"[0-9A-Fa-f]+", candidate)) >= 3
        and re.match(r"[0-9A-Fa-f]{4}:", candidate) is not None
        and not any(address in network for network in _SPECIAL_IPV6)
    )


def _phone_end(text: str, at: int) -> int:
    if found := _ABROAD.match(text, at):
        return _international_end(text, at, found.end())
    if (found := _AMERICA.match(text, at)) and re.sub(r"\D", "", found.group())[-7:-2] != "55501":
        return found.end()
    return 0


def _international_end(text: str, at: int, run_end: int) -> int:
    """Return the end of the phone number after a plus sign, within a run of digits and gaps."""
    limit = 11 if text[at + 1] == "1" else 15
    digits, end = "", 0
    number = behind = 0
    for group in re.finditer(r"[0-9]+", text[at:run_end]):
        first, last = at + group.start(), at + group.end()
        if (
            len(digits + group.group()) > limit
            or re.match(r"[A-Za-z_]", text[last : last + 1])
            or (len(group.group()) == 1 and number > 1)
            or (number > 0 and first - behind > 3)
        ):
            break
        if re.fullmatch("00+", group.group()):
            return 0
        behind = last
        if number == 1 and text[first - 1 : last + 1] == "(0)":
            continue
        number += 1
        digits += group.group()
        end = last
    if len(digits) < 8 or (
        limit == 11 and not re.fullmatch(r"1(?!...55501)[2-9]..[2-9].{6}", digits)
    ):
        return 0
    return end
